"""The quality map as it travels in a file: one small integer for each cell.

A cell is a block of 16x16 pixels, one position of the latent y. Cells have 32
levels; one offset for the whole map, in sixteenths of a level, gives uniform
maps 497 steps and lets rate control shift a painted map finely. Encoder and
decoder both work from this map, never from the painted one.
"""

from __future__ import annotations

from collections.abc import Callable
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
_STRIP_PIXELS = 1 << 22  # of a map that are read at once


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
    if values.ndim:
        _check_shape(values.shape, shape)
    _check_values(values)
    return np.broadcast_to(values, shape) if values.ndim == 0 else values


def _check_shape(given: tuple[int, ...], shape: tuple[int, int]) -> None:
    if tuple(given) != tuple(shape):
        raise MapError(
            f'quality map has the shape {tuple(given)} but the plane has '
            f'{tuple(shape)}; resample it or give a single number'
        )


def _check_values(values: NDArray[Any]) -> None:
    if values.dtype.kind not in 'iuf':
        raise MapError(
            f'quality map of dtype {values.dtype} is not made of numbers; '
            'give qualities 0..100'
        )
    # NaN fails every comparison.
    if values.size and not (values.min() >= 0 and values.max() <= 100):
        raise MapError(
            f'quality map has values from {values.min()} to {values.max()}; '
            'qualities go from 0 to 100, without NaN'
        )


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
        # One level repeated takes no memory, however large the plane.
        flat = not any(levels.strides)
        some = levels[:1, :1] if flat else levels
        if some.min() < 0 or some.max() >= LEVELS:
            raise MapError(
                f'map levels go from {some.min()} to {some.max()}; they '
                f'must lie in 0..{LEVELS - 1}'
            )
        if not -MAX_OFFSET <= self.offset <= MAX_OFFSET:
            raise MapError(
                f'map offset {self.offset} must lie in '
                f'-{MAX_OFFSET}..{MAX_OFFSET}'
            )
        copied = some.astype(np.uint8)
        copied.flags.writeable = False
        levels = np.broadcast_to(copied, levels.shape) if flat else copied
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
        if np.ndim(quality) == 0:
            return cls.uniform_of(check_quality(quality, (1, 1))[0, 0], shape)
        _check_shape(np.shape(quality), shape)
        return cls.from_rows(lambda rows: quality[rows], shape)  # type: ignore[index]

    @classmethod
    def uniform_of(cls, quality: float, shape: tuple[int, int]) -> CodedMap:
        """The map of one quality, for a plane of (Y, X) = `shape`."""
        level, offset = _quantised(np.full((1, 1), float(quality)))
        grid = tuple(-(-n // CELL) for n in shape)
        return cls(np.broadcast_to(level, grid), offset)

    @classmethod
    def from_rows(
        cls, read: Callable[[slice], Any], shape: tuple[int, int]
    ) -> CodedMap:
        """The same as `from_quality`, of a map that is read by rows.

        Parameters
        ----------
        read : callable
            Gives some rows of the map, an array (rows, X).
        shape : (int, int)
            Height and width of the plane.
        """
        return cls(*_quantised(_cell_means(read, shape)))

    def halved(self) -> CodedMap:
        """The map of the plane at half its height and width."""
        if self.uniform:
            grid = tuple(-(-n // 2) for n in self.shape)
            return CodedMap(
                np.broadcast_to(self.levels[:1, :1], grid), self.offset
            )
        levels = np.pad(self.levels, [(0, n % 2) for n in self.shape], 'edge')
        rows, columns = levels.shape
        quads = levels.reshape(rows // 2, 2, columns // 2, 2)
        return CodedMap((quads.sum((1, 3), np.int64) + 2) // 4, self.offset)

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
    def nbytes(self) -> int:
        """Memory of the levels."""
        return int(self.levels.nbytes) if any(self.levels.strides) else 1

    @property
    def uniform(self) -> bool:
        """Whether all cells have the same level."""
        if not any(self.levels.strides):
            return True
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
        flat = not any(self.levels.strides)
        some = self.levels[:1, :1] if flat else self.levels
        moved = some.astype(np.int64) + sign * steps
        levels = np.clip(moved, 0, LEVELS - 1).astype(np.uint8)
        if flat:
            levels = np.broadcast_to(levels, self.shape)
        return CodedMap(levels, sign * rest)

    def crop(self, rows: slice, columns: slice) -> CodedMap:
        """The map of some rows and columns of cells."""
        return CodedMap(self.levels[rows, columns], self.offset)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CodedMap):
            return NotImplemented
        same = self.offset == other.offset
        return same and np.array_equal(self.levels, other.levels)


def _quantised(means: NDArray[np.float64]) -> tuple[NDArray[Any], int]:
    """Levels of the cells, and their offset."""
    fine = np.floor(means * (MAX_FINE / 100) + 0.5).astype(np.int16)
    offset = _best_offset(np.bincount(fine.ravel(), minlength=MAX_FINE + 1))
    return _levels(fine, offset), offset


def _cell_means(
    read: Callable[[slice], Any], shape: tuple[int, int]
) -> NDArray[np.float64]:
    # Cells over the edge repeat the last row and column. Some rows of cells
    # at a time, so that a large map is never held as a whole.
    height, width = shape
    columns = -(-width // CELL)
    step = max(_STRIP_PIXELS // (columns * CELL * CELL), 1) * CELL
    means = np.empty((-(-height // CELL), columns))
    for top in range(0, height, step):
        strip = np.asarray(read(slice(top, min(top + step, height))))
        _check_values(strip)
        strip = strip.astype(np.float64)
        missing = (0, -len(strip) % CELL), (0, CELL * columns - width)
        strip = np.pad(strip, missing, mode='edge')
        cells = strip.reshape(-1, CELL, columns, CELL).mean((1, 3))
        means[top // CELL : top // CELL + len(cells)] = cells
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
