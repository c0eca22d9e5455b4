"""Attributes that describe an image in OME-Zarr, version 0.5.

Of https://ngff.openmicroscopy.org/0.5/: `multiscales` says what the axes are
and where the levels of the pyramid lie, `omero` how channels are shown. What
these can't hold lies under `napari_sft`: RGB, the order of axes, their names,
and value windows, as those of `omero` may be any contrast of display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
PRIMARIES = ('FF0000', '00FF00', '0000FF')
_COLOURS = ('00FF00', 'FF00FF', '00FFFF', 'FFFF00', 'FF0000', '0000FF')
Windows = Sequence[tuple[float, float]]


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


def _axis(axis: str, units: Mapping[str, str]) -> dict[str, str]:
    letter = 'C' if axis == 'S' else axis
    about = {'name': letter.lower()}
    if letter in _TYPES:
        about['type'] = _TYPES[letter]
    unit = ome_unit(units.get(axis, ''))
    if unit:
        about['unit'] = unit
    return about


def ome_unit(unit: str) -> str:
    """A unit as OME-Zarr spells it; empty if it does not know it."""
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
    colours = PRIMARIES if rgb else _COLOURS
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
