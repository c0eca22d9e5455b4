"""Encoding a whole image into a file: maps, rate control, statistics."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.container import (
    Calibration,
    Header,
    Provenance,
    TileKey,
    Writer,
)
from napari_sft.codec.image import Image, Window, denormalise, normalise
from napari_sft.codec.metrics import ErrorTally, ms_ssim
from napari_sft.codec.model import CodecModel
from napari_sft.codec.pipeline import (
    CodedPlane,
    check_size,
    encode_plane,
    parse_plane,
    reconstruct_plane,
)
from napari_sft.codec.quality import CodedMap, pack, plane_map
from napari_sft.codec.rate_control import TRIALS, shift_to_target

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
        first = None
        for plane in range(layout.plane_count):
            if first is None or not self.shared_map:
                first = plane_map(self.quality, layout, plane)
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
        Called with (done, total) planes, those of trials for a target size
        too; may raise to cancel.

    Raises
    ------
    TargetError
        If the target size cannot be met.
    SftError
        If the image, the map or the target file is unusable.
    """
    check_size(job.image.layout.plane_shape)
    planes = job.image.layout.plane_count
    if job.target_bytes is None:
        steps = _Steps(progress, planes)
        coded: Iterable[CodedPlane] = _encoded(job, 0)
    else:
        steps = _Steps(progress, planes * (TRIALS + 1))
        coded = _fitting(job, job.target_bytes, steps)
        steps.done = planes * TRIALS
    _write(target, job, steps.each(coded))


class _Steps:
    """Counts planes and tells the caller, who may raise to cancel."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self.done = 0

    def each(self, planes: Iterable[CodedPlane]) -> Iterator[CodedPlane]:
        self._tell()
        for plane in planes:
            yield plane
            self.done += 1
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.done, self._total)


def _encoded(job: Job, shift: int) -> Iterator[CodedPlane]:
    for number, coded_map in enumerate(job.maps(shift)):
        yield encode_plane(job.model, job.plane(number), coded_map)


def _fitting(job: Job, target: int, steps: _Steps) -> list[CodedPlane]:
    """The planes at the highest quality whose file is not above a target.

    Of a stack only the bytes are kept, which are no more than the target.
    """
    single = job.image.layout.plane_count == 1
    fitting: list[CodedPlane] = []

    def size_of(shift: int) -> int:
        nonlocal fitting
        planes = [
            plane if single else replace(plane, symbols=None)
            for plane in steps.each(_encoded(job, shift))
        ]
        buffer = io.BytesIO()
        _write(buffer, job, planes, measure=False)
        size = buffer.tell()
        if size <= target:
            fitting = planes
        return size

    fine = [coded_map.fine() for coded_map in job.maps()]
    lowest = -max(int(cells.max()) for cells in fine)
    highest = MAX_FINE - min(int(cells.min()) for cells in fine)
    shift_to_target(size_of, target, lowest, highest)
    return fitting


def _write(
    target: Target,
    job: Job,
    planes: Iterable[CodedPlane],
    measure: bool = True,
) -> None:
    """Write the file; unmeasured statistics have the right size only."""
    planes = iter(planes)
    first = next(planes)
    tally = ErrorTally()
    similarities: list[float | None] = []
    with Writer(
        target,
        _header(job, first.coded_map),
        calibration=job.calibration,
        provenance=job.provenance,
    ) as writer:
        for number, coded in enumerate(chain([first], planes)):
            if not job.shared_map:
                writer.write_map(number, pack(coded.coded_map))
            key = TileKey(0, number, 0, 0)
            writer.write_tile(key, coded.payload, coded.symbols_crc)
            if job.statistics:
                original, decoded = _pair(job, number, coded, measure)
                tally.add(original, decoded, _quality(job, coded.coded_map))
                if measure:
                    similarities.append(ms_ssim(original, decoded, 1.0))
        if job.statistics:
            writer.statistics = tally.statistics(_mean(similarities))


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


def _pair(
    job: Job, number: int, coded: CodedPlane, measure: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A plane and what the file's reader gets, both in 0..1."""
    shape = job.image.layout.plane_shape
    if not measure:
        blank = np.zeros(shape, np.float32)
        return blank, blank
    symbols = coded.symbols or parse_plane(
        job.model, coded.payload, coded.symbols_crc, coded.coded_map
    )
    picture = reconstruct_plane(job.model, symbols, coded.coded_map, shape)
    return job.plane(number), job.decoded(number, picture)


def _quality(job: Job, coded_map: CodedMap) -> float | NDArray[np.float32]:
    if coded_map.uniform:
        return float(coded_map.quality()[0, 0])
    height, width = job.image.layout.plane_shape[:2]
    return coded_map.pixels((height, width))


def _mean(similarities: list[float | None]) -> float | None:
    values = [value for value in similarities if value is not None]
    complete = values and len(values) == len(similarities)
    return float(np.mean(values)) if complete else None
