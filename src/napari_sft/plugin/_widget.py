"""The widget that napari's menus open."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QWidget

from napari_sft.plugin.coordinator import Coordinator
from napari_sft.plugin.preferences import preferences
from napari_sft.plugin.widgets.main_widget import MainWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer


class SftWidget(MainWidget):
    """The views, wired to a viewer until they or its window are closed."""

    def __init__(self, napari_viewer: Viewer) -> None:
        # Weak, for it must not outlive the window.
        self._window: Callable[[], QWidget | None] = lambda: None
        super().__init__()
        self.coordinator = Coordinator(napari_viewer, self, preferences())
        QApplication.instance().aboutToQuit.connect(self.coordinator.close)

    def showEvent(self, event: QEvent) -> None:
        """Watch the window that the widget has come to lie in.

        A window that is closed tells its docks nothing, and work must end
        before the window is gone.
        """
        window = self.window()
        if window is not self and window is not self._window():
            window.installEventFilter(self)
            self._window = weakref.ref(window)
        super().showEvent(event)

    def event(self, event: QEvent) -> bool:
        """End everything when napari takes the widget out of its dock."""
        docked = self._window() is not None
        taken = event.type() == QEvent.Type.ParentChange
        if taken and docked and self.parent() is None:
            self.coordinator.close()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """End all work when the window closes; it starts again if asked."""
        if event.type() == QEvent.Type.Close and watched is self._window():
            self.coordinator.pause()
        return False
