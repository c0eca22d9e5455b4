"""Maps made from other layers, a pattern or a file, or found for a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sft.plugin import map_layer, map_sources
from napari_sft.plugin.part import Part

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image

    from napari_sft.plugin.coordinator import Coordinator
    from napari_sft.plugin.engine import Task


class MapMaking(Part):
    """Offers what maps can be made from, and makes them."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        sources = self._main.sources
        self._make = self.engine()
        self._make.started.connect(lambda: sources.set_making(True))
        self._make.progressed.connect(sources.set_progress)
        for ended in (
            self._make.finished,
            self._make.failed,
            self._make.cancelled,
        ):
            ended.connect(lambda *_: sources.set_making(False))
        self._make.finished.connect(self._on_made)
        sources.map_requested.connect(self._start)
        sources.cancel_requested.connect(self._make.cancel)
        self._values = self.engine()
        self._values.finished.connect(sources.set_label_values)
        sources.labels_layer_chosen.connect(self._look_for_values)

    def leave_image(self) -> None:
        """A map that is being made is of no use any more."""
        self._make.cancel()

    def layers_changed(self) -> None:
        """Offer the layers that a map can be made from."""
        from napari.layers import Labels, Points, Shapes

        kinds = {'shapes': Shapes, 'points': Points, 'labels': Labels}
        for key, kind in kinds.items():
            names = [
                layer.name
                for layer in self._whole.viewer.layers
                if isinstance(layer, kind) and not map_layer.is_map(layer)
            ]
            self._main.sources.set_layers(key, names)

    def _start(self, kind: str, settings: dict[str, Any]) -> None:
        image, viewer = self._whole.image, self._whole.viewer
        if image is None:
            return
        layers = {layer.name: layer for layer in viewer.layers}
        point = tuple(viewer.dims.point)
        settings = {**settings, 'codec': self._whole.picture.codec()}

        def job(task: Task) -> tuple[Image, np.ndarray]:
            return image, map_sources.make_map(
                kind, settings, image, layers, point, task.progress
            )

        self._main.message.clear()
        self._make.request(job)

    def _on_made(self, made: tuple[Image, np.ndarray]) -> None:
        image, labels = made
        if image is self._whole.image:
            self._whole.map.add(labels)

    def _look_for_values(self, name: str) -> None:
        viewer = self._whole.viewer
        if name not in viewer.layers:
            return
        layer, point = viewer.layers[name], tuple(viewer.dims.point)
        self._values.request(
            lambda task: map_sources.label_values(layer, point)
        )
