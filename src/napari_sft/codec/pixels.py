"""Pixels of planes, read a part at a time; halved planes for pyramids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.cache import Cache
from napari_sft.codec.image import Image, Layout, Window, normalise
from napari_sft.codec.mapped import give_back_pages
from napari_sft.codec.tiles import DEFAULT_TILE, Box

_READ_PIXELS = 1 << 22  # of the original that are averaged at once
_KEPT_BYTES = 192 << 20
_MAPPED_BYTES = 64 << 20
_LONGEST_CHUNK = 8 * DEFAULT_TILE

Raw = NDArray[Any]


@dataclass(frozen=True)
class HalvedImage:
    """An image with the height and width of another over a power of two.

    Each pixel is the mean of the original pixels it stands for, rounded for
    integers; those at the edges may stand for fewer.

    Parameters
    ----------
    original : Image
        Read whenever pixels are asked for, never as a whole.
    level : int
        How often height and width are halved, fractions rounded up.
    """

    original: Image
    level: int

    @property
    def data(self) -> Any:
        """The array that it is made of."""
        return self.original.data

    @cached_property
    def layout(self) -> Layout:
        """Axes, shape and dtype."""
        layout = self.original.layout
        count = len(layout.stack_axes)
        shape = list(layout.shape)
        for axis in (count, count + 1):
            shape[axis] = -(-layout.shape[axis] // 2**self.level)
        return replace(layout, shape=tuple(shape))

    def plane(
        self,
        number: int,
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Raw:
        """A part of a plane."""
        height, width = self.layout.plane_shape[:2]
        top, bottom, _ = rows.indices(height)
        left, right, _ = columns.indices(width)
        box = Box(top, bottom, left, right)
        result = np.empty(
            (*box.shape, *self.layout.plane_shape[2:]), self.layout.dtype
        )
        side = max(int(_READ_PIXELS**0.5) >> self.level, 1)
        for piece in box.pieces(side, side):
            into = piece.inside(box)
            result[into] = self._averages(number, piece)
        return result

    def _averages(self, number: int, box: Box) -> Raw:
        factor, dtype = 1 << self.level, self.layout.dtype
        top, bottom, left, right = box.times(factor)
        block = self.original.plane(
            number, slice(top, bottom), slice(left, right)
        )
        give_back_pages(self.data)
        counts = np.ones((), np.float64)
        values = block.astype(np.float64)
        for axis in (0, 1):
            starts = np.arange(0, block.shape[axis], factor)
            values = np.add.reduceat(values, starts, axis)
            lengths = np.diff([*starts, block.shape[axis]])
            counts = np.multiply.outer(counts, lengths)
        values /= counts.reshape(*counts.shape, *(1,) * (block.ndim - 2))
        if dtype.kind in 'iu':
            np.rint(values, out=values)
        return values.astype(dtype)


Planes = Image | HalvedImage


class PlanePixels:
    """One plane, read by parts that overlap.

    What is costly to read (all but arrays in memory or mapped to it) is read
    in blocks, of which the last are kept.

    Parameters
    ----------
    planes : Planes
        The image.
    number : int
        Of the plane.
    window : Window
        The values that become 0 and 1.
    """

    def __init__(self, planes: Planes, number: int, window: Window) -> None:
        self._planes = planes
        self._number = number
        self._window = window
        self._size = Box(
            0, planes.layout.plane_shape[0], 0, planes.layout.plane_shape[1]
        )
        plain = isinstance(planes.data, np.ndarray)
        self._cheap = plain and isinstance(planes, Image)
        self._mapped = 0  # bytes read since pages were given back
        self._block = _block_shape(planes)
        self._blocks: Cache[Raw] = Cache(
            _KEPT_BYTES, lambda block: block.nbytes
        )

    def read(self, box: Box) -> NDArray[np.float32]:
        """The pixels of a box, (Y, X) or (Y, X, 3), in 0..1."""
        return normalise(self._raw(box), self._window)

    def _raw(self, box: Box) -> Raw:
        if self._cheap:
            return self._plane(box)
        layout = self._planes.layout
        result = np.empty((*box.shape, *layout.plane_shape[2:]), layout.dtype)
        height, width = self._block
        for row in range(box.top // height, -(-box.bottom // height)):
            for col in range(box.left // width, -(-box.right // width)):
                block = self._block_at(row, col)
                common = block.meet(box)
                kept = self._blocks.get(
                    (row, col), partial(self._plane, block)
                )
                result[common.inside(box)] = kept[common.inside(block)]
        return result

    def _block_at(self, row: int, col: int) -> Box:
        height, width = self._block
        block = Box(
            row * height, (row + 1) * height, col * width, (col + 1) * width
        )
        return block.meet(self._size)

    def _plane(self, box: Box) -> Raw:
        part = self._planes.plane(
            self._number,
            slice(box.top, box.bottom),
            slice(box.left, box.right),
        )
        self._mapped += part.nbytes
        if self._mapped > _MAPPED_BYTES:
            give_back_pages(self._planes.data)
            self._mapped = 0
        return part


def _block_shape(planes: Planes) -> tuple[int, int]:
    """Height and width to read at once: whole chunks, where there are."""
    chunks = getattr(planes.data, 'chunks', None)
    if not chunks or isinstance(planes, HalvedImage):
        return DEFAULT_TILE, DEFAULT_TILE
    axes = planes.source_axes
    sides = []
    for axis in 'YX':
        chunk = chunks[axes.index(axis)]
        chunk = max(chunk) if isinstance(chunk, tuple) else int(chunk)
        if chunk > _LONGEST_CHUNK:
            chunk = DEFAULT_TILE
        sides.append(-(-DEFAULT_TILE // chunk) * chunk)
    return sides[0], sides[1]


def pyramid_levels(layout: Layout, tile: int) -> int:
    """How many smaller levels there are until one fits into a tile."""
    longest, count = max(layout.plane_shape[:2]), 0
    while longest > tile << count:
        count += 1
    return count
