"""Small pictures and a small model to train on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sft_training.config import TrainingConfig

TINY_MODEL: dict[str, Any] = {
    'latent_channels': 32,
    'hyper_channels': 8,
    'context_channels': 16,
    'channels': [8, 16, 16],
    'encoder_blocks': [1, 1, 1],
    'decoder_blocks': [1, 1, 1],
}
TINY_SONG2021: dict[str, Any] = {
    'N': 16,
    'M': 16,
    'condition_channels': 4,
    'sft_hidden': 4,
}


@pytest.fixture(scope='session')
def tiny_sizes() -> dict[str, Any]:
    """Sizes of a small compact."""
    return TINY_MODEL


@pytest.fixture
def one_thread():
    """Sums in one order, so that floats are the same in every run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_board(monkeypatch):
    """TensorBoard takes a second to load; test_journal has its tests."""
    monkeypatch.setattr(
        'napari_sft_training.journal.Journal.open', lambda *_: None
    )


@pytest.fixture
def picture_folder(
    tmp_path: Path, make_picture: Callable[..., np.ndarray]
) -> Path:
    """Six pictures of 96x112 pixels; the first one is for validation."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for seed in range(6):
        picture = np.roll(make_picture(96, 112, seed=seed), 17 * seed, (0, 1))
        Image.fromarray(picture).save(folder / f'{seed}.png')
    return folder


@pytest.fixture
def tiny_values(picture_folder: Path) -> dict[str, Any]:
    """A configuration as a file has it: small model, pictures, run."""
    return {
        'sources': [{'path': str(picture_folder)}],
        'patch_size': 64,
        'batch_size': 2,
        'steps': 4,
        'warmup_steps': 2,
        'decay_steps': 2,
        'precision': 'float32',
        'log_steps': 2,
        'validation_steps': 100,
        'start_patches': 40,
        'validation_patches': 2,
        'model': 'compact',
        'sizes': TINY_MODEL,
    }


@pytest.fixture
def tiny_song2021() -> dict[str, int]:
    """Sizes of a small song2021."""
    return TINY_SONG2021


@pytest.fixture
def song2021_values(
    tmp_path: Path, make_picture: Callable[..., np.ndarray]
) -> dict[str, Any]:
    """The paper's recipe, all of it small."""
    folder = tmp_path / 'larger_pictures'
    folder.mkdir()
    for seed in range(3):
        picture = make_picture(128, 144, seed=seed)
        Image.fromarray(picture).save(folder / f'{seed}.png')
    return {
        'model': 'song2021',
        'sizes': TINY_SONG2021,
        'sources': [{'path': str(folder)}],
        'patch_size': 128,
        'batch_size': 2,
        'steps': 5,
        'learning_rate': 1e-3,
        'validation_patches': 2,
    }


@pytest.fixture
def tiny_config(tiny_values: dict[str, Any]) -> TrainingConfig:
    """The same as an object."""
    return TrainingConfig(**tiny_values)
