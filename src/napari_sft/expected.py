"""What size and exactness a quality gives on photographs, as measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np


@dataclass(frozen=True)
class Expected:
    """What the middle half of the measured pictures lie between.

    Attributes
    ----------
    bpp : (float, float)
        Real bits per pixel, low and high.
    psnr : (float, float)
        PSNR in dB, low and high.
    """

    bpp: tuple[float, float]
    psnr: tuple[float, float]


def expected(quality: float, *, gray: bool = False) -> Expected:
    """Tell what `compact` gives at a uniform quality.

    Parameters
    ----------
    quality : float
        0..100.
    gray : bool
        Whether the picture is gray.

    Returns
    -------
    Expected
        Quartiles over the 24 Kodak pictures, as whole files, interpolated
        between the measured qualities.
    """
    table = _tables()['gray' if gray else 'colour']
    columns = np.asarray(table, float).T
    values = [float(np.interp(quality, columns[0], c)) for c in columns[1:]]
    return Expected((values[0], values[1]), (values[2], values[3]))


@lru_cache(maxsize=1)
def _tables() -> dict[str, list[list[float]]]:
    """Rows of quality, bpp low and high, PSNR low and high."""
    text = resources.files('napari_sft').joinpath('expected.json')
    return json.loads(text.read_text(encoding='utf-8'))
