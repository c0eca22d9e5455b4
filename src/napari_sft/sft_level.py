"""One level of an `.sft` file as a lazy array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sft.codec.errors import ImageError
from napari_sft.codec.file_decoder import FileDecoder
from napari_sft.codec.layout import Layout
from napari_sft.codec.quality import CodedMap
from napari_sft.codec.tiles import Box

Index = int | slice
_MAX_MAP = 1 << 28  # pixels of a map in full resolution


class SftLevel:
    """An array whose pixels are decoded when they are asked for.

    Threads may read at the same time. What was decoded last is kept, so that
    regions that share tiles are read fast.

    Attributes
    ----------
    shape : tuple of int
        Size of each axis, samples of RGB images last.
    dtype : numpy.dtype
        Type of the pixels.
    axes : str
        A letter for each axis, such as 'ZYX' or 'YXS'.
    rgb : bool
        Whether the last axis holds RGB samples.
    chunks : tuple of int
        Shape of the parts that are best read at once: one tile of one plane.
    """

    def __init__(
        self,
        decoder: FileDecoder,
        level: int,
        tile: int,
        reopen: Callable[[int], tuple[Any, ...]],
    ) -> None:
        self._decoder = decoder
        self._level = level
        self._reopen = reopen
        self._layout: Layout = decoder.layout(level)
        self.shape = self._layout.shape
        self.dtype: np.dtype[Any] = self._layout.dtype
        self.axes = self._layout.axes
        self.rgb = self._layout.rgb
        height, width = self._size
        self.chunks = (
            *(1,) * len(self._layout.stack_shape),
            min(tile or height, height),
            min(tile or width, width),
            *self._layout.plane_shape[2:],
        )

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=object))

    @cached_property
    def quality_map(self) -> NDArray[np.float32]:
        """Quality 0..100 of each pixel (Y, X) of the first plane."""
        self._decoder.check_size(self._level)
        height, width = self._size
        if height * width > _MAX_MAP:
            raise ImageError(
                f'a quality map of {height} x {width} pixels takes much '
                'memory: use quality_cells, one value for 16x16 pixels'
            )
        return self.coded_map().pixels(self._size)

    @property
    def quality_cells(self) -> NDArray[np.float32]:
        """Quality 0..100 of each cell of 16x16 pixels of the first plane."""
        return self.coded_map().quality()

    def coded_map(self, plane: int = 0) -> CodedMap:
        """The quality map of a plane, as the file holds it."""
        return self._decoder.coded_map(self._level, plane)

    def read(self, region: Any = ()) -> NDArray[Any]:
        """Decode the image, or a region of it.

        Parameters
        ----------
        region : int, slice or tuple of them
            A basic index for as many of the axes as are given; an Ellipsis
            stands for those left out.

        Returns
        -------
        ndarray
            Of the image's dtype, shaped as the index says. Pixels may differ
            by one grey level from those of a larger region.

        Raises
        ------
        FormatError
            If the file is damaged.
        ImageError
            If a tile, or what was asked for, is too large.
        ModelError
            If its model or weights are not installed.
        """
        layout = self._layout
        self._decoder.check_size(self._level)
        index = _full_index(region, self.ndim)
        count = len(layout.stack_shape)
        numbers = np.arange(layout.plane_count).reshape(layout.stack_shape)
        chosen = np.asarray(numbers[index[:count]])
        rows, columns = map(_span, index[count : count + 2], self._size)
        samples = index[count + 2 :]
        tail = np.zeros(layout.plane_shape[2:], bool)[samples].shape
        shape = (*chosen.shape, len(rows), len(columns), *tail)
        result = _room(shape, self.dtype)
        for place, number in np.ndenumerate(chosen):
            self._fill(result[place], int(number), rows, columns, samples)
        # What was asked for by a number is no axis.
        flat = tuple(
            slice(None) if isinstance(part, slice) else 0
            for part in index[count : count + 2]
        )
        return result[(*(slice(None),) * chosen.ndim, *flat)]

    def read_plane(self, number: int) -> NDArray[Any]:
        """Decode one plane, (Y, X) or (Y, X, 3), by its number in C order."""
        return self.read(self._layout.index_of(number))

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """Regions that make up the image, each taking bounded memory.

        In this order, no tile is decoded twice for its neighbours' sake.
        """
        height, width = self._size
        whole = Box(0, height, 0, width)
        rest = tuple(slice(n) for n in self._layout.plane_shape[2:])
        for number in range(self._layout.plane_count):
            at = self._layout.index_of(number)
            plane = tuple(slice(i, i + 1) for i in at)
            for box in self._decoder.boxes(self._level, whole):
                rows = slice(box.top, box.bottom)
                yield (*plane, rows, slice(box.left, box.right), *rest)

    def to_dask(self) -> Any:
        """The image as a dask array of one chunk a tile."""
        import dask.array as da

        return da.from_array(self, chunks=self.chunks, asarray=True)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return self.read(index)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: DTypeLike = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self.read(), dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reopen(self._level)

    @property
    def _size(self) -> tuple[int, int]:
        height, width = self._layout.plane_shape[:2]
        return height, width

    def _fill(
        self,
        out: NDArray[Any],
        number: int,
        rows: range,
        columns: range,
        samples: tuple[Index, ...],
    ) -> None:
        """Decode what some rows and columns of a plane touch."""
        if not rows or not columns:
            return
        if rows.step < 0:
            out, rows = out[::-1], rows[::-1]
        if columns.step < 0:
            out, columns = out[:, ::-1], columns[::-1]
        box = Box(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
        for part in self._decoder.boxes(self._level, box):
            into_rows, from_rows = _within(rows, part.top, part.bottom)
            into_columns, from_columns = _within(
                columns, part.left, part.right
            )
            if from_rows and from_columns:
                pixels = self._decoder.pixels(self._level, number, part)
                pixels = pixels[from_rows][:, from_columns]
                out[into_rows, into_columns] = pixels[(..., *samples)]


def _full_index(region: Any, ndim: int) -> tuple[Index, ...]:
    """An int or slice for every axis."""
    index = region if isinstance(region, tuple | list) else (region,)
    gaps = [n for n, part in enumerate(index) if part is Ellipsis]
    start = gaps[0] if gaps else len(index)
    given = len(index) - bool(gaps)
    if len(gaps) > 1 or given > ndim:
        raise IndexError(f'{len(index)} indexes for an image of {ndim} axes')
    full = [*index[:start], *(slice(None),) * (ndim - given)]
    full += index[start + 1 :]
    for part in full:
        if not isinstance(part, slice) and not hasattr(part, '__index__'):
            raise IndexError(
                f'{part!r} is no index of a region; give integers and slices'
            )
    return tuple(
        part if isinstance(part, slice) else part.__index__() for part in full
    )


def _span(index: Index, size: int) -> range:
    """The positions that an index along an axis means."""
    if isinstance(index, slice):
        return range(size)[index]
    position = range(size)[index]
    return range(position, position + 1)


def _within(span: range, start: int, stop: int) -> tuple[slice, slice | None]:
    """Which positions of an ascending span lie in start..stop, and where.

    The first slice is into the span, the second counts from `start`; None
    if there are none.
    """
    first = max(-((span.start - start) // span.step), 0)
    last = min(-((span.start - stop) // span.step), len(span))
    if first >= last:
        return slice(0), None
    at = span[first] - start
    end = span[last - 1] - start + 1
    return slice(first, last), slice(at, end, span.step)


def _room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):  # numpy's, if the size overflows
        raise ImageError(
            f'an array of shape {shape} and {dtype} does not fit in memory: '
            'read a region of the image'
        ) from None
