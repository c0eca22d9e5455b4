"""The coded quality map as bytes.

Cells are coded from coarse to fine. The first is written as it is; then each
step halves the spacing of the known cells: first the centres of their
squares, then the middles of their sides. Each new cell is predicted by the
mean of its four nearest known neighbours and the difference is coded by
rANS. What table codes it depends on the spread of the neighbours (flat areas
cost next to nothing) and on the fraction that rounding the mean left over.

Levels are renumbered 0, 1, 2, … in the order of those that occur, so that an
edge between two painted qualities is a difference of one.

Sizes in bytes for 768x512 pixels (48x32 cells), offset included: a uniform
map 1 or 2; a disc whose edge follows the cells 26; a disc and a rectangle on
a ground, averaged at their edges, 95, feathered by 16, 64 or 128 pixels 147,
136 or 116; ramps 112 to 156; a centre focus 200; smooth noise with a standard
deviation of 50, 100 or 200 pixels 272, 200 or 116. 1250x1250 cells of a disc
and a rectangle take 1 kB. The byte layout is told in docs/format.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import LEVELS, MAX_OFFSET, CodedMap
from napari_sft.codec.errors import StreamError
from napari_sft.codec.rans import Decoder, Encoder
from napari_sft.codec.rans_tables import Tables

# Kinds of map, in the two highest bits of the first byte.
_UNIFORM, _RANGE, _LISTED = 0, 1, 2
_HAS_OFFSET = 1 << 5

_CONTEXTS = 8  # by the spread 0, 1, 2, 3+ of the neighbours and the spacing
# A table spreads by the factor _DECAYS / 1024 from one difference to the
# next, around a mean that lies _LEANS / 64 above its floor, one for each
# quarter left over. The second row trusts the majority of the neighbours.
_DECAYS = (1, 8, 32, 96, 192, 320, 512, 768)
_LEANS = ((0, 10, 32, 54), (0, 2, 32, 62))
_CHOICES = len(_LEANS) * len(_DECAYS)
_COUNTS = (1 << 16) - 1  # of a table, without the escape that Tables has

Grid = NDArray[np.int32]
Cells = tuple[NDArray[np.int64], ...]  # rows and columns


def pack(coded: CodedMap) -> bytes:
    """Write a map: 1 or 2 bytes if it is uniform, few if it is smooth.

    Parameters
    ----------
    coded : CodedMap

    Returns
    -------
    bytes
        Without their own length or checksum, and without the shape.
    """
    used = np.bincount(coded.levels.ravel(), minlength=LEVELS) > 0
    palette = np.flatnonzero(used)
    grid = (used.cumsum() - 1).astype(np.int32)[coded.levels]
    lowest, count = int(palette[0]), len(palette)
    offset = coded.offset.to_bytes(1, 'little', signed=True)
    flag, offset = (_HAS_OFFSET, offset) if coded.offset else (0, b'')
    if count == 1:
        return bytes([_UNIFORM << 6 | flag | lowest]) + offset
    if palette[-1] - palette[0] == count - 1:
        head = bytes([_RANGE << 6 | flag | lowest]) + offset + bytes([count])
    else:
        mask = sum(1 << int(level) for level in palette)
        head = bytes([_LISTED << 6 | flag]) + offset
        head += mask.to_bytes(4, 'little')
    return head + bytes([grid[0, 0]]) + _pack_cells(grid, count)


def is_uniform(data: bytes) -> bool:
    """Whether a packed map has one quality, and so takes no memory."""
    return data[:1] < bytes([1 << 6])


def unpack(data: bytes, shape: tuple[int, int]) -> CodedMap:
    """Read what `pack` wrote.

    Parameters
    ----------
    data : bytes
        All of them and no more.
    shape : (int, int)
        Rows and columns of cells.

    Returns
    -------
    CodedMap
        Of that shape.

    Raises
    ------
    StreamError
        The bytes are damaged, or belong to a map of another shape.
    """
    if min(shape) < 1:
        raise StreamError(f'a quality map of {shape} cells can not be read')
    first, rest = _take(data, 1)
    kind, flag, lowest = first[0] >> 6, first[0] & _HAS_OFFSET, first[0] & 31
    offset = 0
    if flag:
        taken, rest = _take(rest, 1)
        offset = int.from_bytes(taken, 'little', signed=True)
        if not offset or abs(offset) > MAX_OFFSET:
            raise _damaged(f'its offset is {offset}')
    if kind == _UNIFORM:
        if rest:
            raise _damaged(f'{len(rest)} bytes follow its end')
        return CodedMap(np.broadcast_to(np.uint8(lowest), shape), offset)
    if kind == _RANGE:
        taken, rest = _take(rest, 1)
        palette = np.arange(lowest, lowest + taken[0])
    elif kind == _LISTED and lowest == 0:
        taken, rest = _take(rest, 4)
        mask = int.from_bytes(taken, 'little')
        palette = np.flatnonzero([mask >> n & 1 for n in range(LEVELS)])
    else:
        raise _damaged(f'its first byte is {first[0]}')
    taken, rest = _take(rest, 1)
    if len(palette) < 2 or palette[-1] >= LEVELS or taken[0] >= len(palette):
        raise _damaged('its levels make no sense')
    grid = np.zeros(shape, np.int32)
    grid[0, 0] = taken[0]
    _unpack_cells(rest, grid, len(palette))
    return CodedMap(palette.astype(np.uint8)[grid], offset)


def _pack_cells(grid: Grid, count: int) -> bytes:
    parts = [
        (grid[group.cells].ravel(), *group.predict(grid))
        for group in _groups(grid.shape)
    ]
    values, means, quarters, contexts = map(
        np.concatenate, zip(*parts, strict=True)
    )
    errors = values - means
    # How often each context saw each difference, for each quarter.
    width = 2 * count - 1
    seen = (contexts * 4 + quarters) * width + errors + count - 1
    histogram = np.bincount(seen, minlength=_CONTEXTS * 4 * width)
    bits = -np.log2(_bank(count) / _COUNTS).reshape(_CHOICES, -1)
    costs = histogram.reshape(_CONTEXTS, -1) @ bits.T
    choices = costs.argmin(1)
    encoder = Encoder(_tables(count))
    encoder.push(errors, choices[contexts] * 4 + quarters)
    nibbles = bytes((choices[0::2] | choices[1::2] << 4).tolist())
    return nibbles + encoder.finish()


def _unpack_cells(data: bytes, grid: Grid, count: int) -> None:
    nibbles, stream = _take(data, _CONTEXTS // 2)
    choices = np.array([n >> s & 15 for n in nibbles for s in (0, 4)])
    decoder = Decoder(_tables(count), stream, capacity=grid.size)
    for group in _groups(grid.shape):
        means, quarters, contexts = group.predict(grid)
        values = means + decoder.pull(choices[contexts] * 4 + quarters)
        if values.min() < 0 or values.max() >= count:
            raise _damaged('a cell has a level that it does not list')
        grid[group.cells] = values.reshape(grid[group.cells].shape)
    decoder.done()


@dataclass(frozen=True)
class _Group:
    """Cells at `rows` x `columns`, which are coded at once."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    spacing: int
    diagonal: bool

    @property
    def cells(self) -> Cells:
        return np.ix_(self.rows, self.columns)

    def predict(self, grid: Grid) -> tuple[Grid, Grid, Grid]:
        """Floor of the mean, quarters left over and context of each cell."""
        near = [grid[np.ix_(*at)].ravel() for at in self._neighbours(grid)]
        total = sum(near[1:], near[0])
        spread = reduce(np.maximum, near) - reduce(np.minimum, near)
        contexts = 2 * np.minimum(spread, 3) + (self.spacing > 1)
        return total >> 2, total & 3, contexts

    def _neighbours(self, grid: Grid) -> list[Cells]:
        height, width = grid.shape
        up, down = _mirrored(self.rows, self.spacing, height)
        left, right = _mirrored(self.columns, self.spacing, width)
        if self.diagonal:
            return [(r, c) for r in (up, down) for c in (left, right)]
        vertical: list[Cells] = [(up, self.columns), (down, self.columns)]
        horizontal: list[Cells] = [(self.rows, left), (self.rows, right)]
        # A grid not wider or higher than the spacing has one pair, twice.
        if self.spacing >= height:
            vertical = horizontal
        if self.spacing >= width:
            horizontal = vertical
        return vertical + horizontal


