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


@pytest.fixture
def make_picture() -> Callable[..., np.ndarray]:
    """A picture with slopes, edges and grain, like none in any test set."""

    def make(
        height: int = 64, width: int = 96, *, rgb: bool = True, seed: int = 0
    ) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:height, 0:width]
        slope = 60 + 90 * y / height + 40 * np.sin(x / 9)
        disc = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
        planes = [slope + shift * disc for shift in (50, -30, 10)]
        picture = np.stack(planes, axis=-1) if rgb else planes[0]
        picture = picture + rng.normal(0, 4, picture.shape)
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

    return make
