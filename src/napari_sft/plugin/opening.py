"""Files and samples opened from the empty page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sft.plugin.part import Part

if TYPE_CHECKING:
    from napari_sft.plugin.coordinator import Coordinator


class Opening(Part):
    """Opens in the viewer what the empty page offers."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        self._main.empty.open_requested.connect(self._open)
        self._main.empty.sample_requested.connect(self._open_sample)

    def _open(self, path: str) -> None:
        """Open a file by our reader, napari's own, or the one that can."""
        viewer = self._whole.viewer
        if Path(path).suffix.lower() == '.sft':
            self._try(viewer.open, path, plugin='napari-sft')
            return
        try:
            viewer.open(path, plugin='napari')
        except ValueError:  # none of its formats
            self._try(viewer.open, path, plugin=None)

    def _open_sample(self, key: str) -> None:
        self._try(self._whole.viewer.open_sample, 'napari-sft', key)

    def _try(self, function: Any, *arguments: Any, **named: Any) -> None:
        try:
            function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - readers raise anything
            self._show_error(error)
