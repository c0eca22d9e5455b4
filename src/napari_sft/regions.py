"""The regions in which large arrays are read and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

Region = tuple[slice, ...]
PIECE = 1 << 24  # pixels of a plane that are held at once


def blocks(shape: Sequence[int], step: Sequence[int]) -> Iterator[Region]:
    """Cut an array into blocks, in C order.

    Parameters
    ----------
    shape : sequence of int
        That of the array.
    step : sequence of int
        That of a block; the last ones along each axis may be smaller.

    Yields
    ------
    tuple of slice
    """
    counts = [-(-n // s) for n, s in zip(shape, step, strict=True)]
    for index in product(*map(range, counts)):
        yield tuple(
            slice(i * s, min((i + 1) * s, n))
            for i, s, n in zip(index, step, shape, strict=True)
        )


def pieces(
    axes: str, shape: Sequence[int], chunks: Sequence[int] | None = None
) -> list[Region]:
    """Cut an array into strips of its planes, each a few rows of chunks.

    Parameters
    ----------
    axes : str
        A letter for each axis, see `Layout`.
    shape : sequence of int
        That of the array.
    chunks : sequence of int, optional
        That of its chunks; without it, planes are not cut.
    """
    size = dict(zip(axes, shape, strict=True))
    rows = size['Y']
    if chunks is not None:
        high = min(dict(zip(axes, chunks, strict=True))['Y'], rows)
        rows = max(1, PIECE // (size['X'] * high)) * high
    step = {'Y': rows, 'X': size['X'], 'S': 3}
    return list(blocks(shape, [step.get(axis, 1) for axis in axes]))


class Turned:
    """An array-like with its axes in another order, read by regions.

    Parameters
    ----------
    array : array-like
        Has `shape`, `dtype` and slicing, perhaps `chunks`.
    axes, order : str
        A letter for each of its axes, and the order in which to have them.
    """

    def __init__(self, array: Any, axes: str, order: str) -> None:
        self._array = array
        self._place = [order.index(axis) for axis in axes]
        self._turn = [axes.index(axis) for axis in order]
        self.shape = tuple(array.shape[n] for n in self._turn)
        self.dtype = array.dtype
        self.ndim = len(self.shape)
        chunks = getattr(array, 'chunks', None)
        self.chunks = chunks and tuple(chunks[n] for n in self._turn)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self[()], dtype)

    def __getitem__(self, region: Sequence[int | slice]) -> np.ndarray:
        missing = self.ndim - len(region)
        region = (*region, *(slice(None),) * missing)
        whole = [
            part if isinstance(part, slice) else slice(part, part + 1)
            for part in region
        ]
        block = np.asarray(self._array[tuple(whole[n] for n in self._place)])
        flat = (
            slice(None) if isinstance(part, slice) else 0 for part in region
        )
        return block.transpose(self._turn)[tuple(flat)]
