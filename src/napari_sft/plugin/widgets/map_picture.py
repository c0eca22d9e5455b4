"""A small drawing of the idea: a map, bright where it matters."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QRectF, QSize
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sft.plugin.map_layer import ramp_colours

ROWS, COLUMNS = 6, 18
CELL, GAP = 16, 2
# Two places that matter: row, column, radius in cells.
PLACES = ((2.6, 4.4, 2.9), (2.2, 12.5, 2.0))


class MapPicture(QWidget):
    """Cells of a quality map in the map's own colours."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
        quality = np.full((ROWS, COLUMNS), 0.08)
        for row, column, radius in PLACES:
            distance = np.hypot(rows - row, columns - column) / radius
            quality = np.maximum(quality, np.exp(-(distance**3)))
        self._colours = ramp_colours()[np.rint(100 * quality).astype(int)]
        fixed = QSizePolicy.Policy.Fixed
        self.setSizePolicy(QSizePolicy.Policy.Expanding, fixed)

    def sizeHint(self) -> QSize:
        """All cells at full size."""
        return QSize(COLUMNS * (CELL + GAP), ROWS * (CELL + GAP))

    def minimumSizeHint(self) -> QSize:
        """Any width will do: what does not fit is cut off."""
        return QSize(1, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(0, 0, 0, 0))
        for row, column in np.ndindex(ROWS, COLUMNS):
            colour = QColor.fromRgbF(*self._colours[row, column].tolist())
            painter.setBrush(colour)
            left, top = column * (CELL + GAP), row * (CELL + GAP)
            painter.drawRoundedRect(QRectF(left, top, CELL, CELL), 2, 2)
