"""The quality map as a napari labels layer that its own tools paint.

Labels hold quality + 1, so 1 to 101; 0 is unpainted, which stands for the
base quality, so that the eraser means 'back to base'. A map is known by an
entry in the layer's metadata, which also keeps its base quality and feather.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.codec.errors import MapError
from napari_sft.plugin.image_layer import (
    KEY,
    finest,
    placement,
    size,
    stack_shape,
    usable,
)

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer
    from napari.utils.colormaps import DirectLabelColormap
    from napari.utils.events import Event
    from napari.viewer import Viewer

UNPAINTED = 0
TOP_LABEL = 101
BASE_QUALITY = 75.0  # where nothing says otherwise, as for `encode`
BRUSH_QUALITY = 90
RAMP = 'viridis'
_FIRST_LABEL = 1  # that napari's labels layers paint


def to_label(quality: float) -> int:
    """The label, 1 to 101, that paints a quality, 0 to 100."""
    return int(np.clip(round(quality), 0, 100)) + 1


def to_labels(quality: np.ndarray) -> np.ndarray:
    """Turn qualities, 0 to 100, into labels, uint8 in 1 to 101."""
    return (np.clip(np.rint(quality), 0, 100) + 1).astype(np.uint8)


def to_quality(labels: np.ndarray, base: float = BASE_QUALITY) -> np.ndarray:
    """Turn labels into qualities.

    Parameters
    ----------
    labels : array of int
        0 to 101.
    base : float
        Quality 0..100 of what is unpainted.

    Returns
    -------
    ndarray of float32, of the same shape
        0..100.

    Raises
    ------
    MapError
        A label is no quality.
    """
    labels = np.asarray(labels)
    low, high = (
        int(f(labels)) if labels.size else 0 for f in (np.min, np.max)
    )
    if low < 0 or high > TOP_LABEL:
        raise MapError(
            f'labels go from {low} to {high}, but a quality map holds '
            f'quality + 1, at most {TOP_LABEL}, and 0 for the base quality; '
            'make a map from these labels first'
        )
    ramp = np.arange(-1, TOP_LABEL, dtype=np.float32)
    ramp[UNPAINTED] = base
    return ramp[labels]


def ramp_colours() -> np.ndarray:
    """Colour, RGBA in 0..1, of each quality from 0 to 100: (101, 4)."""
    from napari.utils.colormaps import ensure_colormap

    return np.asarray(ensure_colormap(RAMP).map(np.linspace(0, 1, TOP_LABEL)))


def colormap() -> DirectLabelColormap:
    """A new colormap of labels: the ramp, and nothing where unpainted."""
    from napari.utils.colormaps import DirectLabelColormap

    nothing = np.zeros(4)
    colours: dict[int | None, np.ndarray] = {None: nothing, 0: nothing}
    colours.update(enumerate(ramp_colours(), start=1))
    return DirectLabelColormap(color_dict=colours)


def arguments(name: str, base: float = BASE_QUALITY) -> dict[str, Any]:
    """Arguments of the labels layer that shows an image's quality map.

    Parameters
    ----------
    name : str
        Of the image.
    base : float
        Quality 0..100 of what is unpainted.
    """
    return {
        'name': f'{name} quality',
        'opacity': 0.5,
        'colormap': colormap(),
        'metadata': {KEY: {'base_quality': float(base), 'feather': 0}},
    }


def make(
    image: Image, labels: np.ndarray | None = None, base: float = BASE_QUALITY
) -> Labels:
    """A map layer for an image, unpainted or with the given labels."""
    from napari.layers import Labels

    if labels is None:
        labels = np.zeros(size(image), np.uint8)
    layer = Labels(labels, **arguments(image.name, base), **placement(image))
    adopt(layer)
    offer_brush(layer)
    return layer


def is_map(layer: Layer) -> bool:
    """Whether a layer is a quality map."""
    from napari.layers import Labels

    return isinstance(layer, Labels) and (
        'base_quality' in layer.metadata.get(KEY, {})
    )


def adopt(layer: Labels) -> None:
    """Keep a map's colours and brush within the ramp; twice does no harm."""
    layer.events.colormap.connect(_keep_colours)
    layer.events.selected_label.connect(_keep_in_range)
    _keep(layer)


def offer_brush(layer: Labels, quality: float = BRUSH_QUALITY) -> None:
    """Give a layer that has napari's first brush one that suits a map."""
    if layer.selected_label == _FIRST_LABEL:
        layer.selected_label = to_label(quality)
        layer.brush_size = max(4, round(min(size(layer)) / 12))


def base_quality(layer: Labels) -> float:
    """Quality of what is unpainted, which travels with the layer."""
    return float(layer.metadata[KEY]['base_quality'])


def feather(layer: Labels) -> float:
    """How far edges are softened, in pixels to either side."""
    return float(layer.metadata[KEY].get('feather', 0))


def remember(layer: Labels, **settings: float) -> None:
    """Store `base_quality` or `feather` in a map's metadata."""
    layer.metadata[KEY] = {**layer.metadata[KEY], **settings}


def problem(layer: Labels, image: Image) -> str:
    """Why a map can't be used with an image; '' if it can."""
    shape = tuple(finest(layer).shape)
    stack, plane = stack_shape(image), size(image)
    if shape in (plane, (*stack, *plane)):
        return ''
    found, needed = (' × '.join(map(str, n[::-1])) for n in (shape, plane))
    return (
        f'The map {layer.name!r} has {found} pixels, the image {needed}: '
        'choose another map or make a new one'
    )


def of_plane(layer: Labels, index: tuple[int, ...]) -> np.ndarray:
    """A copy of a map's labels for the plane at an index: (Y, X)."""
    data = finest(layer)
    return np.array(data if data.ndim == 2 else data[index])


def painted_share(labels: np.ndarray) -> float:
    """Share, 0..1, of pixels that are painted."""
    return np.count_nonzero(labels) / max(1, labels.size)


def new_quality_map(viewer: Viewer) -> None:
    """Add an unpainted map, ready to paint, for the selected image."""
    from napari_sft.plugin.preferences import preferences

    image = _image_for_map(viewer)
    if image is None:
        from napari.utils.notifications import show_warning

        show_warning('Open an image first: a quality map belongs to one.')
        return
    chosen = preferences()
    layer = make(image, base=chosen.base_quality)
    layer.selected_label = to_label(chosen.brush_quality)
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.mode = 'paint'


def _image_for_map(viewer: Viewer) -> Image | None:
    active = viewer.layers.selection.active
    if active is not None and usable(active):
        return active
    return next(filter(usable, reversed(viewer.layers)), None)


def _keep_colours(event: Event) -> None:
    _keep(event.source)


def _keep(layer: Labels) -> None:
    """Undo what the shuffle button and the colour mode do to the ramp."""
    if TOP_LABEL not in getattr(layer.colormap, 'color_dict', {}):
        layer.colormap = colormap()


def _keep_in_range(event: Event) -> None:
    if event.source.selected_label > TOP_LABEL:
        event.source.selected_label = TOP_LABEL
