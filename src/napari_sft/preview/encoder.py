"""Encoding one plane into a file while keeping what is shown of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL
from napari_sft.codec.fitting import fitting, work_of
from napari_sft.codec.image import denormalise
from napari_sft.codec.job import Job
from napari_sft.codec.part_writer import Errors, write
from napari_sft.codec.parts import Part, Progress, Steps, encoded
from napari_sft.codec.tiles import BLOCK, CELLS, Box, Grid, fine_window
from napari_sft.preview.measures import Measures
from napari_sft.preview.remembering_model import (
    Coded,
    RememberingModel,
)

Bits = NDArray[np.float32]
Show = Callable[[NDArray[Any]], None]


@dataclass(frozen=True)
class Encoded:
    """The file, what its reader gets, and the bits of each block."""

    data: bytes
    reconstruction: NDArray[Any]
    bits: Bits


def encode_preview(
    job: Job, progress: Progress | None, known: Measures, show: Show
) -> Encoded:
    """Encode as `encode_job` does, and keep what it makes on its way.

    Parameters
    ----------
    job : Job
        Of one plane and level, with statistics; its model is a
        `RememberingModel`.
    progress : callable, optional
        Called with (done, total) tiles; may raise to cancel.
    known : Measures
        Of parts of this plane, which are added to it.
    show : callable
        Called with the reconstruction, which is there before it is measured.
    """
    total = work_of(job)
    watch = _Watch(job, progress, total)
    refine = None
    if job.refiner is not None:
        assert isinstance(job.model, RememberingModel)
        refine = partial(job.model.refined, job.refiner, step=watch.advance)
    if job.target_bytes is None:
        parts = watch.each(encoded(job, refine=refine))
        return _write(job, watch, parts, known, show)
    with fitting(job, job.target_bytes, watch, refine) as parts:
        watch.done = total - job.tile_count
        return _write(job, watch, watch.each(parts), known, show)


def _write(
    job: Job, watch: _Watch, parts: Iterable[Part], known: Measures, show: Show
) -> Encoded:
    target, shown = io.BytesIO(), _Shown(job, known, show)
    write(target, job, parts, shown)
    return Encoded(target.getvalue(), shown.reconstruction, watch.bits())


class _Shown(Errors):
    """Measures as for a file, and keeps what its reader gets."""

    def __init__(self, job: Job, known: Measures, show: Show) -> None:
        super().__init__(job)
        assert isinstance(job.model, RememberingModel)
        self._model = job.model
        self._known, self._show = known, show
        layout = job.image.layout
        height, width = layout.plane_shape[:2]
        self._whole = Box(0, height, 0, width)
        self.reconstruction = np.empty(layout.plane_shape, layout.dtype)
        self._missing = self.reconstruction.size

    def add(self, part: Part) -> None:
        """Keep and measure some tiles, those not measured before."""
        decoded = self._model.follows(
            'decoded', part.box, lambda: self._decoded(part)
        )
        self.reconstruction[part.box.inside(self._whole)] = decoded
        self._missing -= decoded.size
        if not self._missing:
            self._show(self.reconstruction)
        measured = self._known.of(self._job, part, decoded)
        self._count(measured.errors, measured.ms_ssim, decoded.size)

    def _decoded(self, part: Part) -> NDArray[Any]:
        dtype = self._job.image.layout.dtype
        return denormalise(part.picture(), self._job.window(0), dtype)


class _Watch(Steps):
    """Counts tiles, and notes the bits of each block while they pass.

    When a size is to be met, tiles pass in several trials, and those of the
    best trial once more: then they are known by their payloads.
    """

    def __init__(
        self, job: Job, progress: Progress | None, total: int
    ) -> None:
        super().__init__(progress, total)
        assert isinstance(job.model, RememberingModel)
        self._model = job.model
        self._shape = job.image.layout.plane_shape
        self._side = job.side
        # A plane that is not cut up is one tile.
        longest = max(self._shape[:2])
        side = job.side or longest + -longest % BLOCK
        self._grid = Grid(self._shape, side)
        self._known: dict[tuple[int, int, bytes], NDArray[np.float64]] = {}
        self._bits = np.zeros(self._grid.plane.shape)

    def each(self, parts: Iterable[Part]) -> Iterator[Part]:
        """The parts, counted and noted."""
        for part in super().each(parts):
            coded = self._model.coded
            for tile in part.tiles:
                box = self._grid.box(tile.row, tile.col)
                key = tile.row, tile.col, tile.payload
                if coded is not None:
                    self._known[key] = self._model.follows(
                        'bits', box, partial(self._bits_of, coded, part, box)
                    )
                self._bits[box.inside(self._grid.plane)] = self._known[key]
            yield part
            self._model.coded = None  # the next may be none of its making

    def bits(self) -> Bits:
        """Bits of each block of the plane, (ceil(Y / 16), ceil(X / 16)).

        What padding takes is counted to the last row and column.
        """
        bits = self._bits
        for axis, size in enumerate(self._grid.size):
            bits = np.add.reduceat(bits, np.arange(-(-size // CELL)), axis)
        return bits.astype(np.float32)

    def _window(self, part: Part) -> Box:
        """The cells that the last symbols cover."""
        plane = self._grid.plane
        if not self._side:
            return plane
        cells = self._grid.cells(part.box)
        return cells.grown(self._model.halo.context, plane, CELLS)

    def _bits_of(
        self, coded: Coded, part: Part, box: Box
    ) -> NDArray[np.float64]:
        """Bits of the symbols of each block; those of z are shared out."""
        tables, window = self._model.tables, self._window(part)
        rows, columns = box.inside(window)
        y_bits = tables.bits(
            coded.y[:, rows, columns], coded.y_indices[:, rows, columns]
        ).sum(0)
        rows, columns = box.over(CELLS).inside(window.over(CELLS))
        z_indices = self._model.z_indices(fine_window(part.coded_map, box))
        z_bits = tables.bits(coded.z[:, rows, columns], z_indices).sum(0)
        return y_bits + np.kron(z_bits, np.full((CELLS, CELLS), CELLS**-2))
