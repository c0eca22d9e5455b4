"""An `.sft` file opened for reading: described at once, decoded on demand."""

from __future__ import annotations

import os
from functools import lru_cache
from types import TracebackType
from typing import Any, BinaryIO

from napari_sft.codec.container import Calibration, Reader, Statistics
from napari_sft.codec.file_decoder import FileDecoder
from napari_sft.codec.model import CodecModel
from napari_sft.sft_level import SftLevel

Source = str | os.PathLike[str] | bytes | BinaryIO


class SftImage(SftLevel):
    """An `.sft` file; also a context manager, which closes it.

    It is the array of its level 0; see `SftLevel` for how to read that.

    Parameters
    ----------
    source : path, bytes or binary file
        The file. An image of a path or of bytes can be pickled.
    device : str
        Where to decode: 'auto', 'cpu', 'cuda' or 'mps'.

    Attributes
    ----------
    levels : tuple of SftLevel
        The image itself, then smaller ones, if the file holds a pyramid.
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

    def __init__(self, source: Source, *, device: str = 'auto') -> None:
        self._source = source
        self._device = device
        self._reader = Reader(source)
        header = self._reader.header
        try:
            decoder = FileDecoder(self._reader, self._load_model)
            super().__init__(decoder, 0, header.tile, self._reopening)
        except BaseException:
            self.close()
            raise
        smaller = (
            SftLevel(decoder, level, header.tile, self._reopening)
            for level in range(1, header.levels)
        )
        self.levels: tuple[SftLevel, ...] = (self, *smaller)
        self.calibration = self._reader.calibration or Calibration()
        self.statistics: Statistics | None = self._reader.statistics
        self.nbytes = self._reader.nbytes

    @property
    def bpp(self) -> float:
        """Real bits per pixel: of the whole file, over all planes."""
        height, width = self._size
        planes = self._reader.header.planes()
        return 8 * self.nbytes / (height * width * planes)

    def info(self) -> dict[str, Any]:
        """Plain values that describe the file."""
        from napari_sft.file_info import describe

        return describe(self._reader, self.bpp)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> SftImage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _reopening(self, level: int) -> tuple[Any, ...]:
        """How another process gets a level of the same file."""
        source = self._source
        if not isinstance(source, str | os.PathLike | bytes):
            raise TypeError(
                'an image of an open file object can not be pickled: open '
                'its path'
            )
        return reopened, (source, self._device, level)

    def _load_model(self) -> CodecModel:
        from napari_sft.models.registry import model_for

        header = self._reader.header
        return model_for(header.model, header.weights, self._device)


def reopened(
    source: str | os.PathLike[str] | bytes, device: str, level: int
) -> SftLevel:
    """A level of a file; the last files stay open, as do their caches."""
    version = None
    if not isinstance(source, bytes):
        stat = os.stat(source)
        version = stat.st_mtime_ns, stat.st_size
    return _opened(source, device, version).levels[level]


@lru_cache(maxsize=4)
def _opened(
    source: str | os.PathLike[str] | bytes, device: str, _version: Any
) -> SftImage:
    return SftImage(source, device=device)