def _groups(shape: tuple[int, ...]) -> Iterator[_Group]:
    height, width = shape
    spacing = 1 << (max(shape) - 1).bit_length()
    while spacing > 1:
        step, spacing = spacing, spacing // 2
        old_rows, new_rows = (
            np.arange(start, height, step) for start in (0, spacing)
        )
        old_columns, new_columns = (
            np.arange(start, width, step) for start in (0, spacing)
        )
        for rows, columns, diagonal in (
            (new_rows, new_columns, True),
            (new_rows, old_columns, False),
            (old_rows, new_columns, False),
        ):
            if rows.size and columns.size:
                yield _Group(rows, columns, spacing, diagonal)


def _mirrored(
    at: NDArray[np.int64], spacing: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions before and after; where one is outside, the other twice."""
    before, after = at - spacing, at + spacing
    return (
        np.where(before < 0, after, before),
        np.where(after >= size, before, after),
    )


@cache
def _bank(count: int) -> NDArray[np.int64]:
    """Counts of the differences -(count - 1) .. count - 1, (16, 4, width).

    Integers throughout, so that every machine has the same.
    """
    differences = range(1 - count, count)
    spare = _COUNTS - len(differences)
    bank = []
    for leans in _LEANS:
        for decay in _DECAYS:
            weights = [1 << 30]
            for _ in range(count):
                weights.append(weights[-1] * decay >> 10)
            for lean in leans:
                mass = [
                    (64 - lean) * weights[abs(d)] + lean * weights[abs(d - 1)]
                    for d in differences
                ]
                whole = sum(mass)
                row = [1 + m * spare // whole for m in mass]
                row[mass.index(max(mass))] += _COUNTS - sum(row)
                bank.append(row)
    return np.array(bank).reshape(_CHOICES, 4, -1)


@cache
def _tables(count: int) -> Tables:
    rows = _bank(count).reshape(_CHOICES * 4, -1)
    sums = rows.cumsum(1)
    ends = np.zeros((len(rows), 1), np.int64)
    cdfs = np.concatenate([ends, sums, ends + _COUNTS + 1], axis=1)
    sizes = np.full(len(rows), cdfs.shape[1])
    return Tables(cdfs, sizes, np.full(len(rows), 1 - count))


def _take(data: bytes, count: int) -> tuple[bytes, bytes]:
    if len(data) < count:
        raise _damaged('it is cut short')
    return data[:count], data[count:]


def _damaged(why: str) -> StreamError:
    return StreamError(
        f'packed quality map is damaged, {why}: get the file again from its '
        'source'
    )
