"""Grad-CAM, the paper's baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.tasks import grad_cam_map
from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.grad_cam import grad_cam
from napari_sft.tasks.registry import TaskError


@pytest.fixture
def stripes():
    """Fine vertical stripes on the left, and faint ones on the right."""
    pixels = np.full((128, 128, 3), 110, np.uint8)
    pixels[:, :64:8] = pixels[:, 1:64:8] = 190
    pixels[:, 64::8] = pixels[:, 65::8] = 125
    return pixels


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
