"""File > Open Sample: pictures of scikit-image with a painted map each."""

from __future__ import annotations

from typing import Any

import numpy as np

import napari_sft
from napari_sft.codec.quality import feather
from napari_sft.demo import BACKGROUND, ELLIPSES, FEATHER
from napari_sft.plugin._reader import LayerData, layers_of
from napari_sft.plugin.image_layer import KEY
from napari_sft.plugin.map_layer import arguments, to_label, to_quality

# Of a stained tissue section: (centre y, centre x, radius y, radius x) of the
# gland that is cut across, and its quality.
GLAND = (((405, 316, 102, 68), 85),)


def photograph() -> list[LayerData]:
    """An astronaut, her face and badges painted."""
    return _painted(_astronaut(), 'astronaut', ELLIPSES)


def microscopy() -> list[LayerData]:
    """A section of stained tissue, one gland painted."""
    import skimage.data

    return _painted(skimage.data.immunohistochemistry(), 'tissue', GLAND)


def compressed() -> list[LayerData]:
    """The photograph as an `.sft` file gives it back."""
    picture = _astronaut()
    labels = _labels(picture.shape[:2], ELLIPSES)
    data = napari_sft.encode(
        picture,
        quality_map=feather(to_quality(labels, BACKGROUND), FEATHER),
        name='astronaut.sft',
        source='skimage.data.astronaut',
    )
    return layers_of(data, 'astronaut.sft')


def _astronaut() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()


def _painted(picture: np.ndarray, name: str, ellipses: Any) -> list[LayerData]:
    about = arguments(name, BACKGROUND)
    about['metadata'][KEY]['feather'] = FEATHER
    labels = _labels(picture.shape[:2], ellipses)
    return [
        (picture, {'name': name, 'rgb': True}, 'image'),
        (labels, about, 'labels'),
    ]


def _labels(shape: tuple[int, ...], ellipses: Any) -> np.ndarray:
    """Ellipses on an unpainted map, earlier ones on top."""
    from skimage.draw import ellipse

    labels = np.zeros(shape, np.uint8)
    for place, quality in reversed(ellipses):
        labels[ellipse(*place, shape=shape)] = to_label(quality)
    return labels
