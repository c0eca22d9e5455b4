"""The quality map as it travels in a file: one small integer for each cell.

A cell is a block of 16x16 pixels, one position of the latent y. Cells have 32
levels; one offset for the whole map, in sixteenths of a level, gives uniform
maps 497 steps and lets rate control shift a painted map finely. Encoder and
decoder both work from this map, never from the painted one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.errors import MapError

CELL = 16  # pixels along the side of a cell
LEVELS = 32
FINE_STEPS = 16  # fine values in one level
MAX_FINE = FINE_STEPS * (LEVELS - 1)
MAX_OFFSET = FINE_STEPS


def check_quality(quality: ArrayLike, shape: tuple[int, int]) -> NDArray[Any]:
    """Return a quality map for a plane of (Y, X) = `shape`, checked.

    Parameters
    ----------
    quality : number or array (Y, X)
        0..100, integers or floats. A number stands for a uniform map.
    shape : (int, int)
        Height and width of the plane in pixels.

    Returns
    -------
    ndarray (Y, X)
        The array itself, or a read-only view that repeats the number.

    Raises
    ------
    MapError
        The map is not made of numbers, has another shape, or leaves 0..100.
    """
    values = np.asarray(quality)
    if values.dtype.kind not in 'iuf':
        raise MapError(
            f'quality map of dtype {values.dtype} is not made of numbers; '
            'give qualities 0..100'
        )
    if values.ndim and values.shape != tuple(shape):
        raise MapError(
            f'quality map has the shape {values.shape} but the plane has '
            f'{tuple(shape)}; resample it or give a single number'
        )
    # NaN fails every comparison.
    if values.size and not (values.min() >= 0 and values.max() <= 100):
        raise MapError(
            f'quality map has values from {values.min()} to {values.max()}; '
            'qualities go from 0 to 100, without NaN'
        )
    return np.broadcast_to(values, shape) if values.ndim == 0 else values


@dataclass(frozen=True, eq=False)
class CodedMap:
    """A quality map on cells, exactly as the file holds it.

    Parameters
    ----------
    levels : ndarray of uint8, shape (ceil(Y / 16), ceil(X / 16))
        0..31, one for each cell. A read-only copy is kept.
    offset : int
        -16..16, in sixteenths of a level, for the whole map.

    Raises
    ------
    MapError
        Levels or offset are out of range.
    """

    levels: NDArray[np.uint8]
    offset: int = 0

    def __post_init__(self) -> None:
        levels = np.asarray(self.levels)
        if (
            levels.ndim != 2
            or not levels.size
            or levels.dtype.kind not in 'iu'
        ):
            raise MapError(
                f'map levels of shape {levels.shape} and dtype {levels.dtype} '
                'are no grid; give integers, one for each 16x16 pixels'
            )
        if levels.min() < 0 or levels.max() >= LEVELS:
            raise MapError(
                f'map levels go from {levels.min()} to {levels.max()}; they '
                f'must lie in 0..{LEVELS - 1}'
            )
        if not -MAX_OFFSET <= self.offset <= MAX_OFFSET:
            raise MapError(
                f'map offset {self.offset} must lie in '
                f'-{MAX_OFFSET}..{MAX_OFFSET}'
            )
        levels = levels.astype(np.uint8)
        levels.flags.writeable = False
        object.__setattr__(self, 'levels', levels)
        object.__setattr__(self, 'offset', int(self.offset))

    @classmethod
    def from_quality(
        cls, quality: ArrayLike, shape: tuple[int, int] | None = None
    ) -> CodedMap:
        """Average a map over 16x16 pixels and quantise it.

        The offset is the one that brings the levels closest to the map in
        mean square, so that every uniform map is met within 1/10 of a
        quality.

        Parameters
        ----------
        quality : number or array (Y, X)
            0..100.
        shape : (int, int), optional
            Height and width of the plane; needed for a number.

        Raises
        ------
        MapError
            As in `check_quality`.
        """
        if shape is None:
            shape = np.shape(quality)  # type: ignore[assignment]
        if shape is None or len(shape) != 2 or min(shape) < 1:
            raise MapError(
                f'quality map of shape {shape} belongs to no plane; give a '
                '(Y, X) array, or a number and the shape of the plane'
            )
        values = check_quality(quality, shape)
        if np.ndim(quality) == 0:
            grid = tuple(-(-n // CELL) for n in shape)
            means = np.full(grid, float(values[0, 0]))
        else:
            means = _cell_means(values)
        fine = np.floor(means * (MAX_FINE / 100) + 0.5).astype(np.int64)
        offset = _best_offset(
            np.bincount(fine.ravel(), minlength=MAX_FINE + 1)
        )
        return cls(_levels(fine, offset), offset)

    def fine(self) -> NDArray[np.int32]:
        """Value of each cell, 0..496; 496 is quality 100."""
        fine = FINE_STEPS * self.levels.astype(np.int32) + self.offset
        return np.clip(fine, 0, MAX_FINE)

    def quality(self) -> NDArray[np.float32]:
        """Quality of each cell, 0..100."""
        return (100 * self.fine() / MAX_FINE).astype(np.float32)

    def pixels(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Quality of each pixel of a plane of (Y, X) = `shape`."""
        if self.shape != tuple(-(-n // CELL) for n in shape):
            raise MapError(
                f'a map of {self.shape} cells does not cover a plane of '
                f'{tuple(shape)} pixels, 16x16 to a cell'
            )
        rows, columns = (np.arange(n) // CELL for n in shape)
        return self.quality()[rows[:, None], columns]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        rows, columns = self.levels.shape
        return rows, columns

    @property
    def uniform(self) -> bool:
        """Whether all cells have the same level."""
        return bool((self.levels == self.levels[0, 0]).all())

    def shifted(self, delta: int) -> CodedMap:
        """Add `delta` to the fine value of every cell, clipped to 0..496.

        Cells that are not clipped keep their differences exactly. Shift the
        original map, not a shifted one: what was clipped stays flat.
        """
        total = self.offset + int(delta)
        # The offset takes the sign of the shift. Where a level is clipped,
        # the fine value is then clipped too, and not left short of the end.
        steps, rest = divmod(abs(total), FINE_STEPS)
        sign = 1 if total >= 0 else -1
        levels = self.levels.astype(np.int64) + sign * steps
        return CodedMap(np.clip(levels, 0, LEVELS - 1), sign * rest)

    def crop(self, rows: slice, columns: slice) -> CodedMap:
        """The map of some rows and columns of cells."""
        return CodedMap(self.levels[rows, columns], self.offset)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CodedMap):
            return NotImplemented
        same = self.offset == other.offset
        return same and np.array_equal(self.levels, other.levels)


def _cell_means(values: NDArray[Any]) -> NDArray[np.float64]:
    # Cells over the edge repeat the last row and column. One row of cells at
    # a time, so that a large map of bytes isn't held as floats.
    height, width = values.shape
    columns = -(-width // CELL)
    means = np.empty((-(-height // CELL), columns))
    for row, top in enumerate(range(0, height, CELL)):
        strip = np.asarray(values[top : top + CELL], np.float64)
        missing = (0, CELL - len(strip)), (0, CELL * columns - width)
        strip = np.pad(strip, missing, mode='edge')
        means[row] = strip.reshape(CELL, columns, CELL).mean((0, 2))
    return means


def _levels(fine: NDArray[Any], offset: int) -> NDArray[Any]:
    nearest = (fine - offset + FINE_STEPS // 2) // FINE_STEPS
    return np.clip(nearest, 0, LEVELS - 1)


def _best_offset(counts: NDArray[np.int64]) -> int:
    # counts[f] cells have the fine value f; smaller offsets win ties.
    fine = np.arange(MAX_FINE + 1)
    half = FINE_STEPS // 2
    offsets = sorted(range(-half, half + 1), key=abs)

    def error(offset: int) -> int:
        value = FINE_STEPS * _levels(fine, offset) + offset
        value = np.clip(value, 0, MAX_FINE)
        return int((counts * (value - fine) ** 2).sum())

    return min(offsets, key=error)
