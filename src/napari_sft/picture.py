"""An image as an ordinary file holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ZARR_FILES = ('zarr.json', '.zarray', '.zgroup')


@dataclass(frozen=True)
class Picture:
    """An image as a file held it.

    Attributes
    ----------
    data : ndarray or array-like
        Pixels, in the file's dtype; those of a large file are read when they
        are sliced.
    axes : str
        A letter for each axis; S for RGB samples.
    scale, units, translate : mapping of axis to value
        Size of a pixel, its unit and where the first one lies, where the
        file says so.
    name : str
        The image's own, empty if it has none.
    """

    data: Any
    axes: str
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    translate: Mapping[str, float] = field(default_factory=dict)
    name: str = ''

    def along(self, axes: str) -> dict[str, Any]:
        """Calibration and name for `imwrite`, in the order of `axes`."""
        spatial = axes.replace('S', '')
        result: dict[str, Any] = {}
        if self.scale:
            result['scale'] = tuple(self.scale.get(a, 1.0) for a in spatial)
        if self.units:
            result['units'] = tuple(
                self.units.get(a, 'pixel') for a in spatial
            )
        if self.translate:
            result['translate'] = tuple(
                self.translate.get(a, 0.0) for a in spatial
            )
        if self.name:
            result['name'] = self.name
        return result


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr array or group, one picture to us."""
    return any((path / name).is_file() for name in _ZARR_FILES)
