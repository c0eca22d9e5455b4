"""What every test shares: few threads, no window, no deadline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# Read by OpenMP and BLAS when they start, so they come before numpy, and
# torch need not be imported to be held to two threads.
for variable in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(variable, '2')
if 'DISPLAY' not in os.environ:
    os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

settings.register_profile('napari-sft', deadline=None, print_blob=True)
settings.load_profile('napari-sft')


@pytest.fixture
def fresh_python(tmp_path: Path) -> Callable[[str], str]:
    """Run code in a new interpreter, away from the checkout; its output."""

    def run(code: str) -> str:
        result = subprocess.run(
            [sys.executable, '-c', code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    return run


def picture_of(
    height: int = 64, width: int = 96, *, rgb: bool = True, seed: int = 0
) -> np.ndarray:
    """A picture with slopes, edges and grain, like none in any test set."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    slope = 60 + 90 * y / height + 40 * np.sin(x / 9)
    disc = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
    planes = [slope + shift * disc for shift in (50, -30, 10)]
    picture = np.stack(planes, axis=-1) if rgb else planes[0]
    picture = picture + rng.normal(0, 4, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.fixture(scope='session')
def make_picture() -> Callable[..., np.ndarray]:
    """Makes the picture of `picture_of`."""
    return picture_of


@pytest.fixture(scope='session')
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small weights of `compact`: a plain transform codec.

    Random networks correct the principal components of a few pictures; the
    feedback undoes some of that.
    """
    import torch

    from napari_sft.models.compact import CompactConfig, CompactModel
    from napari_sft.models.compact_codec import export
    from napari_sft_training.initialise import initialise

    config = CompactConfig(
        latent_channels=32,
        hyper_channels=16,
        context_channels=32,
        channels=(8, 16, 32),
        encoder_blocks=(1, 1, 1),
        decoder_blocks=(1, 1, 1),
        feedback_channels=8,
    )
    pictures = np.stack(
        [picture_of(128, 64 + 128 * n, seed=n)[:, -64:] for n in range(24)]
    )
    patches = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    levels = torch.linspace(0, 1, len(patches)).view(-1, 1, 1, 1)
    q = levels.expand(-1, 1, 8, 4)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = CompactModel(config)
        initialise(model, patches)
        # the last components are so surely 0 that they are not coded
        model.h_s.map_slope.bias[-8:] -= 40
        # a part of what the error is beyond that of every symbol's rounding
        model.feedback.out.weight.zero_()
        model.feedback.error_share.fill_(0.5)
        model.feedback.rounding_share.fill_(-0.5)
        y = model.analyse(patches, q)
        z = model.hyper_analyse(y, q, model.condition(q)).round()
    folder = tmp_path_factory.mktemp('weights')
    path = folder / 'compact.safetensors'
    export(model, [(z, q)], path, {'note': 'untrained'})
    return folder


@pytest.fixture
def tiny_model(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `compact` be the tiny weights; returns their file."""
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
    return tiny_weights / 'compact.safetensors'
