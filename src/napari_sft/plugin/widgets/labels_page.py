"""Settings of a quality map that is made from a segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_sft.plugin.widgets.parts import (
    LABELS,
    QWIDGETSIZE_MAX,
    button,
    row,
    silent,
    spin_box,
)
from napari_sft.plugin.widgets.source_pages import LayerPage

ROW, ROWS_IN_SIGHT = 26, 5
MOST_LABELS = 20  # set one by one; more have one quality in common


class LabelsPage(LayerPage):
    """settings: layer, foreground, background, qualities (by label)."""

    title = 'Labels (a segmentation)'
    kind = 'Labels'
    explanation = 'Every labelled object gets a quality, and what lies around.'

    def __init__(self) -> None:
        super().__init__()
        self.objects_first = button(
            'Objects matter', 'Objects 90, background 20'
        )
        self.background_first = button(
            'Background matters', 'Objects 20, background 90'
        )
        self.grid.addLayout(
            row(self.objects_first, self.background_first),
            self.grid.rowCount(),
            0,
            1,
            2,
        )
        self.foreground = self.add_quality('Objects', 90)
        self.background = self.add_quality('Background', 20)
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(['Label', 'Quality'])
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.resizeSection(0, LABELS)
        header.setFixedHeight(ROW)
        self.table.setShowGrid(False)
        self.table.setMinimumWidth(1)
        self.table.setAccessibleName('Quality of each label')
        self.grid.addWidget(self.table, self.grid.rowCount(), 0, 1, 2)
        self.objects_first.clicked.connect(lambda _: self._preset(90, 20))
        self.background_first.clicked.connect(lambda _: self._preset(20, 90))
        self.set_values([])

    def set_values(self, values: Sequence[int]) -> None:
        """Set the values that can have a quality of their own."""
        shown = list(values) if len(values) <= MOST_LABELS else []
        with silent(self.table):
            self.table.setRowCount(len(shown))
            before: QWidget = self.table
            for at, value in enumerate(shown):
                name = QTableWidgetItem(str(value))
                name.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.table.setItem(at, 0, name)
                box = spin_box(-1, 100)
                box.setSpecialValueText('as objects')
                box.setValue(-1)
                box.setMinimumWidth(0)
                box.setMaximumWidth(QWIDGETSIZE_MAX)
                box.setAccessibleName(f'Quality of label {value}')
                self.table.setCellWidget(at, 1, box)
                QWidget.setTabOrder(before, box)
                before = box
        self.table.setVisible(bool(shown))
        rows = min(len(shown), ROWS_IN_SIGHT) * ROW
        self.table.setFixedHeight(rows + ROW)

    def settings(self) -> dict[str, Any]:
        """See the class."""
        qualities = {}
        for at in range(self.table.rowCount()):
            quality = self.table.cellWidget(at, 1).value()
            if quality >= 0:
                qualities[int(self.table.item(at, 0).text())] = quality
        return {
            'layer': self.layer(),
            'foreground': self.foreground.value(),
            'background': self.background.value(),
            'qualities': qualities,
        }

    def _preset(self, foreground: int, background: int) -> None:
        self.foreground.setValue(foreground)
        self.background.setValue(background)
