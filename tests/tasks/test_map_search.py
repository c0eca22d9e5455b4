"""Maps found by gradients, and their baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_sft
from napari_sft.models.registry import load_model
from napari_sft.tasks import classification_map, grad_cam_map
from napari_sft.tasks.classification import predicted
from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.differentiable import DifferentiableCodec
from napari_sft.tasks.grad_cam import grad_cam
from napari_sft.tasks.map_search import MapSearch
from napari_sft.tasks.registry import TaskError


@pytest.fixture
def stripes():
    """Fine vertical stripes on the left, and faint ones on the right."""
    picture = np.full((128, 128, 3), 110, np.uint8)
    picture[:, :64:8] = picture[:, 1:64:8] = 190
    picture[:, 64::8] = picture[:, 65::8] = 125
    return picture


@pytest.fixture
def search(halves, stripes, tiny_model):
    codec = DifferentiableCodec(
        load_model('compact', 'cpu'), stripes.astype(np.float32) / 255
    )
    return lambda weight=10.0: MapSearch(codec, halves, 0, weight)


def loss_of(search, cells):
    q = torch.from_numpy(cells)[None, None] / 100
    with torch.no_grad():
        return float(search.loss(q))


def test_each_evaluation_gives_the_best_map_so_far(search):
    this = search()
    seen = []
    found = this.run(6, lambda *at: seen.append(at))
    assert seen == [(n, 6) for n in range(7)]
    assert len(found) == 6
    losses = [loss_of(this, cells) for cells in found]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    levels = found[-1] * 31 / 100
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


def test_a_search_is_repeatable_and_begins_the_same_however_long(search):
    np.testing.assert_array_equal(search().run(3), search().run(5)[:3])


def test_the_weight_trades_bits_for_the_class(search):
    low, high = (search(w).run(5)[-1] for w in (1e-4, 1e3))
    assert low.max() < 10
    assert high.mean() > low.mean() + 20


def test_what_cannot_be_searched_is_one_line(search):
    with pytest.raises(TaskError, match='weight of 0'):
        search(0)
    with pytest.raises(TaskError, match='0 iterations'):
        search().run(0)


def test_grad_cam_lies_where_the_class_is_seen(halves, stripes):
    x = torch.from_numpy(stripes / 255).float().permute(2, 0, 1)[None]
    cam = grad_cam(halves, x, 0)
    assert cam.shape == (1, 1, 128, 128)
    assert cam.max() <= 1
    assert cam[..., 4:56].mean() > 5 * cam[..., 72:].mean()
    assert not any(m._forward_hooks for m in halves.network.modules())


def test_grad_cam_needs_features(halves, stripes):
    flat = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2)
    )
    with pytest.raises(TaskError, match='convolutional features'):
        grad_cam(Classifier(flat, 32), torch.zeros(1, 3, 64, 64), 0)


def test_grad_cam_times_alpha_is_a_map(halves, stripes):
    whole, half = (
        grad_cam_map(stripes, alpha=a, classifier=halves) for a in (1, 0.5)
    )
    assert whole.shape == (128, 128)
    np.testing.assert_allclose(half, whole / 2, atol=1e-3)


def test_the_map_keeps_what_the_classifier_sees(halves, stripes, tiny_model):
    seen = []
    quality = classification_map(
        stripes,
        classifier=halves,
        weight=100,
        device='cpu',
        progress=lambda *at: seen.append(at),
    )
    assert quality.shape == (128, 128)
    assert 0 <= quality.min() < quality.max() <= 100
    assert seen[-1] == (5, 5)
    data = napari_sft.encode(stripes, quality_map=quality, device='cpu')
    x = torch.from_numpy(napari_sft.decode(data) / 255).float()
    assert predicted(halves, x.permute(2, 0, 1)[None]) == 0


def test_a_label_may_be_given(halves, stripes, tiny_model):
    left, right = (
        classification_map(
            stripes, classifier=halves, label=n, weight=100, device='cpu'
        )
        for n in (0, 1)
    )
    assert not np.array_equal(left, right)


def test_large_pictures_are_looked_at_smaller(
    halves, stripes, tiny_model, monkeypatch
):
    monkeypatch.setattr('napari_sft.tasks.classification.LONGEST', 64)
    quality = classification_map(
        stripes[:90], classifier=halves, device='cpu', iterations=1
    )
    assert quality.shape == (90, 128)
    assert quality.dtype == np.float32


def test_progress_may_cancel_the_search(halves, stripes, tiny_model):
    def cancel(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classification_map(
            stripes, classifier=halves, device='cpu', progress=cancel
        )
