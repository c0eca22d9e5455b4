"""An `.sft` file opened for reading: described at once, decoded on demand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sft.codec.container import Calibration, Reader, Statistics, TileKey
from napari_sft.codec.errors import FormatError, ImageError, VersionError
from napari_sft.codec.image import denormalise
from napari_sft.codec.pipeline import (
    check_size,
    parse_plane,
    reconstruct_plane,
)
from napari_sft.codec.quality import CodedMap, unpack

CELL = 16


class SftImage:
    """An `.sft` file; also a context manager, which closes it.

    Parameters
    ----------
    source : path, bytes or binary file
        The file.
    device : str
        Where to decode: 'auto', 'cpu', 'cuda' or 'mps'.

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
    calibration : Calibration
        Scale, translate, units, labels and name, each empty if unknown.
    statistics : Statistics or None
        Errors that the encoder measured on its own reconstruction.
    nbytes : int
        Size of the file.

    Raises
    ------
    SftError
        If the file cannot be read, is damaged or is no `.sft` file.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        device: str = 'auto',
    ) -> None:
        self._reader = Reader(source)
        self._device = device
        header = self._reader.header
        if header.tile or header.map_scope not in {'shared', 'plane'}:
            self.close()
            raise VersionError(
                'the file holds tiles, which this version does not read yet: '
                'install a newer napari-sft'
            )
        self.shape = header.shape
        self.dtype: np.dtype[Any] = header.layout.dtype
        self.axes = header.axes
        self.rgb = header.layout.rgb
        self.calibration = self._reader.calibration or Calibration()
        self.statistics: Statistics | None = self._reader.statistics
        self.nbytes = self._reader.nbytes

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def bpp(self) -> float:
        """Real bits per pixel: of the whole file, over all planes."""
        height, width = self._size
        planes = self._reader.header.planes()
        return 8 * self.nbytes / (height * width * planes)

    @cached_property
    def quality_map(self) -> NDArray[np.float32]:
        """Quality 0..100 of each pixel (Y, X) of the first plane."""
        return self._coded_map(0).pixels(self._size)

    def read(self, region: Sequence[int | slice] = ()) -> NDArray[Any]:
        """Decode the image, or the planes that a region touches.

        Parameters
        ----------
        region : sequence of int and slice
            A basic index for as many of the axes as are given.

        Returns
        -------
        ndarray
            Of the image's dtype, shaped as the index says.

        Raises
        ------
        FormatError
            If the file is damaged.
        ImageError
            If a plane, or what was asked for, is too large.
        ModelError
            If its model or weights are not installed.
        """
        layout = self._reader.header.layout
        check_size(layout.plane_shape)
        numbers = np.arange(layout.plane_count).reshape(layout.stack_shape)
        count = len(layout.stack_shape)
        index = tuple(region)
        chosen = numbers[index[:count]]
        within = index[count:]
        blank = np.broadcast_to(np.zeros(1, self.dtype), layout.plane_shape)
        shape = (*np.shape(chosen), *blank[within].shape)
        result = _room(shape, self.dtype)
        for place, number in np.ndenumerate(chosen):
            result[place] = self.read_plane(int(number))[within]
        return result

    def read_plane(self, number: int) -> NDArray[Any]:
        """Decode one plane, (Y, X) or (Y, X, 3), by its number in C order."""
        from napari_sft.models.registry import model_for

        header = self._reader.header
        layout = header.layout
        where = layout.describe(number)
        model = model_for(header.model, header.weights, self._device)
        tile = self._reader.read_tile(*TileKey(0, number, 0, 0))
        coded_map = self._coded_map(number)
        symbols = parse_plane(
            model, tile.payload, tile.symbols_crc, coded_map, where
        )
        picture = reconstruct_plane(
            model, symbols, coded_map, layout.plane_shape
        )
        return denormalise(picture, header.window(number), self.dtype)

    def to_dask(self) -> Any:
        """The image as a dask array of one chunk a plane."""
        import dask.array as da

        layout = self._reader.header.layout
        chunk = (*(1,) * len(layout.stack_shape), *layout.plane_shape)
        return da.from_array(self, chunks=chunk, asarray=True)

    def info(self) -> dict[str, Any]:
        """Plain values that describe the file."""
        from napari_sft.file_info import describe

        return describe(self._reader, self.bpp)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return self.read(index if isinstance(index, tuple) else (index,))

    def __array__(
        self, dtype: DTypeLike = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self.read(), dtype)

    def __enter__(self) -> SftImage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _size(self) -> tuple[int, int]:
        return self._reader.header.size()

    def _coded_map(self, plane: int) -> CodedMap:
        packed = self._reader.map(plane)
        if packed is None:
            raise FormatError('the file has no quality map')
        height, width = self._size
        check_size(self._size)
        return unpack(packed, (-(-height // CELL), -(-width // CELL)))


def _room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):  # numpy's, if the size overflows
        raise ImageError(
            f'an array of shape {shape} and {dtype} does not fit in memory: '
            'read a region of the image'
        ) from None
