"""Quality maps made from layers, a ramp or a file, or found for a task.

Each map is an array of label values, uint8 (Y, X): quality + 1, or 0 where
the base quality holds. Layers are brought onto the image through the world,
so that they may differ from it in scale, place, rotation and size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.codec.errors import MapError
from napari_sft.codec.quality import centre_focus, gradient
from napari_sft.image_files import read_map
from napari_sft.plugin.image_layer import (
    current_plane,
    finest,
    size,
    stack_shape,
)
from napari_sft.plugin.map_layer import to_label, to_labels
from napari_sft.plugin.shape_outlines import outlines
from napari_sft.tasks.registry import find_task

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer, Points, Shapes

    from napari_sft.tasks.registry import Progress

FEATURE = 'quality'  # the column that sets each shape's or point's
_ANGLES = {'right': 0, 'down': 90}


def make_map(
    kind: str,
    settings: Mapping[str, Any],
    image: Image,
    layers: Mapping[str, Layer],
    point: Sequence[float] = (),
    progress: Progress | None = None,
) -> np.ndarray:
    """Make a map as the view `MapSourcesView` asks for it.

    Parameters
    ----------
    kind : str
        'shapes', 'points', 'labels', 'gradient', 'centre', 'file' or 'task'.
    settings : mapping
        As the pages of the view tell them; for tasks 'codec' too, the
        'model' and 'device' that the map is to be for.
    image : Image
        The layer that the map is for.
    layers : mapping of name to layer
        Where the layers that are named in the settings are found.
    point : sequence of float
        Where the viewer is in the world: which plane of stacks to take.
    progress : callable, optional
        Called with (done, total) steps of a task; may raise to cancel.

    Returns
    -------
    ndarray of uint8 (Y, X)

    Raises
    ------
    MapError
        There is nothing to make a map from, or a quality leaves 0..100.
    SftError
        A task has no map for the image, or misses a package.
    """
    if kind == 'shapes':
        shapes = layers[settings['layer']]
        return from_shapes(image, shapes, settings['quality'])
    if kind == 'points':
        points = layers[settings['layer']]
        return from_points(
            image, points, settings['quality'], settings['radius']
        )
    if kind == 'labels':
        return from_labels(
            image,
            layers[settings['layer']],
            foreground=settings['foreground'],
            background=settings['background'],
            qualities=settings['qualities'],
            point=point,
        )
    shape = size(image)
    if kind == 'gradient':
        angle = _ANGLES[settings['direction']]
        ramp = gradient(shape, settings['start'], settings['end'], angle)
        return to_labels(ramp)
    if kind == 'centre':
        radius = settings['radius'] / 100 * min(shape) / 2
        return to_labels(
            centre_focus(shape, settings['inner'], settings['outer'], radius)
        )
    if kind == 'file':
        return to_labels(read_map(Path(settings['path']), shape, stretch=True))
    if kind == 'task':
        pixels = current_plane(image, point).read()
        task = find_task(settings['task'])
        options = dict(settings.get('options', {}))
        if task.takes_codec:
            options |= settings.get('codec', {})
        return to_labels(task.find(pixels, progress, **options))
    raise MapError(f'no way to make a map from {kind!r}')


def from_shapes(image: Image, shapes: Shapes, quality: float) -> np.ndarray:
    """A map that is painted inside of shapes, upper ones over lower ones.

    Lines and paths paint as wide as they are drawn.

    Parameters
    ----------
    image : Image
        The layer that the map is for.
    shapes : Shapes
        With a feature `quality` where shapes differ.
    quality : float
        0..100, of shapes without that feature.

    Returns
    -------
    ndarray of uint8 (Y, X)
    """
    from skimage.draw import polygon

    result = np.zeros(size(image), np.uint8)
    values = _qualities(shapes, quality)
    for number in np.argsort(shapes.z_index, kind='stable'):
        parts = outlines(
            shapes.shape_type[number],
            shapes.data[number],
            shapes.edge_width[number],
        )
        for part in parts:
            corners = _in_image(image, shapes, part)
            inside = polygon(corners[:, 0], corners[:, 1], result.shape)
            result[inside] = to_label(values[number])
    return _painted(result, shapes)


def from_points(
    image: Image, points: Points, quality: float, radius: float
) -> np.ndarray:
    """A map that is painted in discs around points.

    Parameters
    ----------
    image, points, quality
        As in `from_shapes`.
    radius : float
        Of the discs, in pixels of the image.

    Returns
    -------
    ndarray of uint8 (Y, X)
    """
    from skimage.draw import disk

    result = np.zeros(size(image), np.uint8)
    centres = _in_image(image, points, points.data)
    values = _qualities(points, quality)
    for centre, value in zip(centres, values, strict=True):
        inside = disk(centre, radius + 0.5, shape=result.shape)
        result[inside] = to_label(value)
    return _painted(result, points)


def from_labels(
    image: Image,
    labels: Labels,
    *,
    foreground: float,
    background: float,
    qualities: Mapping[int, float] | None = None,
    point: Sequence[float] = (),
) -> np.ndarray:
    """A map from a segmentation.

    Parameters
    ----------
    image : Image
        The layer that the map is for.
    labels : Labels
        The segmentation.
    foreground, background : float
        Quality 0..100 of labels, and of label 0 and what lies outside.
    qualities : mapping of label to quality, optional
        Of labels that differ from `foreground`.
    point : sequence of float
        Where the viewer is in the world: which plane of a stack to take.

    Returns
    -------
    ndarray of uint8 (Y, X)
    """
    from scipy.ndimage import affine_transform

    present, inverse = np.unique(_plane(labels, point), return_inverse=True)
    chosen = {0: background, **(qualities or {})}
    values = [_checked(chosen.get(int(n), foreground)) for n in present]
    height, width = size(labels)
    painted = to_labels(np.array(values))[inverse].reshape(height, width)
    matrix, offset = _to_layer(image, labels)
    if painted.shape == size(image) and np.allclose(
        np.column_stack([matrix, offset]), np.eye(2, 3)
    ):
        return painted
    return affine_transform(
        painted,
        matrix,
        offset,
        output_shape=size(image),
        order=0,
        cval=to_label(_checked(background)),
    )


def label_values(labels: Labels, point: Sequence[float] = ()) -> list[int]:
    """Labels that occur in the plane at a point of the world, without 0."""
    return [int(n) for n in np.unique(_plane(labels, point)) if n]


def _plane(labels: Labels, point: Sequence[float]) -> np.ndarray:
    stack = stack_shape(labels)
    at = np.zeros(labels.ndim)
    if len(point):
        at = np.asarray(labels.world_to_data(point))
    nearest = np.clip(np.rint(at[: len(stack)]), 0, np.subtract(stack, 1))
    return np.asarray(finest(labels)[tuple(nearest.astype(int))])


def _qualities(layer: Shapes | Points, default: float) -> list[float]:
    features = layer.features
    if FEATURE not in features:
        return [_checked(default)] * len(layer.data)
    try:
        values = features[FEATURE].astype(float)
    except (TypeError, ValueError):
        raise MapError(
            f'the feature {FEATURE!r} of the layer {layer.name!r} holds '
            'other things than numbers; give qualities 0 to 100'
        ) from None
    return [_checked(value) for value in values.fillna(default)]


def _checked(quality: float) -> float:
    if not 0 <= quality <= 100:
        raise MapError(f'a quality of {quality:g}; give one from 0 to 100')
    return float(quality)


def _painted(result: np.ndarray, layer: Layer) -> np.ndarray:
    if not result.any():
        raise MapError(
            f'nothing of the layer {layer.name!r} lies over the image; draw '
            'something on it first'
        )
    return result


def _in_image(image: Image, layer: Layer, positions: np.ndarray) -> np.ndarray:
    """Rows and columns (N, 2) in an image of positions in a layer."""
    found = [
        image.world_to_data(layer.data_to_world(position))[-2:]
        for position in positions
    ]
    return np.asarray(found, float).reshape(-1, 2)


def _to_layer(image: Image, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (2, 2) and offset (2,) from an image's pixels to a layer's."""

    def at(row: float, column: float) -> np.ndarray:
        position = np.zeros(image.ndim)
        position[-2:] = row, column
        return np.asarray(layer.world_to_data(image.data_to_world(position)))[
            -2:
        ]

    offset = at(0, 0)
    return np.column_stack([at(1, 0) - offset, at(0, 1) - offset]), offset
