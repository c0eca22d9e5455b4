"""The non-uniform quality maps of the paper's own test, "Test-1".

Level -100 of `dataset.py` in the public code of Song, Choi and Han, ICCV 2021,
arXiv 2108.09551 (micmic123/QmapCompression), in numpy. There the density is
in float32, here in float64: the maps agree to within 0.001 of 100.
"""

from __future__ import annotations

import numpy as np


def nonuniform_map(
    index: int, count: int, shape: tuple[int, int]
) -> np.ndarray:
    """The map of one picture of a set.

    Every third picture gets a ramp from left to right, the others one
    Gaussian bump. As in the original, the kernel's x runs along rows: `mu_x`
    comes from the height, and the grid's points are (row, column).

    Parameters
    ----------
    index, count : int
        The picture's number, from 0 and sorted by path, and how many there
        are.
    shape : (int, int)
        Height and width.

    Returns
    -------
    ndarray of float32, `shape`
        Quality 0..100.
    """
    height, width = shape
    share = index / count
    if index % 3 == 0:
        ramp = np.linspace(100 * share, 100 * (1 - share), width)
        return np.tile(ramp, (height, 1)).astype(np.float32)
    mu_x = height / 4 + height / 2 * share
    mu_y = width / 4 + width / 2 * (1 - share)
    var_x = 20000 * (1 - share) + 5000
    var_y = 20000 * share + 5000
    # Constants of the density go with the division by its largest value,
    # which is that of a pixel, not of the centre between pixels.
    along_x = -((np.arange(height) - mu_x) ** 2) / (2 * var_x)
    along_y = -((np.arange(width) - mu_y) ** 2) / (2 * var_y)
    density = np.exp(along_x[:, None] + along_y[None, :])
    peak = 100 * (0.4 * share + 0.6)
    return (density / density.max() * peak).astype(np.float32)
