"""The widget that napari's menus open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QWidget

from napari_sft.plugin.coordinator import Coordinator
from napari_sft.plugin.preferences import preferences
from napari_sft.plugin.widgets.main_widget import MainWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class SftWidget(MainWidget):
    """The views, wired to a viewer until they or its window are closed."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.coordinator = Coordinator(napari_viewer, self, preferences())
        self._window: QWidget | None = None
        QApplication.instance().aboutToQuit.connect(self.coordinator.close)

    def showEvent(self, event: QEvent) -> None:
        """Watch the window that the widget has come to lie in.

        A window that is closed tells its docks nothing, and work must end
        before the window is gone.
        """
        if self._window is None and self.window() is not self:
            self._window = self.window()
            self._window.installEventFilter(self)
        super().showEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """End all work when the window closes; it starts again if asked."""
        if event.type() == QEvent.Type.Close and watched is self._window:
            self.coordinator.pause()
        return False
