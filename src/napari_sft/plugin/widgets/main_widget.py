"""The widget: an empty page, or all views in sections that fold."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QStackedWidget, QWidget

from napari_sft.plugin.widgets.batch_view import BatchView
from napari_sft.plugin.widgets.brush_view import BrushView
from napari_sft.plugin.widgets.curve_view import CurveView
from napari_sft.plugin.widgets.empty_page import EmptyPage
from napari_sft.plugin.widgets.image_view import ImageView
from napari_sft.plugin.widgets.map_view import MapView
from napari_sft.plugin.widgets.message_line import MessageLine
from napari_sft.plugin.widgets.model_view import ModelView
from napari_sft.plugin.widgets.parts import (
    column,
    line,
)
from napari_sft.plugin.widgets.results_view import ResultsView
from napari_sft.plugin.widgets.run_view import RunView
from napari_sft.plugin.widgets.save_view import SaveView
from napari_sft.plugin.widgets.section import Section
from napari_sft.plugin.widgets.show_layers_view import ShowLayersView
from napari_sft.plugin.widgets.sources_view import MapSourcesView
from napari_sft.plugin.widgets.target_view import TargetView
from napari_sft.plugin.widgets.theme import colours_of, style_sheet
from napari_sft.plugin.widgets.words import expected_words

WIDTH = 350
NARROWEST = 316  # what the views need, a scroll bar included
MARGIN = 8


class MainWidget(QWidget):
    """All views, wired to nothing but each other's looks.

    Attributes
    ----------
    empty : EmptyPage
        What is shown without an image.
    image, map, brush, sources, results, show_layers, curve, batch, model
        Views that scroll.
    target, run, save, message
        Views that are always in sight.
    sections : dict of str to Section
        'paint', 'make', 'results', 'curve', 'batch' and 'model'.

    Signals
    -------
    closing()
        The widget is being closed.
    """

    closing = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = EmptyPage()
        self.image, self.map, self.brush = ImageView(), MapView(), BrushView()
        self.sources, self.run, self.target = (
            MapSourcesView(),
            RunView(),
            TargetView(),
        )
        self.results, self.show_layers = ResultsView(), ShowLayersView()
        self.curve, self.batch = CurveView(), BatchView()
        self.save, self.model = SaveView(), ModelView()
        self.message = MessageLine()
        self.sections = {
            'paint': Section('Paint', self.brush),
            'make': Section('Make a map from…', self.sources, opened=False),
            'results': Section('Result', self.results, self.show_layers),
            'curve': Section('Size and exactness', self.curve, opened=False),
            'batch': Section('Many pictures', self.batch, opened=False),
            'model': Section('Model and device', self.model, opened=False),
        }
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self._work_page())
        layout = column(self)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.message)
        self.curve.failed.connect(self.message.show_error)
        self.set_theme('dark')

    def sizeHint(self) -> QSize:
        """As a dock beside the canvas."""
        return QSize(WIDTH, 760)

    def minimumSizeHint(self) -> QSize:
        """Narrow and low enough never to force the window larger."""
        return QSize(NARROWEST, 320)

    def show_empty(self) -> None:
        """Show what to do first."""
        self._pages.setCurrentIndex(0)

    def show_work(self) -> None:
        """Show the views."""
        self._pages.setCurrentIndex(1)

    def set_theme(self, theme_id: str) -> None:
        """Follow napari's theme: 'dark', 'light' or any other."""
        colours = colours_of(theme_id)
        self.setStyleSheet(style_sheet(colours))
        for section in self.sections.values():
            section.set_colours(colours)
        self.brush.set_colours(colours)
        self.curve.set_colours(colours)

    def set_picture_kind(
        self, *, gray: bool, known_model: bool = True
    ) -> None:
        """Expect of qualities what gray or colour pictures gave.

        Of a model that was not measured, nothing is expected.
        """
        words = partial(expected_words, gray=gray) if known_model else None
        for view in (self.map, self.brush):
            view.set_expected(words)

    def open_section(self, name: str, opened: bool = True) -> None:
        """Unfold a section, or fold it."""
        section = self.sections[name]
        section.expand() if opened else section.collapse()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Tell that the work is to end."""
        self.closing.emit()
        super().closeEvent(event)

    def _work_page(self) -> QWidget:
        inside = QWidget()
        sections = column(inside)
        sections.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        sections.setSpacing(0)
        sections.addWidget(self.image)
        sections.addSpacing(10)
        sections.addWidget(self.map)
        sections.addSpacing(10)
        for section in self.sections.values():
            sections.addWidget(section)
        sections.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setFrameShape(QFrame.Shape.NoFrame)

        foot = QWidget()
        footer = column(foot)
        footer.setContentsMargins(MARGIN, 0, MARGIN, MARGIN)
        footer.addWidget(line())
        for widget in (
            self.results.summary,
            self.target,
            self.run,
            self.save,
        ):
            footer.addWidget(widget)

        page = QWidget()
        layout = column(page)
        layout.addWidget(scroll, 1)
        layout.addWidget(foot)
        return page
