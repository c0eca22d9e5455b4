"""Maps made from other layers, from a pattern or from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sft.plugin import map_layer
from napari_sft.plugin.part import Part

if TYPE_CHECKING:
    from napari_sft.plugin.coordinator import Coordinator


class MapMaking(Part):
    """Offers what maps can be made from, and makes them."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)

    def layers_changed(self) -> None:
        """Offer the layers that a map can be made from."""
        from napari.layers import Labels, Points, Shapes

        layers = self._whole.viewer.layers
        for key, kind in (
            ('shapes', Shapes),
            ('points', Points),
            ('labels', Labels),
        ):
            names = [
                layer.name
                for layer in layers
                if isinstance(layer, kind) and not map_layer.is_map(layer)
            ]
            self._main.sources.set_layers(key, names)
