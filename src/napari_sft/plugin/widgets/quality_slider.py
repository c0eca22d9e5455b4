"""A slider from 0 to 100 upon the colours of the quality map."""

from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import (
    QColor,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from qtpy.QtWidgets import QSlider, QWidget

from napari_sft.plugin.map_layer import ramp_colours

HANDLE = 9  # width in pixels
GROOVE = 12  # height
HEIGHT = 24
STEP = 10  # qualities between the stops of the ramp


class QualitySlider(QSlider):
    """Quality as a place on the map's own colour ramp.

    A click goes straight to its place; arrows, Page Up and Down, Home and End
    work as in any slider.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._colours = ramp_colours().tolist()
        self.setRange(0, 100)
        self.setPageStep(10)
        self.setMinimumHeight(HEIGHT)

    def sizeHint(self) -> QSize:
        """Wide enough to place, small enough for a narrow dock."""
        return QSize(160, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """See `sizeHint`."""
        return QSize(80, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ramp and the handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.isEnabled():
            painter.setOpacity(0.35)
        groove = self._groove()
        ramp = QLinearGradient(groove.topLeft(), groove.topRight())
        for quality in range(0, 101, STEP):
            colour = QColor.fromRgbF(*self._colours[quality])
            ramp.setColorAt(quality / 100, colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ramp)
        painter.drawRoundedRect(groove, 3, 3)

        palette = self.palette()
        text = palette.color(QPalette.ColorRole.WindowText)
        around = palette.color(QPalette.ColorRole.Window)
        handle = QRectF(0, 1, HANDLE, self.height() - 2)
        handle.moveLeft(self._x_of(self.value()) - HANDLE / 2)
        focused = self.hasFocus()
        painter.setPen(QPen(around, 2))
        painter.setBrush(text)
        painter.drawRoundedRect(handle, 4, 4)
        if focused:
            ring = palette.color(QPalette.ColorRole.Highlight)
            painter.setPen(QPen(ring, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            edge = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(edge, 4, 4)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the handle to where the mouse is."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self.setSliderDown(True)
        self.setValue(self._value_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the handle."""
        if self.isSliderDown():
            self.setValue(self._value_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the handle go."""
        if self.isSliderDown():
            self.setSliderDown(False)

    def _groove(self) -> QRectF:
        top = (self.height() - GROOVE) / 2
        return QRectF(2, top, self.width() - 4, GROOVE)

    def _x_of(self, value: int) -> float:
        inside = self.width() - HANDLE - 4
        return 2 + HANDLE / 2 + inside * value / 100

    def _value_at(self, x: float) -> int:
        inside = self.width() - HANDLE - 4
        share = (x - 2 - HANDLE / 2) / max(inside, 1)
        return round(100 * min(max(share, 0), 1))
