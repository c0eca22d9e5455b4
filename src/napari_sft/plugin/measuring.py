"""Figures beside the preview's: JPEG of the same size, and the whole curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sft.plugin.part import Part
from napari_sft.plugin.previewing import new_previewer

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sft.plugin.coordinator import Coordinator
    from napari_sft.plugin.engine import Task
    from napari_sft.plugin.previewing import Outcome
    from napari_sft.preview.comparison import Comparison
    from napari_sft.preview.sweep import Point


class Measuring(Part):
    """Compares with JPEG and measures the rate-distortion curve."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        results, curve = self._main.results, self._main.curve
        self._compare = self.engine()
        self._compare.finished.connect(self._on_compared)
        for ended in (self._compare.failed, self._compare.cancelled):
            ended.connect(lambda *_: results.set_comparing(False))
        results.comparison_requested.connect(self._start_comparison)
        self._sweep = self.engine()
        self._sweep.progressed.connect(curve.set_progress)
        self._sweep.reported.connect(self._on_point)
        for ended in (
            self._sweep.finished,
            self._sweep.failed,
            self._sweep.cancelled,
        ):
            ended.connect(lambda *_: curve.set_sweeping(False))
        curve.sweep_requested.connect(self._start_sweep)
        curve.cancel_requested.connect(self._sweep.cancel)

    def enter_image(self, image: Image) -> None:
        """A curve is of one image."""
        self._main.curve.clear()
        self._main.curve.set_current(None, None)

    def leave_image(self) -> None:
        """End what is of no use without the image."""
        self._compare.cancel()
        self._sweep.cancel()

    def preview_made(self, outcome: Outcome) -> None:
        """Mark the preview on the curve; it is to be compared anew."""
        self._compare.cancel()
        self._main.results.set_comparison(None)
        info = outcome.preview.info
        measured = info['statistics']
        self._main.curve.set_current(
            info['bpp'], measured['psnr'], measured.get('ms_ssim')
        )

    def _start_comparison(self) -> None:
        outcome = self._whole.outcome
        if outcome is None:
            return

        def job(task: Task) -> Comparison:
            from napari_sft.preview.comparison import compare

            return compare(outcome.original, outcome.preview)

        self._main.results.set_comparing(True)
        self._compare.request(job)

    def _on_compared(self, comparison: Comparison) -> None:
        self._main.results.set_comparing(False)
        self._main.results.set_comparison(comparison.figures())

    def _start_sweep(self) -> None:
        request = self._whole.request()
        if request is None:
            return

        def job(task: Task) -> None:
            from napari_sft.preview.sweep import sweep

            # One of its own: it must not hold up the preview's.
            previewer = new_previewer(request, request.plane.read())
            quality = request.quality()
            painted = quality if np.ndim(quality) else None
            for point in sweep(previewer, painted, progress=task.progress):
                task.report(point)

        self._main.curve.clear()
        self._main.curve.set_sweeping(True)
        self._sweep.request(job)

    def _on_point(self, point: Point) -> None:
        if math.isfinite(point.psnr):  # an exact one has no place
            self._main.curve.add_point(
                point.curve,
                point.quality,
                point.bpp,
                point.psnr,
                point.ms_ssim,
            )
