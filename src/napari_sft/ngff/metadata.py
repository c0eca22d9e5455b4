"""What OME-Zarr images of versions 0.4 and 0.5 say about themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sft.codec.errors import ImageError
from napari_sft.ngff.attributes import OWN, PRIMARIES, ome_unit


@dataclass(frozen=True)
class OmeImage:
    """What an OME-Zarr image says about itself.

    Attributes
    ----------
    axes : str
        A letter for each axis of its arrays, see `Layout`; S where the
        channels are the samples of RGB pixels.
    paths : tuple of str
        Of the arrays, the full size first.
    order : str
        The same axes in the order that the image had before.
    scale, translate, units, labels : mapping of axis to value
    name : str
    windows : tuple of (lo, hi)
        One for all channels or for each; empty if unknown.
    """

    axes: str
    paths: tuple[str, ...]
    order: str
    scale: Mapping[str, float] = field(default_factory=dict)
    translate: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str = ''
    windows: tuple[tuple[float, float], ...] = ()


def parse(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> OmeImage:
    """Understand a group's attributes, those of version 0.4 too.

    Parameters
    ----------
    attrs : mapping
        Of the group.
    dtype : numpy.dtype
        Of the pixels.

    Raises
    ------
    ImageError
        They do not describe an image.
    """
    ome = attrs.get('ome', attrs)
    try:
        multiscale = ome['multiscales'][0]
        names = [_name(axis) for axis in multiscale['axes']]
        datasets = multiscale['datasets']
        paths = tuple(str(dataset['path']) for dataset in datasets)
        steps = _transforms(multiscale, len(names))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ImageError(
            f'the OME-Zarr metadata do not describe an image ({error!r})'
        ) from None
    own = attrs.get(OWN, {})
    channels = ome.get('omero', {}).get('channels', [])
    axes = _letters(names)
    if 'S' in own.get('axes', '') or _looks_rgb(axes, channels, dtype):
        axes = axes.replace('C', 'S')
    order = own.get('axes', axes)
    scale, translate = (
        dict(zip(axes, values, strict=True)) for values in steps
    )
    return OmeImage(
        axes,
        paths,
        order if sorted(order) == sorted(axes) else axes,
        _useful(scale, 1.0),
        _useful(translate, 0.0),
        _units(axes, multiscale['axes'], own.get('units', {})),
        own.get('labels', {}),
        str(multiscale.get('name') or ''),
        tuple((lo, hi) for lo, hi in own.get('windows', ())),
    )


def _name(axis: Any) -> str:
    return str(axis['name'] if isinstance(axis, Mapping) else axis)


def _letters(names: Sequence[str]) -> str:
    """A distinct capital for each name, its own first letter if possible."""
    letters: list[str] = []
    for name in names:
        free = [
            letter
            for letter in f'{name.upper()}PQRUVWABDEFGHIJKLMNO'
            if letter.isascii() and letter.isalpha() and letter != 'S'
        ]
        letters.append(next(x for x in free if x not in letters))
    return ''.join(letters)


def _looks_rgb(axes: str, channels: Any, dtype: np.dtype[Any]) -> bool:
    colours = tuple(str(c.get('color', '')).upper() for c in channels)
    return 'C' in axes and dtype == np.uint8 and colours == PRIMARIES


def _transforms(
    multiscale: Mapping[str, Any], count: int
) -> tuple[list[float], list[float]]:
    """Scale and translation of the first array."""
    scale, translate = np.ones(count), np.zeros(count)
    steps = [
        *multiscale['datasets'][0].get('coordinateTransformations', []),
        *multiscale.get('coordinateTransformations', []),
    ]
    for step in steps:
        if step['type'] == 'scale':
            scale = scale * step['scale']
            translate = translate * step['scale']
        elif step['type'] == 'translation':
            translate = translate + step['translation']
    return scale.tolist(), translate.tolist()


def _useful(values: Mapping[str, float], nothing: float) -> dict[str, float]:
    """Nothing at all if every value says nothing."""
    says = any(value != nothing for value in values.values())
    return {a: v for a, v in values.items() if a != 'S'} if says else {}


def _units(
    axes: str, described: Sequence[Any], own: Mapping[str, str]
) -> dict[str, str]:
    """Units as the image had them, unless another program changed them."""
    units = {}
    for axis, about in zip(axes, described, strict=True):
        unit = about.get('unit', '') if isinstance(about, Mapping) else ''
        if axis in own and ome_unit(own[axis]) == (unit or ''):
            unit = own[axis]
        if unit:
            units[axis] = unit
    return units
