"""Settings of each source of a quality map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QWidget,
)

from napari_sft.plugin.widgets.parts import (
    add_row,
    button,
    combo_box,
    fill,
    form,
    hint,
    row,
    same,
    spin_box,
)


class SourcePage(QWidget):
    """One source: its title, its settings, and what is missing for it."""

    title = ''
    explanation = ''
    action = 'Make the map'
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.grid = form(self)
        self.note = hint(self.explanation)
        self.grid.addWidget(self.note, 0, 0, 1, 2)

    def settings(self) -> dict[str, Any]:
        """What `MapSourcesView.map_requested` tells."""
        raise NotImplementedError

    def missing(self) -> str:
        """What has to be there first; '' when the map can be made."""
        return ''

    def set_layers(self, names: Sequence[str]) -> None:
        """Set the layers to choose from; a source without any ignores it."""

    def add_quality(self, title: str, value: int, tooltip: str = ''):
        """Add a row with a quality."""
        box = spin_box(0, 100)
        box.setValue(value)
        box.setToolTip(tooltip)
        box.setAccessibleName(title)
        add_row(self.grid, title, row(box, None), tooltip)
        return box


class LayerPage(SourcePage):
    """A source that is a layer."""

    kind = ''
    layer_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.layers = combo_box(name='Layer')
        add_row(self.grid, 'Layer', self.layers)
        self.layers.activated.connect(
            lambda _: self.layer_chosen.emit(self.layer())
        )
        self.set_layers([])

    def layer(self) -> str:
        """Name of the chosen layer, or ''."""
        return self.layers.currentData() or ''

    def set_layers(self, names: Sequence[str]) -> None:
        """Set the layers to choose from; the choice stays if it can."""
        current = self.layer() if self.layer() in names else ''
        fill(self.layers, same(names), current or (names or [''])[0])
        self.layers.setEnabled(bool(names))
        missing = self.missing()
        self.note.setText(missing or self.explanation)

    def missing(self) -> str:
        """See `SourcePage.missing`."""
        return '' if self.layer() else f'Add a {self.kind} layer first'


class ShapesPage(LayerPage):
    """settings: layer, quality (of shapes without one of their own)."""

    title = 'Shapes'
    kind = 'Shapes'
    explanation = (
        'Every shape is filled with its “quality” feature, or with this '
        'quality if it has none.'
    )

    def __init__(self) -> None:
        super().__init__()
        self.quality = self.add_quality('Quality', 90)

    def settings(self) -> dict[str, Any]:
        """See the class."""
        return {'layer': self.layer(), 'quality': self.quality.value()}


class PointsPage(LayerPage):
    """settings: layer, quality, radius (pixels)."""

    title = 'Points'
    kind = 'Points'
    explanation = (
        'A disc around every point, with the point’s “quality” feature, or '
        'with this quality if it has none.'
    )

    def __init__(self) -> None:
        super().__init__()
        self.quality = self.add_quality('Quality', 90)
        self.radius = spin_box(1, 4096, 'px')
        self.radius.setValue(32)
        self.radius.setAccessibleName('Radius')
        add_row(self.grid, 'Radius', row(self.radius, None))

    def settings(self) -> dict[str, Any]:
        """See the class."""
        return {
            'layer': self.layer(),
            'quality': self.quality.value(),
            'radius': self.radius.value(),
        }


class GradientPage(SourcePage):
    """settings: start, end, direction ('right' or 'down')."""

    title = 'Gradient'
    explanation = 'The quality changes evenly across the image.'

    def __init__(self) -> None:
        super().__init__()
        self.direction = combo_box(name='Direction')
        ways = [('right', 'Left to right'), ('down', 'Top to bottom')]
        fill(self.direction, ways, 'right')
        add_row(self.grid, 'Direction', self.direction)
        self.start = self.add_quality('From', 20)
        self.end = self.add_quality('To', 90)

    def settings(self) -> dict[str, Any]:
        """See the class."""
        return {
            'start': self.start.value(),
            'end': self.end.value(),
            'direction': self.direction.currentData(),
        }


class CentrePage(SourcePage):
    """settings: inner, outer, radius (% of half the shorter side)."""

    title = 'Centre of the image'
    explanation = 'Good in the middle, less so towards the edges.'

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.add_quality('Centre', 90)
        self.outer = self.add_quality('Edges', 20)
        self.radius = spin_box(1, 200, '%')
        self.radius.setValue(60)
        self.radius.setAccessibleName('Radius')
        tip = 'Of half the image’s shorter side'
        self.radius.setToolTip(tip)
        add_row(self.grid, 'Radius', row(self.radius, None), tip)

    def settings(self) -> dict[str, Any]:
        """See the class."""
        return {
            'inner': self.inner.value(),
            'outer': self.outer.value(),
            'radius': self.radius.value(),
        }


class FilePage(SourcePage):
    """settings: path."""

    title = 'Image file'
    explanation = 'A gray picture: black is quality 0, white is 100.'

    def __init__(self) -> None:
        super().__init__()
        self._path = ''
        self.choose = button('Choose a file…')
        self.name = hint()
        add_row(self.grid, 'File', self.choose)
        self.grid.addWidget(self.name, self.grid.rowCount(), 1)
        self.choose.clicked.connect(self._choose)

    def missing(self) -> str:
        """See `SourcePage.missing`."""
        return '' if self._path else 'Choose a file first'

    def settings(self) -> dict[str, Any]:
        """See the class."""
        return {'path': self._path}

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, 'Open a quality map')
        if path:
            self._path = path
            self.name.setText(Path(path).name)
            self.name.setToolTip(path)
            self.changed.emit()
