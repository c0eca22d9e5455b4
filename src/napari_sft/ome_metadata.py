"""Metadata of OME-Zarr images, version 0.5, as plain values.

Of https://ngff.openmicroscopy.org/0.5/: `multiscales` says what the axes are
and where the levels of the pyramid lie, `omero` how channels are shown. What
these can't hold lies under `napari_sft`: RGB, the order of axes, their names,
and value windows, as those of `omero` may be any contrast of display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sft.codec.container import Calibration
from napari_sft.codec.errors import ImageError

OWN = 'napari_sft'
_MICRO = '\N{MICRO SIGN}m'
_TYPES = {
    'T': 'time',
    'C': 'channel',
    'Z': 'space',
    'Y': 'space',
    'X': 'space',
}
# As UDUNITS-2 spells them, which OME-Zarr asks for.
_UNITS = {
    'pm': 'picometer',
    'Å': 'angstrom',
    'nm': 'nanometer',
    'um': 'micrometer',
    'micron': 'micrometer',
    _MICRO: 'micrometer',
    '\N{GREEK SMALL LETTER MU}m': 'micrometer',
    'mm': 'millimeter',
    'cm': 'centimeter',
    'm': 'meter',
    'ns': 'nanosecond',
    'us': 'microsecond',
    'ms': 'millisecond',
    's': 'second',
    'sec': 'second',
    'min': 'minute',
    'h': 'hour',
}
_PRIMARIES = ('FF0000', '00FF00', '0000FF')
_COLOURS = ('00FF00', 'FF00FF', '00FFFF', 'FFFF00', 'FF0000', '0000FF')
Windows = Sequence[tuple[float, float]]


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


def ome_axes(axes: str) -> str:
    """Axes in the order that OME-Zarr asks for: time, channel, space.

    Raises
    ------
    ImageError
        There are more than it has room for.
    """
    between = [axis for axis in axes if axis not in 'TZYX']
    if len(between) > 1:
        raise ImageError(
            f'OME-Zarr has one axis besides T, Z, Y and X, the image has '
            f'{", ".join(between)}; make an image for each index of '
            f'{between[0]}'
        )
    order = [axis for axis in 'TZYX' if axis in axes]
    order[order.count('T') : order.count('T')] = between
    return ''.join(order)


def attributes(
    axes: str,
    shapes: Sequence[Sequence[int]],
    calibration: Calibration,
    windows: Windows,
    dtype: np.dtype[Any],
) -> dict[str, Any]:
    """Attributes of the group that holds an image.

    Parameters
    ----------
    axes : str
        Of the image, in its own order.
    shapes : sequence of shape
        Of its levels, in the same order; their arrays are '0', '1', ...
    calibration : Calibration
        Of the image.
    windows : sequence of (lo, hi)
        One for all channels, or for each.
    dtype : numpy.dtype
        Of the pixels.
    """
    spatial = axes.replace('S', '')
    notes = {
        name: dict(zip(spatial, values, strict=False))
        for name, values in (
            ('scale', calibration.scale),
            ('translate', calibration.translate),
            ('units', calibration.units),
            ('labels', calibration.labels),
        )
    }
    order = ome_axes(axes)
    sizes = [dict(zip(axes, shape, strict=True)) for shape in shapes]
    multiscale = {
        'name': calibration.name,
        'axes': [_axis(axis, notes['units']) for axis in order],
        'datasets': [
            _dataset(order, level, sizes, notes)
            for level in range(len(shapes))
        ],
    }
    channels = sizes[0].get('S', sizes[0].get('C', 1))
    own: dict[str, Any] = {'axes': axes}
    own |= {n: notes[n] for n in ('units', 'labels') if notes[n]}
    own['windows'] = [list(pair) for pair in windows]
    return {
        'ome': {
            'version': '0.5',
            'multiscales': [multiscale],
            'omero': _omero(channels, windows, dtype, rgb='S' in axes),
        },
        OWN: own,
    }


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


def _axis(axis: str, units: Mapping[str, str]) -> dict[str, str]:
    letter = 'C' if axis == 'S' else axis
    about = {'name': letter.lower()}
    if letter in _TYPES:
        about['type'] = _TYPES[letter]
    unit = _ome_unit(units.get(axis, ''))
    if unit:
        about['unit'] = unit
    return about


def _ome_unit(unit: str) -> str:
    return unit if unit in _UNITS.values() else _UNITS.get(unit, '')


def _dataset(
    order: str,
    level: int,
    sizes: Sequence[Mapping[str, int]],
    notes: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    scale, translate = [], []
    for axis in order:
        shrinks = sizes[level][axis] < sizes[0][axis]
        factor = 2**level if shrinks else 1
        step = float(notes['scale'].get(axis, 1.0))
        start = float(notes['translate'].get(axis, 0.0))
        scale.append(factor * step)
        # Pixels lie at their centres.
        translate.append(start + step * (factor - 1) / 2)
    return {
        'path': str(level),
        'coordinateTransformations': [
            {'type': 'scale', 'scale': scale},
            {'type': 'translation', 'translation': translate},
        ],
    }


def _omero(
    channels: int, windows: Windows, dtype: np.dtype[Any], *, rgb: bool
) -> dict[str, Any]:
    colours = _PRIMARIES if rgb else _COLOURS
    if channels == 1 or channels > len(colours):
        colours = ('FFFFFF',) * channels
    listed = []
    for number in range(channels):
        lo, hi = windows[number if len(windows) == channels else 0]
        limits = lo, hi
        if dtype.kind in 'iu':
            whole = np.iinfo(dtype)
            limits = float(whole.min), float(whole.max)
        listed.append(
            {
                'label': 'RGB'[number] if rgb else f'channel {number}',
                'color': colours[number],
                'active': True,
                'window': {
                    'start': lo,
                    'end': hi,
                    'min': limits[0],
                    'max': limits[1],
                },
            }
        )
    return {
        'channels': listed,
        'rdefs': {'model': 'color' if channels > 1 else 'greyscale'},
    }


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
    return 'C' in axes and dtype == np.uint8 and colours == _PRIMARIES


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
        if axis in own and _ome_unit(own[axis]) == (unit or ''):
            unit = own[axis]
        if unit:
            units[axis] = unit
    return units
