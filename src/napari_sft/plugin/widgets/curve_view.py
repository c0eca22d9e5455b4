"""Size against exactness of this image, as a plot."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_sft.plugin.widgets.curve_plot import CurvePlot, load_matplotlib
from napari_sft.plugin.widgets.curve_points import Point, write_table
from napari_sft.plugin.widgets.parts import (
    View,
    button,
    column,
    combo_box,
    fill,
    hint,
    row,
    thin_bar,
)
from napari_sft.plugin.widgets.theme import Colours

EXPLANATION = (
    'Compresses this image at many qualities, your painted differences kept, '
    'and as JPEG. Higher and further left is better.'
)
FILTERS = 'Picture (*.png);;Drawing (*.svg);;Table (*.csv)'
SUFFIXES = ('.png', '.svg', '.csv')
SUFFIX_OF_FILTER = dict(zip(FILTERS.split(';;'), SUFFIXES, strict=True))


class CurveView(View):
    """The plot, what starts it, and its export.

    Signals
    -------
    sweep_requested()
    cancel_requested()
    failed(str)
        An export could not be written.
    """

    sweep_requested = Signal()
    cancel_requested = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: dict[str, list[Point]] = {}
        self._current: Point | None = None
        self._colours: Colours | None = None
        self.explanation = hint(EXPLANATION)
        self.plot: CurvePlot | None = None
        self.measure = combo_box('What counts as exact', 'Measure')
        fill(self.measure, [('psnr', 'PSNR'), ('ms_ssim', 'MS-SSIM')], 'psnr')
        self.draw = button('Draw the curve', EXPLANATION)
        self.cancel = button('Cancel', 'Keep the points drawn so far')
        self.save = button('Export…', 'As a picture, a drawing or a table')
        self.bar = thin_bar()
        layout = column(self.body)
        layout.addWidget(self.explanation)
        layout.addWidget(self.bar)
        layout.addLayout(row(self.draw, self.cancel, self.measure, self.save))
        self._layout = layout
        self.draw.clicked.connect(self._start)
        self.cancel.clicked.connect(lambda _: self.cancel_requested.emit())
        self.save.clicked.connect(self._choose)
        self.measure.activated.connect(lambda _: self._redraw())
        self.set_sweeping(False)
        self.clear()

    def add_point(
        self,
        curve: str,
        quality: float,
        bpp: float,
        psnr: float,
        ms_ssim: float | None = None,
    ) -> None:
        """Add a point to a curve, in any order."""
        points = self._curves.setdefault(curve, [])
        points.append(Point(bpp, quality, psnr, ms_ssim))
        points.sort()
        self._update()

    def set_current(
        self,
        bpp: float | None,
        psnr: float | None,
        ms_ssim: float | None = None,
    ) -> None:
        """Mark the present setting; None takes the mark away."""
        self._current = None
        if bpp is not None and psnr is not None:
            self._current = Point(bpp, -1, psnr, ms_ssim)
        self._redraw()

    def set_sweeping(self, busy: bool) -> None:
        """Show whether points are being made."""
        self.draw.setVisible(not busy)
        self.cancel.setVisible(busy)
        self.bar.setVisible(busy)
        self.set_progress(0, 0 if busy else 1)

    def set_progress(self, done: int, total: int) -> None:
        """Show how many points are made; a total of 0 is not known."""
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def clear(self) -> None:
        """Take all curves away."""
        self._curves.clear()
        self._update()

    def points(self, curve: str) -> list[Point]:
        """Points of a curve by rising size."""
        return list(self._curves.get(curve, ()))

    def export(self, path: str) -> None:
        """Write the plot as .png or .svg, or its points as .csv.

        A failure is told by the signal `failed`.
        """
        try:
            if Path(path).suffix.lower() == '.csv':
                with Path(path).open(
                    'w', newline='', encoding='utf-8'
                ) as file:
                    write_table(file, self._curves, self._current)
            elif self.plot is not None:
                self.plot.write(path)
        except (OSError, ValueError) as error:
            self.failed.emit(f'the plot was not written to {path}: {error}')

    def set_colours(self, colours: Colours) -> None:
        """Draw in a theme's colours."""
        self._colours = colours
        self._redraw()

    def _start(self) -> None:
        # matplotlib takes its time to load, above all the first time ever:
        # it may do so while the first point is made.
        Thread(target=load_matplotlib, daemon=True).start()
        self.sweep_requested.emit()

    def _update(self) -> None:
        drawn = bool(self._curves)
        self.explanation.setVisible(not drawn)
        self.measure.setVisible(drawn)
        self.save.setVisible(drawn)
        self.draw.setText('Draw again' if drawn else 'Draw the curve')
        if drawn and self.plot is None:
            self.plot = CurvePlot()
            self._layout.insertWidget(0, self.plot)
        if self.plot is not None:
            self.plot.setVisible(drawn)
        self._redraw()

    def _redraw(self) -> None:
        if self.plot is not None and self._curves:
            self.plot.draw_curves(
                self._curves,
                self._current,
                likeness=self.measure.currentData() == 'ms_ssim',
                colours=self._colours,
            )

    def _choose(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(
            self, 'Export the plot', 'rate-distortion.png', FILTERS
        )
        if path:
            if Path(path).suffix.lower() not in SUFFIXES:
                path += SUFFIX_OF_FILTER.get(chosen, '.png')
            self.export(path)
