"""A part of the widget that folds away."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QSize, Qt
from qtpy.QtGui import QIcon, QPainter, QPixmap, QPolygonF
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

from napari_sft.plugin.widgets.parts import QWIDGETSIZE_MAX, column
from napari_sft.plugin.widgets.theme import Colours, qcolor

ARROW = 14  # size in pixels


class Section(QCollapsible):
    """A titled part of the widget that folds away."""

    def __init__(self, title: str, *views: QWidget, opened: bool = True):
        super().__init__(title)
        inside = QWidget()
        layout = column(inside)
        layout.setContentsMargins(0, 2, 0, 8)
        layout.setSpacing(10)
        for view in views:
            layout.addWidget(view)
        self.setContent(inside)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(0)
        button = self.toggleButton()
        button.setStyleSheet('')
        button.setProperty('role', 'section')
        button.setAccessibleName(title)
        button.setIconSize(QSize(ARROW, ARROW))
        self.expand() if opened else self.collapse()

    def expand(self, animate: bool = False) -> None:
        """Unfold; at once, as texts that wrap know no height beforehand."""
        super().expand(animate=False)
        self.content().setMaximumHeight(QWIDGETSIZE_MAX)
        self.content().show()

    def collapse(self, animate: bool = False) -> None:
        """Fold away, out of the reach of the Tab key too."""
        super().collapse(animate=False)
        self.content().hide()

    def set_colours(self, colours: Colours) -> None:
        """Draw the title's arrow in the theme's colour."""
        self.setExpandedIcon(_arrow(colours.text, down=True))
        self.setCollapsedIcon(_arrow(colours.text, down=False))


def _arrow(colour: str, *, down: bool) -> QIcon:
    scale = 4  # enough for every screen
    pixmap = QPixmap(ARROW * scale, ARROW * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(qcolor(colour))
    corners = [(2.0, 4.5), (12.0, 4.5), (7.0, 10.5)]
    if not down:
        corners = [(y, x) for x, y in corners]
    painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    painter.end()
    return QIcon(pixmap)
