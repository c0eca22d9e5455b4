"""Latents refined while encoding: the blocks in which it is done.

The blocks are the same however a plane is cut into tiles, and each is
refined by itself, so that memory stays bounded and whoever codes a block
again, as the margin of another one, gets the same symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL
from napari_sft.codec.tiles import CELLS, Box, Grid

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 48  # cells along the side of a block
MARGIN = 4  # cells around it that are refined with it, then dropped

# y (1, M, h, w) made better, of pixels, y and fine map of some cells
Refine = Callable[
    [NDArray[np.float32], 'Tensor', NDArray[np.integer]], 'Tensor'
]


class Refiner(Protocol):
    """Makes y better for the picture that it is of.

    Attributes
    ----------
    steps : int
        How often it tells, for each block, that it goes on.
    """

    @property
    def steps(self) -> int:
        """See above."""
        ...

    def __call__(
        self,
        x: NDArray[np.float32],
        y: Tensor,
        fine: NDArray[np.integer],
        step: Callable[[], None],
    ) -> Tensor:
        """Refine some cells.

        Parameters
        ----------
        x : ndarray, (H, W) or (H, W, 3)
            Pixels in 0..1, padding left out.
        y : Tensor, (1, M, h, w)
            As the model's `analyse` gives it; h and w multiples of 4.
        fine : ndarray of int, (h, w)
            The map in fine units.
        step : callable
            Called at each step; may raise to cancel.

        Returns
        -------
        Tensor
            (1, M, h, w)
        """
        ...


def block_count(shape: tuple[int, ...]) -> int:
    """Number of blocks of a plane (Y, X) or (Y, X, 3) in pixels."""
    side = SIDE * CELL
    return -(-shape[0] // side) * -(-shape[1] // side)


def refined_plane(
    refine: Refine,
    plane: NDArray[np.float32],
    y: Tensor,
    fine: NDArray[np.integer],
) -> Tensor:
    """y of a whole plane, refined block by block.

    Parameters
    ----------
    plane : ndarray of float32, (Y, X) or (Y, X, 3)
        Values in 0..1.
    y : Tensor, (1, M, h, w)
    fine : ndarray of int, (h, w)
    """
    whole = Box(0, fine.shape[0], 0, fine.shape[1])
    pixels = Grid(plane.shape, 0).pixels
    result = y.clone()
    for box in whole.pieces(SIDE, SIDE):
        window = box.grown(MARGIN, whole, CELLS)
        rows, columns = pixels(window).inside(pixels(whole))
        cells = window.inside(whole)
        part = refine(
            plane[rows, columns], y[..., cells[0], cells[1]], fine[cells]
        )
        rows, columns = box.inside(window)
        inner = part[..., rows, columns]
        rows, columns = box.inside(whole)
        result[..., rows, columns] = inner
    return result
