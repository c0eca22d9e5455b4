"""The layers that show a preview: the only code that adds or changes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.plugin.image_layer import (
    KEY,
    MOVES,
    is_rgb,
    listen,
    placement,
)
from napari_sft.plugin.side_by_side import SideBySide

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer
    from napari.utils.events import Event

RECONSTRUCTION = 'reconstruction'
CELL = 16  # pixels a side that a value of the rate map stands for

# What a layer's name adds to the image's, and how it is drawn.
_NAMES = {
    RECONSTRUCTION: 'compressed',
    'error': 'error',
    'rate': 'bits',
    'quality': 'coded quality',
}
_COLOURS = {'error': 'inferno', 'rate': 'magma', 'quality': 'viridis'}
EXTRAS = tuple(_COLOURS)
_LINKED = ('contrast_limits', 'gamma', 'colormap', 'interpolation2d')


class ResultLayers:
    """Shows the pictures of one image's preview beside or above it.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers go.
    on_change : callable
        Called when what is shown changes, also by the user in napari.

    Attributes
    ----------
    image : Image or None
        The original that the results belong to.
    """

    def __init__(
        self, viewer: ViewerModel, on_change: Callable[[], None]
    ) -> None:
        self._viewer = viewer
        self._on_change = on_change
        self._layers: dict[str, Image] = {}
        self._pictures: dict[str, np.ndarray] = {}
        self._limits: dict[str, tuple[float, float]] = {}
        self._beside = SideBySide(viewer, on_change)
        self.image: Image | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def reconstruction(self) -> Image | None:
        """The layer of the reconstruction, if there is one."""
        return self._layers.get(RECONSTRUCTION)

    def show(self, image: Image, pictures: Mapping[str, np.ndarray]) -> None:
        """Show new pictures of an image, in the layers that are there.

        Parameters
        ----------
        image : Image
            The original; results of another one are removed.
        pictures : mapping of str to array
            'reconstruction' (Y, X) or (Y, X, 3); 'error' and 'quality' (Y, X);
            'rate', one value for each cell of 16 x 16 pixels.
        """
        if image is not self.image:
            self.clear()
            self._remove_orphans()
            self.image = image
            self._follow(True)
        self._pictures = dict(pictures)
        for kind in (RECONSTRUCTION, *filter(self.shown, EXTRAS)):
            self._put(kind)  # the others when they are shown
        self._on_change()

    def renew(self, reconstruction: np.ndarray) -> None:
        """Show the next reconstruction; what belongs to it comes later."""
        if self.reconstruction is not None:
            self._pictures[RECONSTRUCTION] = reconstruction
            self._put(RECONSTRUCTION)

    def clear(self) -> None:
        """Remove the results and forget their image."""
        self.set_side_by_side(False)
        self._unlink()
        layers, self._layers = self._layers, {}
        for layer in layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        if self.image is not None:
            self._follow(False)
        self.image = None
        self._pictures = {}
        self._limits = {}
        self._on_change()

    def release(self) -> None:
        """Leave the layers to the user, and listen no more."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._beside.release()
        for layer in self._layers.values():
            layer.events.visible.disconnect(self._on_visible)
        self._unlink()
        if self.image is not None:
            self._follow(False)
        self._layers, self.image = {}, None

    def set_shown(self, kind: str, on: bool) -> None:
        """Show one of 'error', 'rate' and 'quality', or hide it."""
        if on:
            self._hide_extras()
        if on and kind in self._pictures and kind not in self._layers:
            self._put(kind)
        if kind in self._layers:
            self._layers[kind].visible = on

    def shown(self, kind: str) -> bool:
        """Whether a kind of result is there and visible."""
        return kind in self._layers and self._layers[kind].visible

    @property
    def original_in_front(self) -> bool:
        """Whether the original can be seen, the reconstruction hidden."""
        return bool(self._layers) and not self.shown(RECONSTRUCTION)

    def set_original_in_front(self, on: bool) -> None:
        """Show the original or the reconstruction in the same place."""
        if self.image is None or self.reconstruction is None:
            return
        if on:
            self.image.visible = True
            self._hide_extras()
        self.reconstruction.visible = not on

    @property
    def side_by_side(self) -> bool:
        """Whether original and reconstruction lie side by side."""
        return self._beside.on

    def set_side_by_side(self, on: bool, over: Labels | None = None) -> None:
        """Put original and reconstruction side by side, or on one another.

        Parameters
        ----------
        on : bool
            Side by side.
        over : Labels, optional
            The map that is to stay over the original.
        """
        if not on:
            self._beside.stop()
        elif self.image is not None and not self.side_by_side:
            self.set_original_in_front(False)
            self.image.visible = True
            left: list[Layer] = [self.image]
            if over is not None and over in self._viewer.layers:
                left.append(over)
            self._beside.start(left, list(self._layers.values()))

    def _hide_extras(self) -> None:
        """They lie over one another and over the pictures."""
        for kind in set(EXTRAS) & set(self._layers):
            self._layers[kind].visible = False

    def _remove_orphans(self) -> None:
        """Remove what a widget that was closed has left."""
        for layer in list(self._viewer.layers):
            if 'result' in layer.metadata.get(KEY, {}):
                self._viewer.layers.remove(layer)

    def _put(self, kind: str) -> None:
        """Make a layer for a picture, or give it to the one that is there."""
        picture = self._pictures[kind]
        layer = self._layers.get(kind)
        if layer is not None and layer.data is picture:
            return  # as it was renewed
        if layer is not None and is_rgb(layer) == (picture.ndim == 3):
            layer.data = picture
        else:
            self._add(kind, picture)
        if kind in _COLOURS:
            self._stretch(kind, picture)

    def _add(self, kind: str, picture: np.ndarray) -> None:
        from napari.layers import Image

        assert self.image is not None
        viewer, image = self._viewer, self.image
        arguments: dict[str, Any] = {
            'name': f'{image.name} {_NAMES[kind]}',
            'rgb': picture.ndim == 3,
            'metadata': {KEY: {'result': kind}},
            **self._placement(kind),
        }
        if kind in _COLOURS:
            arguments['colormap'] = _COLOURS[kind]
            arguments['contrast_limits'] = (0, 1)
        elif not arguments['rgb']:
            arguments['contrast_limits'] = image.contrast_limits
            arguments['gamma'] = image.gamma
            arguments['colormap'] = image.colormap
            arguments['interpolation2d'] = image.interpolation2d
        layer = Image(picture, **arguments)
        chosen = set(viewer.layers.selection)
        active = viewer.layers.selection.active
        viewer.layers.insert(self._place_for(kind), layer)
        viewer.layers.selection = chosen
        viewer.layers.selection.active = active
        self._layers[kind] = layer
        self._layers = {
            k: self._layers[k] for k in _NAMES if k in self._layers
        }
        layer.events.visible.connect(self._on_visible)
        if kind == RECONSTRUCTION and not layer.rgb:
            viewer.layers.link_layers([image, layer], _LINKED)

    def _place_for(self, kind: str) -> int:
        """Where in the layer list: above the image, in the order of kinds."""
        layers = self._viewer.layers
        before = list(_NAMES)[: list(_NAMES).index(kind)]
        below = [self._layers[k] for k in before if k in self._layers]
        return max(layers.index(x) for x in [self.image, *below]) + 1

    def _placement(self, kind: str) -> dict[str, Any]:
        """Arguments that lay a result over the image's plane."""
        where = placement(self.image)
        if kind != 'rate':
            return where
        from napari.utils.transforms import Affine

        names = ('scale', 'translate', 'rotate', 'shear')
        pixels = Affine(**{name: where[name] for name in names}, ndim=2)
        middle = (CELL - 1) / 2  # of a cell, in pixels
        return where | {
            'scale': tuple(CELL * n for n in where['scale']),
            'translate': tuple(pixels((middle, middle))),
        }

    def _stretch(self, kind: str, picture: np.ndarray) -> None:
        """Fit the colours to new values, unless the user chose others."""
        layer = self._layers[kind]
        top = 100.0 if kind == 'quality' else float(picture.max(initial=0))
        last = self._limits.get(kind)
        if last is None or tuple(layer.contrast_limits) == last:
            limits = (0.0, top if top > 0 else 1.0)
            layer.contrast_limits_range = limits
            layer.contrast_limits = limits
            self._limits[kind] = limits

    def _follow(self, on: bool) -> None:
        """Keep the results where the image is when that is moved."""
        listen(self.image, MOVES, self._on_moved, on)

    def _on_moved(self, event: Event) -> None:
        for kind, layer in self._layers.items():
            for name, value in self._placement(kind).items():
                setattr(layer, name, value)

    def _unlink(self) -> None:
        """Let original and reconstruction be displayed differently."""
        if self.image is not None and self.reconstruction is not None:
            pair = [self.image, self.reconstruction]
            self._viewer.layers.unlink_layers(pair, _LINKED)

    def _on_visible(self, event: Event) -> None:
        for kind in filter(self.shown, self._layers):
            if self._layers[kind].data is not self._pictures.get(kind):
                self._put(kind)
        self._on_change()

    def _on_removed(self, event: Event) -> None:
        layer: Layer = event.value
        for kind in [k for k, own in self._layers.items() if own is layer]:
            if kind == RECONSTRUCTION:
                self.set_side_by_side(False)
                self._unlink()
            del self._layers[kind]
            self._limits.pop(kind, None)
            self._on_change()
        if layer is self.image:
            self.clear()
