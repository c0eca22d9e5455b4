"""Encoding a whole image into a file: maps, rate control, statistics."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.container import (
    Calibration,
    Header,
    Provenance,
    Statistics,
    TileKey,
    Writer,
)
from napari_sft.codec.image import Image, Window, denormalise, normalise
from napari_sft.codec.metrics import ErrorTally, ms_ssim
from napari_sft.codec.model import CodecModel
from napari_sft.codec.pipeline import (
    CodedPlane,
    encode_plane,
    reconstruct_plane,
)
from napari_sft.codec.quality import CodedMap, pack, plane_quality
from napari_sft.codec.rate_control import shift_to_target

Progress = Callable[[int, int], None]
Target = str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True)
class Job:
    """One image to encode, and how.

    Attributes
    ----------
    image : Image
        The picture.
    windows : tuple of Window
        One for each channel.
    quality : number or array
        0..100: for all, (Y, X), or of the image's full shape.
    model : CodecModel
        The codec model.
    calibration, provenance : optional
        Stored beside the picture.
    statistics : bool
        Whether to measure the reconstruction and store its errors.
    target_bytes : int, optional
        Size of the file that is not to be exceeded.
    """

    image: Image
    windows: tuple[Window, ...]
    quality: Any
    model: CodecModel
    calibration: Calibration | None = None
    provenance: Provenance | None = None
    statistics: bool = True
    target_bytes: int | None = None

    @property
    def shared_map(self) -> bool:
        """Whether one map holds for every plane."""
        stacked = np.ndim(self.quality) > 2
        return not (stacked and self.image.layout.plane_count > 1)

    def maps(self, shift: int = 0) -> Iterator[CodedMap]:
        """The coded map of each plane, shifted by fine units."""
        layout = self.image.layout
        size = layout.plane_shape[:2]
        shape = (size[0], size[1])
        first = None
        for plane in range(layout.plane_count):
            if first is None or not self.shared_map:
                quality = plane_quality(self.quality, layout, plane)
                first = CodedMap.from_quality(quality, shape)
            yield first.shifted(shift)

    def plane(self, number: int) -> NDArray[np.float32]:
        """A plane with values in 0..1."""
        return normalise(self.image.plane(number), self._window(number))

    def decoded(
        self, number: int, reconstruction: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What the reader of the file gets, mapped to 0..1 again."""
        window = self._window(number)
        dtype = self.image.layout.dtype
        return normalise(denormalise(reconstruction, window, dtype), window)

    def _window(self, number: int) -> Window:
        return self.windows[self.image.layout.channel_of(number)]


def encode_job(
    target: Target, job: Job, progress: Progress | None = None
) -> None:
    """Encode an image into a file, whole or not at all.

    Parameters
    ----------
    target : path or binary file
        Where to write.
    job : Job
        What to encode.
    progress : callable, optional
        Called with (done, total) planes; may raise to cancel.

    Raises
    ------
    TargetError
        If the target size cannot be met.
    SftError
        If the image, the map or the target file is unusable.
    """
    shift = 0
    if job.target_bytes is not None:
        shift = _find_shift(job, job.target_bytes)
    _write(target, job, shift, progress)


def _find_shift(job: Job, target: int) -> int:
    def size_of(shift: int) -> int:
        buffer = io.BytesIO()
        _write(buffer, job, shift, None, dry=True)
        return buffer.tell()

    return shift_to_target(size_of, target)


def _write(
    target: Target,
    job: Job,
    shift: int,
    progress: Progress | None,
    dry: bool = False,
) -> None:
    """Write the file; a dry one has statistics of the right size only."""
    total = job.image.layout.plane_count
    maps = job.maps(shift)
    coded_map = next(maps)
    header = _header(job, coded_map)
    meter = _Meter(job, dry)
    with Writer(
        target,
        header,
        calibration=job.calibration,
        provenance=job.provenance,
    ) as writer:
        for number in range(total):
            if progress is not None:
                progress(number, total)
            plane = job.plane(number)
            coded = encode_plane(job.model, plane, coded_map)
            if not job.shared_map:
                writer.write_map(number, pack(coded_map))
            key = TileKey(0, number, 0, 0)
            writer.write_tile(key, coded.payload, coded.symbols_crc)
            meter.add(number, plane, coded, coded_map)
            coded_map = next(maps, coded_map)
        writer.statistics = meter.statistics()
    if progress is not None:
        progress(total, total)


def _header(job: Job, first_map: CodedMap) -> Header:
    shared = job.shared_map
    return Header(
        model=job.model.name,
        weights=job.model.weights_hash,
        layout=job.image.layout,
        windows=job.windows,
        map_scope='shared' if shared else 'plane',
        maps=(pack(first_map),) if shared else (),
    )


class _Meter:
    """Errors of the encoder's own reconstruction, added up over planes."""

    def __init__(self, job: Job, dry: bool) -> None:
        self._job = job
        self._dry = dry
        self._tally = ErrorTally()
        self._ms_ssim: list[float | None] = []

    def add(
        self,
        number: int,
        plane: NDArray[np.float32],
        coded: CodedPlane,
        coded_map: CodedMap,
    ) -> None:
        job = self._job
        if not job.statistics:
            return
        if self._dry:
            decoded = plane
            self._ms_ssim.append(1.0 if min(plane.shape[:2]) > 160 else None)
        else:
            picture = reconstruct_plane(
                job.model, coded.symbols, coded_map, plane.shape
            )
            decoded = job.decoded(number, picture)
            self._ms_ssim.append(ms_ssim(plane, decoded, 1.0))
        size = (plane.shape[0], plane.shape[1])
        quality = (
            float(coded_map.quality()[0, 0])
            if coded_map.uniform
            else coded_map.pixels(size)
        )
        self._tally.add(plane, decoded, quality)

    def statistics(self) -> Statistics | None:
        if not self._job.statistics:
            return None
        values = [v for v in self._ms_ssim if v is not None]
        complete = len(values) == len(self._ms_ssim)
        mean = float(np.mean(values)) if complete else None
        return self._tally.statistics(mean)
