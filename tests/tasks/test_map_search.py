"""Maps found by gradients, and their baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_sft
from napari_sft.models.registry import load_model
from napari_sft.tasks import classification_map
from napari_sft.tasks.classification import predicted
from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.differentiable import DifferentiableCodec
from napari_sft.tasks.map_search import MapSearch, views
from napari_sft.tasks.registry import TaskError


class Likeness(torch.nn.Module):
    """Logits of two classes: like a picture's upper half, or unlike.

    All views of the picture are of its class.
    """

    def __init__(self, picture):
        super().__init__()
        known = torch.from_numpy(picture / 255).permute(2, 0, 1)[None]
        self.known = views(known)

    def forward(self, x):
        half = x.shape[2] // 2
        difference = (x[:, None] - self.known)[..., :half, :]
        error = difference.square().mean((2, 3, 4)).amin(1)
        alike = 2 - 3000 * error
        return torch.stack([alike, torch.zeros_like(alike)], 1).float()


@pytest.fixture
def picture(make_picture):
    return make_picture(128, 128, seed=7)


@pytest.fixture
def likeness(picture):
    return Classifier(Likeness(picture), 128, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture
def search(likeness, picture, tiny_model):
    codec = DifferentiableCodec(
        load_model('compact', 'cpu'), picture.astype(np.float32) / 255
    )
    return lambda weight=10.0: MapSearch(codec, likeness, 0, weight)


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


def test_a_class_is_looked_for_in_several_views():
    x = torch.rand(1, 3, 64, 96)
    seen = views(x)
    assert seen.shape == (4, 3, 64, 96)
    torch.testing.assert_close(seen[:1], x)
    torch.testing.assert_close(seen[2:].flip(3), seen[:2])
    ramp = torch.linspace(0, 1, 96).expand(1, 3, 64, 96)
    middle = views(ramp)[1, 0, 0]
    assert 0.02 < middle[0] < 0.06
    assert 0.94 < middle[-1] < 0.98
    torch.testing.assert_close(middle.mean(), ramp.mean())


def test_the_smallest_picture_has_views():
    seen = views(torch.full((1, 3, 1, 1), 0.5))
    torch.testing.assert_close(seen, torch.full((4, 3, 1, 1), 0.5))


def test_a_search_is_repeatable_and_begins_the_same_however_long(search):
    np.testing.assert_array_equal(search().run(3), search().run(5)[:3])


def test_the_weight_trades_bits_for_the_class(search):
    low, high = (search(w).run(6)[-1] for w in (1e-3, 1e2))
    assert low.mean() < 12
    assert high.mean() > low.mean() + 20


def test_bits_go_where_the_class_is_seen(search):
    cells = search(100.0).run(6)[-1]
    assert cells[:4].mean() > cells[4:].mean() + 40


def test_what_cannot_be_searched_is_one_line(search):
    with pytest.raises(TaskError, match='weight of 0'):
        search(0)
    with pytest.raises(TaskError, match='0 iterations'):
        search().run(0)


def test_the_map_keeps_what_the_classifier_sees(likeness, picture, tiny_model):
    seen = []
    quality = classification_map(
        picture,
        classifier=likeness,
        weight=100,
        device='cpu',
        progress=lambda *at: seen.append(at),
    )
    assert quality.shape == (128, 128)
    assert 0 <= quality.min() < quality.max() <= 100
    assert seen[-1] == (5, 5)
    data = napari_sft.encode(picture, quality_map=quality, device='cpu')
    x = torch.from_numpy(napari_sft.decode(data) / 255).float()
    assert predicted(likeness, x.permute(2, 0, 1)[None]) == 0
    assert quality[:64].mean() > quality[64:].mean()


def test_a_label_may_be_given(likeness, picture, tiny_model):
    left, right = (
        classification_map(
            picture, classifier=likeness, label=n, weight=100, device='cpu'
        )
        for n in (0, 1)
    )
    assert not np.array_equal(left, right)


def test_large_pictures_are_looked_at_smaller(
    likeness, picture, tiny_model, monkeypatch
):
    monkeypatch.setattr('napari_sft.tasks.classification.LONGEST', 64)
    quality = classification_map(
        picture[:90], classifier=likeness, device='cpu', iterations=1
    )
    assert quality.shape == (90, 128)
    assert quality.dtype == np.float32


def test_progress_may_cancel_the_search(likeness, picture, tiny_model):
    def cancel(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classification_map(
            picture, classifier=likeness, device='cpu', progress=cancel
        )
