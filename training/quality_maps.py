"""Random quality maps for training, sampled as in the paper.

Source: Song, Choi, Han (ICCV 2021), section 4.1, and its public code:
uniform, one quality a region, a gradient between two qualities, or a sum
of Gaussian blobs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


def sample_map(
    rng: np.random.Generator,
    size: int,
    regions: NDArray[np.integer] | None,
    shares: tuple[float, float, float, float],
    zero_share: float = 0.0,
) -> Map:
    """Draw one map.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    size : int
        Height and width in pixels.
    regions : ndarray or None
        Region numbers (size, size) of the picture; random ones if None.
    shares : tuple of float
        Shares of uniform, region, gradient and blob maps; they sum to 1.
    zero_share : float
        Share of the uniform maps whose quality is 0.

    Returns
    -------
    ndarray
        q in 0..1, float32, shape (size, size).
    """
    kind = rng.choice(4, p=shares)
    if kind == 0:
        if zero_share and rng.random() < zero_share:
            return np.zeros((size, size), np.float32)
        return np.full((size, size), rng.random(), np.float32)
    if kind == 1:
        if regions is None:
            regions = random_regions(rng, size)
        return _per_region(rng, regions)
    if kind == 2:
        return _gradient(rng, size)
    return _blobs(rng, size)


def random_regions(rng: np.random.Generator, size: int) -> NDArray[np.integer]:
    """Cells of a few random points, a stand-in for a segmentation."""
    points = rng.random((rng.integers(2, 8), 2)) * size
    grid = np.mgrid[:size, :size].astype(np.float32)
    distance = [(grid[0] - y) ** 2 + (grid[1] - x) ** 2 for y, x in points]
    return np.argmin(distance, 0)


def _per_region(rng: np.random.Generator, regions: NDArray[np.integer]) -> Map:
    _, numbers = np.unique(regions, return_inverse=True)
    qualities = rng.random(numbers.max() + 1).astype(np.float32)
    return qualities[numbers.reshape(regions.shape)]


def _gradient(rng: np.random.Generator, size: int) -> Map:
    start, stop = rng.random(2)
    ramp = np.linspace(start, stop, size, dtype=np.float32)
    plane = np.broadcast_to(ramp, (size, size))
    return plane.T if rng.random() < 0.5 else plane


def _blobs(rng: np.random.Generator, size: int) -> Map:
    axis = np.arange(size, dtype=np.float32)
    total = np.zeros((size, size), np.float32)
    # variances are those of the paper at its patches of 256 pixels
    unit = (size / 256) ** 2
    for _ in range(rng.integers(1, 21)):
        centre = rng.random(2) * size
        variance = (1000 + 2000 * rng.random(2)) * unit
        rows, columns = (
            np.exp(-((axis - m) ** 2) / (2 * v))
            for m, v in zip(centre, variance, strict=True)
        )
        density = 1 / np.sqrt(variance[0] * variance[1])
        total += density * np.outer(rows, columns)
    return total / total.max() * (0.5 + 0.5 * rng.random())
