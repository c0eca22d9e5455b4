"""MS-SSIM block by block: quicker than of the whole, and blocks stay known."""

from __future__ import annotations

from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec import metrics
from napari_sft.codec.cache import Cache
from napari_sft.preview.remembering_model import digest

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import Tensor

# Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image
# quality assessment", 2003, as the package pytorch_msssim computes it.
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
SCALES, WINDOW, SIGMA = len(WEIGHTS), 11, 1.5
C1, C2 = 0.01**2, 0.03**2
COARSEST = 1 << (SCALES - 1)  # pixels along one of the last scale
SIDE = 256  # of a block in pixels: its arrays stay in a processor's cache
MARGIN = (WINDOW - 1) * COARSEST


class Similarity:
    """MS-SSIM of parts of one plane, whose original stays the same."""

    def __init__(self) -> None:
        self._blocks: Cache[NDArray[np.float64]] = Cache(1 << 14, lambda _: 1)

    def of(
        self,
        original: NDArray[np.float32],
        decoded: NDArray[np.float32],
        place: Hashable,
    ) -> float | None:
        """As `napari_sft.codec.metrics.ms_ssim`, but for rounding.

        Parameters
        ----------
        original, decoded : ndarray of float32, (Y, X) or (Y, X, 3)
            Values in 0..1.
        place : hashable
            Where in the plane they are.
        """
        size = decoded.shape[:2]
        # Odd sizes are padded before they are halved, which moves blocks.
        if min(size) < metrics.MS_SSIM_SIDE or any(n % COARSEST for n in size):
            return metrics.ms_ssim(original, decoded, 1.0)
        total: Any = 0.0
        for top, left in product(*(range(0, n, SIDE) for n in size)):
            rows, columns = (slice(n, n + SIDE + MARGIN) for n in (top, left))
            pair = original[rows, columns], decoded[rows, columns]
            key = place, top, left, digest(pair[1])
            total = total + self._blocks.get(key, partial(_sums, *pair))
        counts = [
            (size[0] // n - WINDOW + 1) * (size[1] // n - WINDOW + 1)
            for n in (1 << scale for scale in range(SCALES))
        ]
        means = np.maximum(total / np.array(counts)[:, None], 0)
        return float(np.prod(means ** WEIGHTS[:, None], axis=0).mean())


def _sums(
    original: NDArray[np.float32], decoded: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Sums of a block's positions, (scales, channels).

    Of contrast and structure; at the last scale of luminance too.
    """
    import torch
    from torch.nn.functional import avg_pool2d

    first, second = (
        torch.from_numpy(np.atleast_3d(plane).transpose(2, 0, 1).copy())
        for plane in (original, decoded)
    )
    sums = np.zeros((SCALES, len(first)))
    with torch.inference_mode():
        for scale in range(SCALES):
            if scale:
                first, second = avg_pool2d(first, 2), avg_pool2d(second, 2)
            reach = (SIDE >> scale) + WINDOW - 1
            if min(first.shape[1:]) < WINDOW:
                break  # the positions are those of the blocks before
            values = _similarities(
                first[:, :reach, :reach],
                second[:, :reach, :reach],
                luminance=scale == SCALES - 1,
            )
            sums[scale] = values.double().sum((1, 2)).numpy()
    return sums


def _similarities(first: Tensor, second: Tensor, *, luminance: bool) -> Tensor:
    """Structural similarity at each position of pictures (C, Y, X)."""
    import torch

    products = first * first, second * second, first * second
    smooth = _smooth(torch.cat((first, second, *products)))
    mean_1, mean_2, square_1, square_2, both = smooth.chunk(5)
    common = mean_1 * mean_2
    means = mean_1 * mean_1 + mean_2 * mean_2
    # contrast and structure
    result = (2 * (both - common) + C2) / (square_1 + square_2 - means + C2)
    if luminance:
        result = result * (2 * common + C1) / (means + C1)
    return result


def _smooth(stack: Tensor) -> Tensor:
    from torch.nn.functional import conv2d

    count = len(stack)
    for shape in ((count, 1, WINDOW, 1), (count, 1, 1, WINDOW)):
        weight = _gaussian().reshape(1, 1, *shape[2:]).expand(shape)
        stack = conv2d(stack[None], weight, groups=count)[0]
    return stack


@cache
def _gaussian() -> Tensor:
    import torch

    distance = torch.arange(WINDOW) - WINDOW // 2
    values = torch.exp(-(distance**2) / (2 * SIGMA**2))
    return values / values.sum()
