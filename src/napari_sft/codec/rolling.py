"""Some rows of a plane: extended at the bottom, forgotten at the top."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.tiles import Box, pieces_for

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar('Array', 'Tensor', NDArray[np.uint8])


class RollingRows(Generic[Array]):
    """An array (..., rows, columns) over cells of a plane.

    Parameters
    ----------
    left, right : int
        Columns that it covers.
    compute : callable
        Gives the values of a box.
    pixels : int
        What `compute` should take at once.
    side : int
        If not 0, `compute` takes squares of so many cells instead; the
        edges of what is covered are then multiples of it, or the plane's.
    """

    def __init__(
        self,
        left: int,
        right: int,
        compute: Callable[[Box], Array],
        pixels: int,
        side: int = 0,
    ) -> None:
        self._box = Box(0, 0, left, right)
        self._compute: Callable[[Box], Array] = compute
        self._pixels = pixels
        self._side = side
        self._array: Array | None = None

    def extend(self, bottom: int) -> None:
        """Compute the rows down to `bottom`."""
        known = self._box
        total = known._replace(bottom=bottom)
        array: Array | None = None
        for box in self._pieces(total._replace(top=known.bottom)):
            part = self._compute(box)
            if array is None:
                array = _empty(part, total.shape)
            rows, columns = box.inside(total)
            array[..., rows, columns] = part
        if array is None:
            return
        if self._array is not None:
            array[..., : known.bottom - known.top, :] = self._array
        self._array, self._box = array, total

    def _pieces(self, box: Box) -> Iterator[Box]:
        if self._side:
            return box.pieces(self._side, self._side)
        return pieces_for(box, self._pixels)

    def window(self, box: Box) -> Array:
        """The values of some cells that are known and not forgotten."""
        assert self._array is not None
        rows, columns = box.inside(self._box)
        return self._array[..., rows, columns]

    def forget(self, top: int) -> None:
        """Keep the rows from `top` on."""
        kept = self._box._replace(top=max(top, self._box.top))
        view = self.window(kept)
        self._array, self._box = _empty(view, kept.shape), kept
        self._array[...] = view


def _empty(like: Array, shape: tuple[int, int]) -> Array:
    size = (*like.shape[:-2], *shape)
    if isinstance(like, np.ndarray):
        return np.empty(size, like.dtype)
    return like.new_empty(size)
