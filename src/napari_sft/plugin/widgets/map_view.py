"""The quality map, and what holds where nothing is painted."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_sft.plugin.widgets.controls import NumberControl, QualityControl
from napari_sft.plugin.widgets.parts import (
    View,
    add_row,
    button,
    column,
    combo_box,
    fill,
    form,
    hint,
    row,
    same,
)
from napari_sft.plugin.widgets.words import QualityWords, share_words

NO_MAP = 'None'
MAP_TIP = 'The labels layer that says how good each place must be'
WITH_MAP = 'Quality where you did not paint'
WITHOUT_MAP = 'Quality of the whole image'
BASE_TIP = (
    '0 makes the smallest file, 100 the closest to the original. Start low '
    'and paint where it matters.'
)
FEATHER_TIP = (
    'How far a painted region fades into its surroundings, in pixels of the '
    'image. Soft edges hide the change of quality.'
)


class MapView(View):
    """The map's layer, the base quality and soft edges.

    Signals
    -------
    map_chosen(str)
        Name of the chosen layer; '' for none.
    new_map_requested()
        A new map is to be made for the image.
    base_quality_changed(int), base_quality_committed(int)
        While the slider moves, and once it is let go.
    feather_changed(int)
        Width of soft edges in pixels.
    """

    map_chosen = Signal(str)
    new_map_requested = Signal()
    base_quality_changed = Signal(int)
    base_quality_committed = Signal(int)
    feather_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.maps = combo_box(MAP_TIP, 'Quality map')
        self.new = button('New', 'Make an empty quality map for this image')
        self.painted = hint()
        self.base = QualityControl(WITHOUT_MAP, BASE_TIP, 75, legend=True)
        self.soft = NumberControl('Soft edges', FEATHER_TIP, (0, 64), 'px')
        layout = column(self.body)
        layout.setSpacing(10)
        grid = form()
        add_row(grid, 'Map', row(self.maps, self.new), MAP_TIP)
        grid.addWidget(self.painted, grid.rowCount(), 1)
        layout.addLayout(grid)
        layout.addWidget(self.base)
        layout.addWidget(self.soft)
        self.maps.activated.connect(
            lambda _: self.map_chosen.emit(self.maps.currentData())
        )
        self.new.clicked.connect(lambda _: self.new_map_requested.emit())
        self.base.changed.connect(self.base_quality_changed)
        self.base.committed.connect(self.base_quality_committed)
        self.soft.changed.connect(self.feather_changed)
        self.set_maps([])

    def set_maps(self, names: Sequence[str], current: str = '') -> None:
        """Set the quality maps and the chosen one, '' for none."""
        fill(self.maps, [('', NO_MAP), *same(names)], current)
        self.maps.setToolTip(current or MAP_TIP)
        self.base.set_title(WITH_MAP if current else WITHOUT_MAP)
        self.soft.setVisible(bool(current))
        if not current:
            self.set_painted(0)

    def base_quality(self) -> int:
        """Quality where nothing is painted, 0..100."""
        return self.base.value()

    def set_base_quality(self, quality: int) -> None:
        """Set the quality where nothing is painted."""
        self.base.set_value(quality)

    def feather(self) -> int:
        """Width of soft edges in pixels."""
        return self.soft.value()

    def set_feather(self, pixels: int) -> None:
        """Set the width of soft edges."""
        self.soft.set_value(pixels)

    def set_painted(self, share: float) -> None:
        """Tell how much of the image is painted, 0..1."""
        if not self.maps.currentData():
            text = 'One quality for the whole image'
        elif share:
            text = f'{share_words(share)} of the image is painted'
        else:
            text = 'Nothing is painted yet'
        self.painted.setText(text)

    def set_expected(self, words: QualityWords | None) -> None:
        """Set what turns a quality into words; None says nothing."""
        self.base.set_expected(words)
