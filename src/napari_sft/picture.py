"""An image as an ordinary file holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Picture:
    """An image as a file held it.

    Attributes
    ----------
    data : ndarray
        Pixels, in the file's dtype.
    axes : str
        A letter for each axis; S for RGB samples.
    scale, units : mapping of axis to value
        Size of a pixel and its unit, where the file says so.
    """

    data: np.ndarray
    axes: str
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def along(self, axes: str) -> dict[str, tuple[Any, ...]]:
        """Scale and units for `imwrite`, one entry for each of `axes`."""
        spatial = axes.replace('S', '')
        result: dict[str, tuple[Any, ...]] = {}
        if self.scale:
            result['scale'] = tuple(self.scale.get(a, 1.0) for a in spatial)
        if self.units:
            result['units'] = tuple(
                self.units.get(a, 'pixel') for a in spatial
            )
        return result
