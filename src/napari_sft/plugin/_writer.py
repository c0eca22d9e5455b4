"""napari's writer of .sft files: an image and, if given, its quality map."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import napari_sft
from napari_sft.codec.errors import MapError

LayerData = tuple[Any, dict[str, Any], str]

BASE_QUALITY = 75.0
TOP_LABEL = 101


def write(path: str, layers: list[LayerData]) -> list[str]:
    """Encode an image layer, with a labels layer as its map, into a file.

    Parameters
    ----------
    path : str
        The file to write; it appears whole or not at all.
    layers : list of (data, meta, type)
        One image and, optionally, one labels layer of the image's height and
        width: 0 is the base quality of 75, 1 to 101 are qualities of 0 to 100.

    Returns
    -------
    list of str
        The path, as napari asks for.

    Raises
    ------
    ImageError
        The image can't be encoded.
    MapError
        The labels don't fit the image or are no qualities.
    """
    quality_map = None
    (image, meta), *_ = [layer[:2] for layer in layers if layer[2] == 'image']
    image = _finest(image, meta)
    rgb = bool(meta.get('rgb', False))
    size = image.shape[:-1] if rgb else image.shape
    for labels, about, kind in layers:
        if kind == 'labels':
            name = about.get('name', 'labels')
            quality_map = to_quality(_finest(labels, about), size[-2:], name)
    _warn_of_lost_transforms(meta)
    napari_sft.imwrite(
        path,
        image,
        quality=BASE_QUALITY,
        quality_map=quality_map,
        rgb=rgb,
        name=meta.get('name'),
        **_world(meta),
    )
    return [path]


def to_quality(
    labels: Any, size: tuple[int, ...], name: str = 'labels'
) -> np.ndarray | None:
    """Turn painted labels into a quality map.

    Parameters
    ----------
    labels : array of int
        (Y, X), leading axes of size 1 allowed: quality + 1, or 0 for the base
        quality.
    size : (int, int)
        The image's height and width.
    name : str
        The layer's name, for messages.

    Returns
    -------
    ndarray or None
        float32 (Y, X) in 0 to 100; None where nothing is painted.

    Raises
    ------
    MapError
        The size differs from the image's, or a label is no quality.
    """
    if labels.shape[-2:] != size or labels.size != np.prod(size):
        raise MapError(
            f'labels layer {name!r} has the shape {tuple(labels.shape)}, the '
            f'image needs one map of {tuple(size)} for all its planes; paint '
            'it on a new labels layer of that shape'
        )
    labels = np.asarray(labels).reshape(size)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > TOP_LABEL:
        raise MapError(
            f'labels layer {name!r} goes from {low} to {high}, but a quality '
            f'map holds quality + 1, at most {TOP_LABEL}, and 0 for the base '
            'quality; leave out layers that are no quality map'
        )
    if high == 0:
        return None
    quality = labels.astype(np.float32) - 1
    quality[labels == 0] = BASE_QUALITY
    return quality


def _finest(data: Any, meta: dict[str, Any]) -> Any:
    return data[0] if meta.get('multiscale') else data


def _world(meta: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Where a layer lies in the world, what is napari's default left out."""
    world = {
        'scale': (tuple(map(float, meta.get('scale', ()))), 1.0),
        'translate': (tuple(map(float, meta.get('translate', ()))), 0.0),
        'units': (tuple(map(str, meta.get('units') or ())), 'pixel'),
    }
    return {
        key: values
        for key, (values, default) in world.items()
        if any(value != default for value in values)
    }


def _warn_of_lost_transforms(meta: dict[str, Any]) -> None:
    lost = [key for key in ('rotate', 'shear', 'affine') if _turns(meta, key)]
    if lost:
        warnings.warn(
            f'.sft files hold scale and translate; {", ".join(lost)} of the '
            f'layer {meta.get("name")!r} is not saved',
            stacklevel=3,
        )


def _turns(meta: dict[str, Any], key: str) -> bool:
    """Whether a part of a layer's transform does something."""
    if meta.get(key) is None:
        return False
    value = np.asarray(meta[key], dtype=float)
    still = np.zeros_like(value) if value.ndim < 2 else np.eye(len(value))
    return not np.allclose(value, still)
