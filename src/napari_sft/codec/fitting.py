"""Meeting a size: trials whose tiles wait in a temporary file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import numpy as np

from napari_sft.codec.coded_map import MAX_FINE, CodedMap
from napari_sft.codec.errors import TargetError
from napari_sft.codec.job import Job
from napari_sft.codec.part_writer import NoErrors, write
from napari_sft.codec.parts import Part, Steps, encoded
from napari_sft.codec.pipeline import Plane, parse_plane, reconstruct_plane
from napari_sft.codec.rate_control import TRIALS, shift_to_target
from napari_sft.codec.refinement import Refine
from napari_sft.codec.tile_decoder import FetchPayload, Payload, TileDecoder
from napari_sft.codec.tiles import Box, Grid

_IN_MEMORY = 1 << 26  # bytes of tiles; more go to the disk
REFINED_TRIALS = 4  # at most, after those of what is not refined
_Place = tuple[int, int]  # level and plane


def work_of(job: Job) -> int:
    """Steps that encoding takes, with all trials for a target size."""
    work = job.tile_count + job.refining_steps
    if job.target_bytes is None:
        return work
    refined = 0 if job.refiner is None else REFINED_TRIALS
    return job.tile_count * (TRIALS + 1) + work * refined


@contextmanager
def fitting(
    job: Job, target: int, steps: Steps, refine: Refine | None = None
) -> Iterator[Iterator[Part]]:
    """The parts at the highest quality whose file is not above a target.

    With `refine`, trials without it say where to begin, as these take far
    less time.

    Raises
    ------
    TargetError
        If even the lowest quality is larger.
    """
    with ExitStack() as kept:
        best: _Trial | None = None

        def size_of(shift: int, refine: Refine | None = None) -> int:
            nonlocal best
            trial = _Trial(job)
            with ExitStack() as opened:
                opened.callback(trial.close)
                for part in steps.each(encoded(job, shift, refine)):
                    trial.keep(part)
                size = trial.size()
                if size <= target:
                    kept.close()
                    kept.push(opened.pop_all())
                    best = trial
            return size

        ends = [_ends(coded_map) for coded_map in job.maps()]
        lowest = -max(high for _, high in ends)
        highest = MAX_FINE - min(low for low, _ in ends)
        shift = shift_to_target(size_of, target, lowest, highest)
        if refine is not None:
            # at the lowest quality, only what is not refined may fit
            with suppress(TargetError):
                shift_to_target(
                    partial(size_of, refine=refine),
                    target,
                    lowest,
                    highest,
                    start=shift,
                    trials=REFINED_TRIALS,
                )
        assert best is not None
        yield best.parts()


def _ends(coded_map: CodedMap) -> tuple[int, int]:
    """Lowest and highest fine value."""
    if coded_map.uniform:
        coded_map = coded_map.crop(slice(1), slice(1))
    fine = coded_map.fine()
    return int(fine.min()), int(fine.max())


class _Trial:
    """The tiles of one analysis, their bytes in a temporary file."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._parts: list[Part] = []
        self._tiles: dict[tuple[_Place, int, int], tuple[int, int, int]] = {}

    def keep(self, part: Part) -> None:
        """Take the bytes of a part, and nothing else that is large."""
        tiles = []
        for tile in part.tiles:
            self._file.seek(0, os.SEEK_END)
            start = self._file.tell()
            self._file.write(tile.payload)
            key = ((part.level, part.plane), tile.row, tile.col)
            self._tiles[key] = start, len(tile.payload), tile.symbols_crc
            tiles.append(replace(tile, payload=b''))
        self._parts.append(
            replace(part, tiles=tuple(tiles), original=_none, picture=_none)
        )

    def size(self) -> int:
        """Size of the file that the parts will make."""
        counter = _Counter()
        unmeasured = NoErrors(self._job)
        write(cast(BinaryIO, counter), self._job, self.parts(), unmeasured)
        return counter.nbytes

    def parts(self) -> Iterator[Part]:
        """The parts as they were encoded, read again."""
        place, plane = None, None
        for part in self._parts:
            if plane is None or place != (part.level, part.plane):
                place = part.level, part.plane
                plane = _KeptPlane(
                    self._job, part, partial(self._fetch, place)
                )
            tiles = tuple(
                replace(
                    tile, payload=self._fetch(place, tile.row, tile.col)[0]
                )
                for tile in part.tiles
            )
            yield replace(
                part,
                tiles=tiles,
                original=partial(plane.original, part.box),
                picture=partial(plane.picture, part.box),
            )

    def _fetch(self, place: _Place, row: int, col: int) -> Payload:
        start, length, crc = self._tiles[place, row, col]
        self._file.seek(start)
        where = f'tile at row {row}, column {col}'
        return Payload(self._file.read(length), crc, where)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


class _KeptPlane:
    """A plane of kept tiles: its pixels, and what is decoded of them."""

    def __init__(self, job: Job, part: Part, fetch: FetchPayload) -> None:
        self._model = job.model
        self._map = part.coded_map
        self._fetch = fetch
        self._shape = job.levels[part.level].layout.plane_shape
        self._grid = Grid(self._shape, job.side) if job.side else None
        self._pixels = job.pixels(part.plane, part.level)

    def original(self, box: Box) -> Plane:
        """Some pixels, in 0..1."""
        return self._pixels.read(box)

    def picture(self, box: Box) -> Plane:
        """What the decoder makes of them."""
        if self._grid is not None:
            return self._decoder.picture(self._grid.cells(box))
        payload = self._fetch(0, 0)
        symbols = parse_plane(
            self._model, payload.data, payload.symbols_crc, self._map
        )
        return reconstruct_plane(self._model, symbols, self._map, self._shape)

    @cached_property
    def _decoder(self) -> TileDecoder:
        assert self._grid is not None
        return TileDecoder(self._model, self._grid, self._map, self._fetch)


class _Counter:
    """A file that keeps no more than its size."""

    def __init__(self) -> None:
        self.nbytes = 0

    def write(self, data: bytes) -> int:
        self.nbytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


def _none() -> Plane:
    """Stands for pixels that are read when they are needed."""
    return np.zeros((0, 0), np.float32)
