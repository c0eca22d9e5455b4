"""napari's writer of .sft files: an image and, if given, its quality map."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import napari_sft
from napari_sft.codec.errors import ImageError, MapError
from napari_sft.codec.quality import feather
from napari_sft.plugin.image_layer import KEY
from napari_sft.plugin.map_layer import BASE_QUALITY, UNPAINTED, to_quality

LayerData = tuple[Any, dict[str, Any], str]


def write(path: str, layers: list[LayerData]) -> list[str]:
    """Encode an image layer, with a labels layer as its map, into a file.

    Parameters
    ----------
    path : str
        The file to write; it appears whole or not at all.
    layers : list of (data, meta, type)
        One image and, optionally, one labels layer: a quality map as the
        widget makes it, (Y, X) or for each plane of a stack. Its base quality
        and soft edges come from its metadata.

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
    (image, meta), *_ = [layer[:2] for layer in layers if layer[2] == 'image']
    image = _finest(image, meta)
    rgb = bool(meta.get('rgb', False))
    size = tuple(image.shape[:-1] if rgb else image.shape)
    quality: float | np.ndarray = BASE_QUALITY
    for labels, about, kind in layers:
        if kind == 'labels':
            quality = _quality(_finest(labels, about), about, size)
    _warn_of_losses(image, meta, rgb)
    try:
        napari_sft.imwrite(
            path,
            image,
            quality_map=quality if np.ndim(quality) else None,
            quality=quality if np.ndim(quality) == 0 else BASE_QUALITY,
            rgb=rgb,
            alpha='drop',
            name=meta.get('name') or '',
            **_world(meta),
        )
    except ValueError as error:
        # napari takes it for 'no plugin can write this', and says so.
        raise ImageError(
            f"can't write {path}: {error}; report it at napari-sft"
        ) from error
    return [path]


def _quality(
    labels: Any, about: dict[str, Any], size: tuple[int, ...]
) -> float | np.ndarray:
    """The quality map of a labels layer; a number if nothing is painted."""
    name = about.get('name', 'labels')
    stack = labels.ndim > 2 and labels.shape[:-2] == size[:-2]
    flat = labels.shape[-2:] == size[-2:] and labels.size == np.prod(size[-2:])
    if not (flat or (stack and labels.shape == size)):
        raise MapError(
            f'labels layer {name!r} has the shape {tuple(labels.shape)}, the '
            f'image needs a map of {size[-2:]} for all its planes; make a new '
            'quality map for it'
        )
    settings = (about.get('metadata') or {}).get(KEY, {})
    base = float(settings.get('base_quality', BASE_QUALITY))
    values = np.asarray(labels).reshape(size[-2:] if flat else size)
    if (values == UNPAINTED).all():
        return base
    try:
        quality = to_quality(values, base)
    except MapError as error:
        raise MapError(f'layer {name!r}: {error}') from None
    soft = float(settings.get('feather', 0))
    if soft:
        planes = quality.reshape(-1, *size[-2:])
        quality = np.stack([feather(plane, soft) for plane in planes])
    return quality.reshape(values.shape)


def _finest(data: Any, meta: dict[str, Any]) -> Any:
    return data[0] if meta.get('multiscale') else data


def _world(meta: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Where a layer lies in the world, what is napari's default left out."""
    world = {
        'scale': (tuple(map(float, meta.get('scale', ()))), 1.0),
        'translate': (tuple(map(float, meta.get('translate', ()))), 0.0),
        'units': (tuple(map(str, meta.get('units') or ())), 'pixel'),
    }
    result: dict[str, tuple[Any, ...]] = {
        key: values
        for key, (values, default) in world.items()
        if any(value != default for value in values)
    }
    labels = tuple(map(str, meta.get('axis_labels') or ()))
    # napari's own names are '-2', '-1'.
    if labels and not any(label.startswith('-') for label in labels):
        result['labels'] = labels
    return result


def _warn_of_losses(image: Any, meta: dict[str, Any], rgb: bool) -> None:
    name = meta.get('name')
    lost = [key for key in ('rotate', 'shear', 'affine') if _turns(meta, key)]
    if lost:
        warnings.warn(
            f'.sft files hold scale and translate; {", ".join(lost)} of the '
            f'layer {name!r} is not saved',
            stacklevel=3,
        )
    if rgb and image.shape[-1] == 4 and _shines_through(image[..., 3]):
        warnings.warn(
            f'.sft files hold no transparency; that of the layer {name!r} is '
            'not saved',
            stacklevel=3,
        )


def _shines_through(alpha: Any) -> bool:
    alpha = np.asarray(alpha)
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in 'iu' else 1
    return bool((alpha < opaque).any())


def _turns(meta: dict[str, Any], key: str) -> bool:
    """Whether a part of a layer's transform does something."""
    if meta.get(key) is None:
        return False
    value = np.asarray(meta[key], dtype=float)
    still = np.zeros_like(value) if value.ndim < 2 else np.eye(len(value))
    return not np.allclose(value, still)
