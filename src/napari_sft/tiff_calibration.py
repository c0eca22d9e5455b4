"""What TIFF files say about the size and place of their pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_sft.picture import Picture

_MICRO = '\N{MICRO SIGN}m'
# As OME-XML spells them.
UNITS = {
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


@dataclass
class Notes:
    """Calibration by axis, and the image's name; see `Picture`."""

    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    translate: dict[str, float] = field(default_factory=dict)
    name: str = ''


def read_notes(file: Any) -> Notes:
    """The notes of a `tifffile.TiffFile`, as many as it has."""
    if file.is_ome:
        return _ome_notes(file.ome_metadata)
    if file.is_imagej:
        return _imagej_notes(file)
    if file.is_svs:
        return _aperio_notes(file)
    return _tag_notes(file)


def ome_metadata(picture: Picture) -> dict[str, Any]:
    """A picture's calibration, as `tifffile.imwrite` takes it for OME-TIFF.

    Units that OME does not know are left out.
    """
    scale, units = picture.scale, picture.units
    about: dict[str, Any] = {'axes': picture.axes}
    if picture.name:
        about['Name'] = picture.name
    for axis in 'XYZT':
        key = 'TimeIncrement' if axis == 'T' else f'PhysicalSize{axis}'
        if axis in scale:
            about[key] = abs(scale[axis])
        if units.get(axis) in UNITS and axis in scale:
            about[f'{key}Unit'] = UNITS[units[axis]]
    planes = _positions(picture)
    if planes:
        about['Plane'] = planes
    return about


def _positions(picture: Picture) -> dict[str, list[Any]]:
    """Where each plane starts, if its place has a unit that OME knows."""
    size = dict(zip(picture.axes, picture.data.shape, strict=True))
    stack = {axis: n for axis, n in size.items() if axis not in 'YXS'}
    count = math.prod(stack.values())
    index = np.indices(tuple(stack.values())).reshape(len(stack), count)
    at = dict(zip(stack, index, strict=True))
    result: dict[str, list[Any]] = {}
    for axis in 'XYZ':
        unit = UNITS.get(picture.units.get(axis, ''))
        if unit is None or axis not in picture.translate:
            continue
        step = picture.scale.get(axis, 1.0)
        places = picture.translate[axis] + step * at.get(axis, np.zeros(count))
        result[f'Position{axis}'] = places.tolist()
        result[f'Position{axis}Unit'] = [unit] * count
    return result


def _ome_notes(xml: str) -> Notes:
    notes = Notes()
    image = ElementTree.fromstring(xml).find('.//{*}Image')
    pixels = None if image is None else image.find('.//{*}Pixels')
    if image is None or pixels is None:
        return notes
    name = image.get('Name', '')
    # What tifffile writes where it was given none.
    notes.name = '' if re.fullmatch(r'Image\d*', name) else name
    first = pixels.find('.//{*}Plane')
    for axis in 'XYZT':
        key = 'TimeIncrement' if axis == 'T' else f'PhysicalSize{axis}'
        value = float(pixels.get(key, 0))
        if value > 0:
            notes.scale[axis] = value
            notes.units[axis] = pixels.get(
                f'{key}Unit', 's' if axis == 'T' else _MICRO
            )
        place = None if first is None else first.get(f'Position{axis}')
        unit = '' if first is None else first.get(f'Position{axis}Unit', '')
        # A position in other units, such as the stage's own, says nothing
        # about these pixels.
        if place is not None and unit and unit == notes.units.get(axis):
            notes.translate[axis] = float(place)
    return notes


def _imagej_notes(file: Any) -> Notes:
    about, tags = file.imagej_metadata or {}, file.pages[0].tags
    unit = UNITS.get(str(about.get('unit', '')), '')
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
    return Notes(scale, units)


def _aperio_notes(file: Any) -> Notes:
    found = re.search(r'\bMPP *= *([0-9.]+)', file.pages[0].description)
    size = float(found[1]) if found else 0.0
    return _square_pixels(size, size)


def _tag_notes(file: Any) -> Notes:
    """From the resolution tags; dots an inch are mostly made up."""
    tags = file.pages[0].tags
    unit = tags['ResolutionUnit'].value if 'ResolutionUnit' in tags else 0
    if unit != 3:  # centimetre
        return Notes()
    sizes = []
    for name in ('YResolution', 'XResolution'):
        dots, length = tags[name].value if name in tags else (0, 0)
        sizes.append(1e4 * length / dots if dots else 0.0)
    return _square_pixels(*sizes)


def _square_pixels(height: float, width: float) -> Notes:
    if min(height, width) <= 0:
        return Notes()
    return Notes({'Y': height, 'X': width}, dict.fromkeys('YX', _MICRO))


def present(values: Mapping[str, Any], axes: str) -> dict[str, Any]:
    """The entries of axes that an image has."""
    return {axis: v for axis, v in values.items() if axis in axes}
