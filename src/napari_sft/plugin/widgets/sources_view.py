"""Quality maps from layers, a ramp or a file, or found for a task."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_sft.plugin.widgets.labels_page import LabelsPage
from napari_sft.plugin.widgets.parts import (
    View,
    add_row,
    button,
    column,
    combo_box,
    fill,
    form,
    row,
    thin_bar,
)
from napari_sft.plugin.widgets.source_pages import (
    CentrePage,
    FilePage,
    GradientPage,
    PointsPage,
    ShapesPage,
    SourcePage,
)
from napari_sft.plugin.widgets.tasks_page import TasksPage


class MapSourcesView(View):
    """Choose a source, its settings, and make the map.

    Signals
    -------
    map_requested(str, dict)
        Kind and settings: see `source_pages` for what each kind has.
    cancel_requested()
    labels_layer_chosen(str)
        A labels layer was chosen; its values are wanted.
    """

    map_requested = Signal(str, dict)
    cancel_requested = Signal()
    labels_layer_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.labels = LabelsPage()
        self.pages: dict[str, SourcePage] = {
            'shapes': ShapesPage(),
            'points': PointsPage(),
            'labels': self.labels,
            'gradient': GradientPage(),
            'centre': CentrePage(),
            'file': FilePage(),
            'task': TasksPage(),
        }
        self.kinds = combo_box('What the map is made from', 'Source')
        fill(
            self.kinds,
            [(kind, page.title) for kind, page in self.pages.items()],
            'shapes',
        )
        self.make = button('', 'A new map, or the chosen one anew')
        self.cancel = button('Cancel', 'Go on without this map')
        self.bar = thin_bar()
        grid = form()
        add_row(grid, 'From', self.kinds)
        layout = column(self.body)
        layout.addLayout(grid)
        for page in self.pages.values():
            layout.addWidget(page)
            page.changed.connect(self._update)
        layout.addWidget(self.bar)
        layout.addLayout(row(self.make, self.cancel))
        self.kinds.activated.connect(self._choose)
        self.labels.layer_chosen.connect(self.labels_layer_chosen)
        self.make.clicked.connect(self._emit)
        self.cancel.clicked.connect(self._cancel)
        self.set_making(False)
        self._show()

    def set_layers(self, kind: str, names: Sequence[str]) -> None:
        """Set the layers that 'shapes', 'points' or 'labels' may use."""
        self.pages[kind].set_layers(names)
        self._update()

    def set_label_values(self, values: Sequence[int]) -> None:
        """Set the values in the chosen labels layer, 0 left out."""
        self.labels.set_values(values)

    def set_making(self, busy: bool) -> None:
        """Show whether a map is being made."""
        # The focus stays on the button that takes the place of the other.
        focused = self.make.hasFocus() or self.cancel.hasFocus()
        self.make.setVisible(not busy)
        self.cancel.setVisible(busy)
        self.cancel.setEnabled(True)
        self.bar.setVisible(busy)
        self.set_progress(0, 0 if busy else 1)
        if focused:
            (self.cancel if busy else self.make).setFocus()

    def set_progress(self, done: int, total: int) -> None:
        """Show how far it is; a total of 0 is not known."""
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def choose(self, kind: str) -> None:
        """Show the settings of a kind of source."""
        self.kinds.setCurrentIndex(self.kinds.findData(kind))
        self._show()

    def _kind(self) -> str:
        return self.kinds.currentData()

    def _show(self) -> None:
        for kind, page in self.pages.items():
            page.setVisible(kind == self._kind())
        self._update()

    def _choose(self) -> None:
        self._show()
        page = self.pages[self._kind()]
        if page is self.labels and self.labels.layer():
            self.labels_layer_chosen.emit(self.labels.layer())

    def _update(self) -> None:
        page = self.pages[self._kind()]
        missing = page.missing()
        self.make.setText(page.action)
        self.make.setEnabled(not missing)
        self.make.setToolTip(missing)

    def _cancel(self) -> None:
        self.cancel.setEnabled(False)  # it ends at its next sign of life
        self.cancel_requested.emit()

    def _emit(self) -> None:
        kind = self._kind()
        self.map_requested.emit(kind, self.pages[kind].settings())
