"""TIFF files as arrays with axes, scale and units, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_sft.codec.errors import ImageError
from napari_sft.picture import Picture

_MICRO = '\N{MICRO SIGN}m'
# As OME-XML spells them.
_UNITS = {
    'micron': _MICRO,
    'microns': _MICRO,
    'micrometer': _MICRO,
    'um': _MICRO,
    '\\u00B5m': _MICRO,
    '\N{GREEK SMALL LETTER MU}m': _MICRO,
    'nanometer': 'nm',
    'millimeter': 'mm',
    'second': 's',
    'sec': 's',
    **{unit: unit for unit in ('nm', _MICRO, 'mm', 'cm', 'm', 's', 'ms')},
}
_OME_DTYPES = {
    *('int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'),
    *('float32', 'float64'),
}


def read_tiff(path: Path) -> Picture:
    """Read the first series of a TIFF; as `read_picture`."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        photometric = series.keyframe.photometric
        if photometric == tifffile.PHOTOMETRIC.PALETTE:
            raise ImageError(
                f'{path} is a TIFF with a palette; convert it to RGB'
            )
        data = series.asarray()
        if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            data = _inverted(path, data)
        axes = _plain_axes(series.axes.upper(), data.shape)
        scale, units = _calibration(file)
    present = set(axes)
    return Picture(
        data,
        axes,
        {a: v for a, v in scale.items() if a in present},
        {a: v for a, v in units.items() if a in present},
    )


def write_tiff(
    path: Path,
    data: np.ndarray,
    axes: str,
    scale: Mapping[str, float],
    units: Mapping[str, str],
) -> None:
    """Write a TIFF: plain for a plane, OME-TIFF if there is more to say."""
    import tifffile

    photometric = 'rgb' if axes.endswith('S') else 'minisblack'
    fits = set(axes) <= set('TZCYXS') and data.dtype.name in _OME_DTYPES
    more = len(axes.replace('S', '')) > 2 or scale or units
    if not (fits and more):
        about: dict[str, Any] = {'axes': axes}
        tifffile.imwrite(
            path, data, photometric=photometric, metadata=about, ome=False
        )
        return
    about = {'axes': axes}
    for axis in 'XYZT':
        key = 'TimeIncrement' if axis == 'T' else f'PhysicalSize{axis}'
        if axis in scale:
            about[key] = abs(scale[axis])
        if units.get(axis) in _UNITS and axis in scale:
            about[f'{key}Unit'] = _UNITS[units[axis]]
    tifffile.imwrite(
        path, data, photometric=photometric, metadata=about, ome=True
    )


def _inverted(path: Path, data: np.ndarray) -> np.ndarray:
    if data.dtype.kind != 'u':
        raise ImageError(
            f'{path} is a TIFF of {data.dtype} in which low is white; invert '
            'it first'
        )
    return np.iinfo(data.dtype).max - data


def _plain_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Samples that are no RGB are channels."""
    if 'S' in axes and shape[axes.index('S')] not in (3, 4):
        return axes.replace('S', 'Q' if 'C' in axes else 'C')
    return axes


def _calibration(file: Any) -> tuple[dict[str, float], dict[str, str]]:
    if file.is_ome:
        return _ome_calibration(file.ome_metadata)
    if file.is_imagej:
        return _imagej_calibration(file)
    return {}, {}


def _ome_calibration(xml: str) -> tuple[dict[str, float], dict[str, str]]:
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    pixels = ElementTree.fromstring(xml).find('.//{*}Pixels')
    about = {} if pixels is None else pixels.attrib
    for axis in 'XYZT':
        key = 'TimeIncrement' if axis == 'T' else f'PhysicalSize{axis}'
        value = float(about.get(key, 0))
        if value > 0:
            scale[axis] = value
            units[axis] = about.get(
                f'{key}Unit', 's' if axis == 'T' else _MICRO
            )
    return scale, units


def _imagej_calibration(file: Any) -> tuple[dict[str, float], dict[str, str]]:
    about, tags = file.imagej_metadata or {}, file.pages[0].tags
    unit = _UNITS.get(str(about.get('unit', '')), '')
    scale: dict[str, float] = {}
    for axis, name in (('X', 'XResolution'), ('Y', 'YResolution')):
        dots, length = tags[name].value if name in tags else (0, 0)
        if dots and length and unit:
            scale[axis] = length / dots
    if unit and about.get('spacing'):
        scale['Z'] = float(about['spacing'])
    units = dict.fromkeys(scale, unit)
    if about.get('finterval'):
        scale['T'], units['T'] = float(about['finterval']), 's'
    return scale, units
