"""How planes are cut into tiles, and tiles into windows: geometry alone.

Everything is counted in cells of 16x16 pixels, over the plane padded to whole
64x64 blocks, because that is what one position of z stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.errors import ImageError

CELLS = 4  # along the side of a position of z
BLOCK = CELL * CELLS  # pixels along it; tiles are a multiple
MAX_TILE = 1 << 13
DEFAULT_TILE = 1024
# Tiles are gone through in columns of this width, row by row, so that what
# neighbours share is still at hand, however wide the plane is.
COLUMN = 12 * 1024
# Steps over cells take this many times the pixels of those over pixels.
CELL_STEPS = 2


class Box(NamedTuple):
    """A rectangle: rows top to bottom, columns left to right, ends open."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def area(self) -> int:
        """Rows times columns."""
        height, width = self.shape
        return height * width

    def grown(self, margin: int, within: Box, align: int = 1) -> Box:
        """With a margin, then out to multiples of `align`, cut to `within`."""
        return Box(
            max((self.top - margin) // align * align, within.top),
            min(-(-(self.bottom + margin) // align) * align, within.bottom),
            max((self.left - margin) // align * align, within.left),
            min(-(-(self.right + margin) // align) * align, within.right),
        )

    def meet(self, other: Box) -> Box:
        """What two boxes have in common."""
        return Box(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def times(self, factor: int) -> Box:
        """In smaller units."""
        return Box(*(n * factor for n in self))

    def over(self, divisor: int) -> Box:
        """In larger units that it fills."""
        return Box(*(n // divisor for n in self))

    def inside(self, outer: Box) -> tuple[slice, slice]:
        """Where it lies in an array that covers `outer`."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def pieces(self, height: int, width: int) -> Iterator[Box]:
        """Cut into boxes of a size, from the top left, row by row."""
        for top in range(self.top, self.bottom, height):
            for left in range(self.left, self.right, width):
                yield Box(
                    top,
                    min(top + height, self.bottom),
                    left,
                    min(left + width, self.right),
                )


@dataclass(frozen=True)
class Grid:
    """A plane and its tiles.

    Parameters
    ----------
    shape : tuple of int
        Of the plane in pixels, (Y, X) or (Y, X, 3).
    tile : int
        Side of a tile in pixels, a multiple of 64.
    """

    shape: tuple[int, ...]
    tile: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the plane in pixels."""
        return self.shape[0], self.shape[1]

    @property
    def side(self) -> int:
        """Side of a tile in cells."""
        return self.tile // CELL

    @property
    def plane(self) -> Box:
        """The padded plane."""
        height, width = ((n + -n % BLOCK) // CELL for n in self.size)
        return Box(0, height, 0, width)

    def box(self, row: int, col: int) -> Box:
        """The cells of a tile."""
        side = self.side
        whole = Box(row, row + 1, col, col + 1).times(side)
        return whole.meet(self.plane)

    def touched(self, box: Box) -> Iterator[tuple[int, int]]:
        """Row and column of each tile that some cells lie in."""
        side = self.side
        for row in range(box.top // side, -(-box.bottom // side)):
            for col in range(box.left // side, -(-box.right // side)):
                yield row, col

    def pixels(self, box: Box) -> Box:
        """The pixels of some cells, without those that are padding."""
        height, width = self.size
        return box.times(CELL).meet(Box(0, height, 0, width))

    def cells(self, pixels: Box) -> Box:
        """The cells of some pixels, in whole 64x64 blocks."""
        padded = self.plane.times(CELL)
        return pixels.grown(0, padded, BLOCK).over(CELL)

    def columns(self) -> Iterator[Box]:
        """The plane in parts as wide as what is kept in memory allows."""
        width = max(COLUMN // self.tile, 1) * self.side
        return self.plane.pieces(self.plane.bottom, width)

    def unit(self, pixels: int) -> tuple[int, int]:
        """Height and width in cells of the tiles to be done at once.

        As many as have so many pixels, at least one, in about a square.
        """
        count = max(pixels // self.tile**2, 1)
        rows = isqrt(count)
        return rows * self.side, count // rows * self.side


def check_tile(tile: int) -> int:
    """Return the side of tiles that a user asks for, or raise ImageError.

    0 stands for no tiles.
    """
    if tile != int(tile) or tile % BLOCK or not 0 <= tile <= MAX_TILE:
        raise ImageError(
            f'tiles of {tile} pixels; give a multiple of {BLOCK} up to '
            f'{MAX_TILE}, or 0 to code each plane as one'
        )
    return int(tile)


def map_under(pixels: Box, coded_map: CodedMap) -> CodedMap:
    """The map of some pixels, whose corner is that of a cell."""
    return coded_map.crop(
        slice(pixels.top // CELL, -(-pixels.bottom // CELL)),
        slice(pixels.left // CELL, -(-pixels.right // CELL)),
    )


def fine_window(coded_map: CodedMap, box: Box) -> NDArray[np.int32]:
    """Fine units of some cells, the map's edges repeated."""
    last_row, last_column = (n - 1 for n in coded_map.shape)
    rows = slice(min(box.top, last_row), box.bottom)
    columns = slice(min(box.left, last_column), box.right)
    fine = coded_map.crop(rows, columns).fine()
    missing = [(0, n - k) for n, k in zip(box.shape, fine.shape, strict=True)]
    return np.pad(fine, missing, 'edge')


def pieces_for(box: Box, pixels: int) -> Iterator[Box]:
    """Cut a box into pieces of about so many pixels, none much elongated.

    Their edges are multiples of 4 cells away from those of the box.
    """
    (rows, columns), cells = box.shape, max(pixels // CELL**2, CELLS**2)
    if not rows or not columns:
        return
    parts = max(round(rows / isqrt(cells)), 1)
    height = _aligned(-(-rows // parts))
    width = max(cells // height // CELLS * CELLS, CELLS)
    # equal widths, rather than a narrow rest
    parts = -(-columns // width)
    yield from box.pieces(height, _aligned(-(-columns // parts)))


def _aligned(cells: int) -> int:
    return cells + -cells % CELLS
