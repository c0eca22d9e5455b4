"""The quality map's layer and the views that paint it, bound both ways."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from napari_sft.plugin import map_layer
from napari_sft.plugin.image_layer import MOVES, listen, place

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer

    from napari_sft.plugin.widgets.main_widget import MainWidget

# napari's name of each tool that differs from the view's.
_MODES = {'pan': 'pan_zoom'}
_TOOLS = {mode: tool for tool, mode in _MODES.items()}
_CHANGES = ('set_data', 'data')
_BRUSH = ('selected_label', 'brush_size', 'mode')


class MapBinding:
    """Keeps one map layer and its views alike.

    Parameters
    ----------
    viewer : ViewerModel
        Where the map's layer is.
    main : MainWidget
        Its `map` and `brush` are bound.
    base : int
        Quality 0..100 of what is unpainted, of new maps and without a map.
    brush : int
        Quality 0..100 that a new map is painted with.
    on_change : callable
        Called when the map, its base quality or its edges may have changed.
    after_stroke : callable
        Called at the end of a stroke.

    Attributes
    ----------
    layer : Labels or None
        The map; None for one quality everywhere.
    image : Image or None
        What it belongs to.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        main: MainWidget,
        base: int,
        brush: int,
        on_change: Callable[[], None],
        after_stroke: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._map, self._brush = main.map, main.brush
        self._base = float(base)
        self._brush_quality = brush
        self._on_change, self._after_stroke = on_change, after_stroke
        self._wanted = True  # unless the user chose to have no map
        self.layer: Labels | None = None
        self.image: Image | None = None
        self._map.map_chosen.connect(self._choose_by_name)
        self._map.new_map_requested.connect(self.add_new)
        self._map.base_quality_changed.connect(self._set_base)
        self._map.feather_changed.connect(self._set_feather)
        self._brush.quality_changed.connect(self._set_brush_quality)
        self._brush.size_changed.connect(self._set_brush_size)
        self._brush.tool_chosen.connect(self._set_tool)
        self.choose(None)

    @property
    def base(self) -> float:
        """Quality 0..100 where nothing is painted."""
        if self.layer is None:
            return self._base
        return map_layer.base_quality(self.layer)

    @property
    def feather(self) -> float:
        """How far edges are softened, in pixels."""
        return 0 if self.layer is None else map_layer.feather(self.layer)

    @property
    def problem(self) -> str:
        """Why the map can't be used with the image; '' if it can."""
        if self.layer is None or self.image is None:
            return ''
        return map_layer.problem(self.layer, self.image)

    def maps(self) -> list[Labels]:
        """The viewer's map layers."""
        return list(filter(map_layer.is_map, self._viewer.layers))

    def labels(self, index: tuple[int, ...]) -> np.ndarray | None:
        """A copy of the map for the plane at an index."""
        if self.layer is None:
            return None
        return map_layer.of_plane(self.layer, index)

    def set_image(self, image: Image | None) -> None:
        """Choose a map that fits another image, if there is one."""
        if self.image is not None:
            listen(self.image, MOVES, self._align, False)
        self.image = image
        if image is not None:
            listen(image, MOVES, self._align, True)
        self._wanted = True
        self.choose(self._best())

    def refresh(self) -> None:
        """Offer the maps that are in the viewer now; take one if it fits."""
        maps = self.maps()
        for layer in maps:
            map_layer.adopt(layer)
        gone = self.layer is not None and self.layer not in maps
        if gone or (self.layer is None and self._wanted):
            best = self._best()
            if best is not self.layer:
                self.choose(best)
        current = '' if self.layer is None else self.layer.name
        self._map.set_maps([m.name for m in maps], current)

    def _best(self) -> Labels | None:
        """The map that bears the image's name, or another that fits it."""
        image = self.image
        if image is None:
            return None
        fitting = [m for m in self.maps() if not map_layer.problem(m, image)]
        named = [m for m in fitting if m.name.startswith(image.name)]
        if self.layer in fitting and self.layer not in named:
            named.append(self.layer)
        return next(iter([*named, *fitting]), None)

    def prefer(self, layer: Layer | None) -> None:
        """Take a layer that was selected, if it is a map that fits."""
        if layer is None or layer is self.layer or self.image is None:
            return
        if map_layer.is_map(layer) and not map_layer.problem(
            layer, self.image
        ):
            self._wanted = True
            self.choose(layer)
            self.refresh()

    def choose(self, layer: Labels | None) -> None:
        """Paint another map, or none."""
        if layer is not self.layer:
            self._listen(False)
            self.layer = layer
            self._listen(True)
            if layer is not None:
                map_layer.offer_brush(layer, self._brush_quality)
        self._align()
        self._show()
        self._on_change()

    def add_new(self) -> Labels | None:
        """Add an unpainted map for the image and begin to paint it."""
        return None if self.image is None else self.add(None)

    def add(self, labels: np.ndarray | None) -> Labels:
        """Add a map with the given labels, and begin to paint it."""
        assert self.image is not None
        layer = map_layer.make(self.image, labels, self.base)
        layer.selected_label = map_layer.to_label(self._brush_quality)
        self._viewer.add_layer(layer)
        self.choose(layer)
        self.refresh()
        self._set_tool('paint')
        return layer

    def close(self) -> None:
        """Listen to the layer no more."""
        self._listen(False)
        if self.image is not None:
            listen(self.image, MOVES, self._align, False)
        self.layer, self.image = None, None

    def _listen(self, on: bool) -> None:
        if self.layer is not None:
            listen(self.layer, ('paint',), self._on_stroke, on)
            listen(self.layer, _CHANGES, self._on_data, on)
            listen(self.layer, _BRUSH, self._on_brush, on)

    def _align(self, event: object = None) -> None:
        """Keep the map where the image is."""
        if self.layer is None or self.image is None or self.problem:
            return
        if self.layer.ndim == 2:
            place(self.layer, self.image)

    def _show(self) -> None:
        """Let the views say what the layer holds."""
        self._map.set_base_quality(round(self.base))
        self._map.set_feather(round(self.feather))
        missing = self.layer is None
        self._brush.set_unavailable(
            'Make or choose a quality map first' if missing else self.problem
        )
        self._on_brush()
        self.show_painted()

    def show_painted(self) -> None:
        """Tell how much of the map is painted."""
        share = 0.0
        if self.layer is not None:
            share = map_layer.painted_share(np.asarray(self.layer.data))
        self._map.set_painted(share)

    def _on_stroke(self, event: object) -> None:
        self._after_stroke()
        # A call of `layer.paint` tells of it before it changes the data.
        self._on_change()

    def _on_data(self, event: object = None) -> None:
        self._on_change()

    def _on_brush(self, event: object = None) -> None:
        layer = self.layer
        if layer is None:
            self._brush.set_tool('')
            return
        if layer.selected_label != map_layer.UNPAINTED:
            self._brush.set_quality(layer.selected_label - 1)
        self._brush.set_size(round(layer.brush_size))
        mode = str(layer.mode)
        self._brush.set_tool(_TOOLS.get(mode, mode))

    def _choose_by_name(self, name: str) -> None:
        self._wanted = bool(name)
        self.choose(self._viewer.layers[name] if name else None)

    def _set_base(self, quality: int) -> None:
        self._base = float(quality)
        if self.layer is not None:
            map_layer.remember(self.layer, base_quality=float(quality))
        self._on_change()

    def _set_feather(self, pixels: int) -> None:
        if self.layer is not None:
            map_layer.remember(self.layer, feather=pixels)
        self._on_change()

    def _set_brush_quality(self, quality: int) -> None:
        self._brush_quality = quality
        if self.layer is not None:
            self.layer.selected_label = map_layer.to_label(quality)

    def _set_brush_size(self, pixels: int) -> None:
        if self.layer is not None:
            self.layer.brush_size = pixels

    def _set_tool(self, tool: str) -> None:
        if self.layer is None:
            return
        with suppress(ValueError):  # removed meanwhile
            self._viewer.layers.selection.active = self.layer
        self.layer.visible = True
        self.layer.mode = _MODES.get(tool, tool)
