"""Writing coded parts into a file, and measuring them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.container import Statistics, TileKey, Writer
from napari_sft.codec.job import Job, halved
from napari_sft.codec.metrics import ErrorTally, ms_ssim
from napari_sft.codec.parts import Part
from napari_sft.codec.pipeline import Plane
from napari_sft.codec.quality import pack
from napari_sft.codec.tiles import map_under

Target = str | os.PathLike[str] | BinaryIO


def write(
    target: Target,
    job: Job,
    parts: Iterable[Part],
    errors: Errors | None = None,
) -> None:
    """Write the file.

    Parameters
    ----------
    target : path or binary file
        Where to write.
    job : Job
        What is written.
    parts : iterable of Part
        Its coded parts in their order.
    errors : Errors, optional
        Measures them, if the job wants statistics.
    """
    errors = errors or Errors(job)
    parts = iter(parts)
    first = next(parts)
    maps: tuple[CodedMap, ...] = ()
    if job.shared_map:
        levels = range(len(job.levels))
        maps = tuple(halved(first.coded_map, level) for level in levels)
    with Writer(
        target,
        job.header(maps),
        calibration=job.calibration,
        provenance=job.provenance,
    ) as writer:
        place = None
        for part in chain([first], parts):
            if not maps and place != (part.level, part.plane):
                packed = pack(part.coded_map)
                writer.write_map(part.plane, packed, part.level)
            place = part.level, part.plane
            for tile in part.tiles:
                key = TileKey(*place, tile.row, tile.col)
                writer.write_tile(key, tile.payload, tile.symbols_crc)
            if job.statistics and part.level == 0:
                errors.add(part)
        if job.statistics:
            writer.statistics = errors.statistics()


class Errors:
    """Measures what the reader of the file gets, part by part.

    Parameters
    ----------
    job : Job
        What is encoded.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._tally = ErrorTally()
        self._similarities: list[tuple[float, int]] = []

    def add(self, part: Part) -> None:
        """Measure some tiles."""
        original = part.original()
        decoded = self._job.decoded(part.plane, part.picture())
        tally = ErrorTally()
        tally.add(original, decoded, _quality(part))
        self._count(tally, ms_ssim(original, decoded, 1.0), original.size)

    def _count(
        self, tally: ErrorTally, similarity: float | None, size: int
    ) -> None:
        self._tally.merge(tally)
        if similarity is not None:
            self._similarities.append((similarity, size))

    def statistics(self) -> Statistics:
        """Over all parts; MS-SSIM as the mean over those large enough."""
        mean = None
        if self._similarities:
            values, sizes = zip(*self._similarities, strict=True)
            mean = float(np.average(values, weights=sizes))
        return self._tally.statistics(mean)


class NoErrors(Errors):
    """Measures nothing: statistics have the right size only."""

    def add(self, part: Part) -> None:
        """Take pixels without error."""
        shape = self._job.image.layout.plane_shape[2:]
        blank: Plane = np.zeros((*part.box.shape, *shape), np.float32)
        self._tally.add(blank, blank, _quality(part))


def _quality(part: Part) -> float | NDArray[np.float32]:
    coded_map, box = part.coded_map, part.box
    if coded_map.uniform:
        return float(coded_map.crop(slice(1), slice(1)).quality()[0, 0])
    return map_under(box, coded_map).pixels(box.shape)
