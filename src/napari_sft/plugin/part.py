"""What the coordinator's parts have in common: when they are told of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_sft.plugin.engine import Engine
from napari_sft.plugin.failure import tell

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sft.plugin.coordinator import Coordinator
    from napari_sft.plugin.previewing import Outcome


class Part(QObject):
    """Some views and the work behind them, which gives way to previews.

    Parameters
    ----------
    coordinator : Coordinator
        Knows the viewer, the views, the image and its last preview.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        self._whole = coordinator
        self._main = coordinator.main
        self._engines: list[Engine] = []

    def engine(self) -> Engine:
        """A new engine for one kind of work, whose errors are shown."""
        engine = Engine(self, gives_way_to=self._whole.live.engine)
        engine.failed.connect(self._show_error)
        self._engines.append(engine)
        return engine

    def enter_image(self, image: Image) -> None:
        """Another image is to be compressed."""

    def leave_image(self) -> None:
        """The image is to be compressed no more."""

    def layers_changed(self) -> None:
        """Layers came, went or were renamed."""

    def preview_made(self, outcome: Outcome) -> None:
        """There is a new preview."""

    def preview_missed(self) -> None:
        """A preview failed or was cancelled."""

    def stop(self) -> None:
        """End all work and its threads."""
        for engine in self._engines:
            engine.stop()

    def _show_error(self, error: Exception) -> None:
        tell(self._main.message, error)
