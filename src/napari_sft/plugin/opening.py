"""Files and samples opened from the empty page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sft.plugin._reader import read
from napari_sft.plugin.part import Part

if TYPE_CHECKING:
    from napari_sft.plugin._reader import LayerData
    from napari_sft.plugin.coordinator import Coordinator


class Opening(Part):
    """Opens in the viewer what the empty page offers.

    Files of ours are decoded off the main thread; other ones are read by
    napari, as it always does.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        empty = self._main.empty
        empty.open_requested.connect(self._open)
        empty.sample_requested.connect(self._open_sample)
        self._decode = self.engine()
        for ended in (
            self._decode.finished,
            self._decode.failed,
            self._decode.cancelled,
        ):
            ended.connect(lambda *_: empty.set_unavailable(''))
        self._decode.finished.connect(self._add)

    def _open(self, path: str) -> None:
        """Open a file by our reader, napari's own, or the one that can."""
        viewer = self._whole.viewer
        self._main.message.clear()
        if Path(path).suffix.lower() == '.sft':
            self._main.empty.set_unavailable(f'Opening {Path(path).name}…')
            self._decode.request(lambda task: (path, read(path)))
            return
        try:
            viewer.open(path, plugin='napari')
        except ValueError:  # none of its formats
            self._try(viewer.open, path, plugin=None)

    def _add(self, opened: tuple[str, list[LayerData]]) -> None:
        """Add the layers of a file, as napari adds what it has read."""
        from napari.layers import Layer
        from napari.layers._source import layer_source

        path, layers = opened
        for data, arguments, kind in layers:
            with layer_source(path=path, reader_plugin='napari-sft'):
                layer = Layer.create(data, arguments, kind)
            self._whole.viewer.add_layer(layer)

    def _open_sample(self, key: str) -> None:
        self._try(self._whole.viewer.open_sample, 'napari-sft', key)

    def _try(self, function: Any, *arguments: Any, **named: Any) -> None:
        try:
            function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - readers raise anything
            self._show_error(error)
