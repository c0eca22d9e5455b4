"""A tiny classifier and a reader without networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.text import Reader


class Halves(nn.Module):
    """Logits of two classes: detail on the left, and on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 1, 3, bias=False)
        self.relu = nn.ReLU()
        edges = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        self.features.weight.data[:] = edges

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        detail = self.relu(self.features(x))
        half = detail.shape[3] // 2
        left, right = detail[..., :half], detail[..., half:]
        return torch.stack([left.mean((1, 2, 3)), right.mean((1, 2, 3))], 1)


@pytest.fixture
def halves() -> Classifier:
    """A classifier that says on which side there are vertical edges."""
    network = Halves().eval().requires_grad_(False)
    return Classifier(network, 32, (0.5,) * 3, (0.25,) * 3, 'halves')


class FakeEngine:
    """Finds one box, and reads how bright it is."""

    box = ((8, 8), (40, 8), (40, 24), (8, 24))

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []

    def __call__(self, picture, *, use_det, use_cls, use_rec):
        self.pictures.append(picture)
        if use_det:
            found = [[list(corner) for corner in self.box]]
            return (found if picture.max() > picture.min() else None), 0
        return [[f'{picture.mean():.0f}', 0.9]], 0


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def fake_reader(engine, monkeypatch) -> Reader:
    """Let every module use the reader without networks."""
    fake = Reader(engine)
    monkeypatch.setattr('napari_sft.tasks.text.reader', lambda: fake)
    monkeypatch.setattr('napari_sft.tasks.text_trial.reader', lambda: fake)
    return fake
