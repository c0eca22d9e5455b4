"""Points of rate-distortion curves, and their table."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TextIO

OWN = 'napari-sft'
HEADINGS = ('curve', 'quality', 'bpp', 'psnr', 'ms_ssim')


@dataclass(frozen=True, order=True)
class Point:
    """One compression of the image.

    Attributes
    ----------
    bpp : float
        Real bits per pixel.
    quality : float
        The codec's own setting.
    psnr : float
        In dB.
    ms_ssim : float or None
        None if it was not measured.
    """

    bpp: float
    quality: float
    psnr: float
    ms_ssim: float | None = None

    def height(self, likeness: bool) -> float | None:
        """What the plot shows upwards: MS-SSIM or PSNR."""
        return self.ms_ssim if likeness else self.psnr


def write_table(
    file: TextIO, curves: dict[str, list[Point]], current: Point | None
) -> None:
    """Write points as CSV, the present setting as a curve 'current'."""
    writer = csv.writer(file)
    writer.writerow(HEADINGS)
    rows = [(name, each) for name, all_ in curves.items() for each in all_]
    if current is not None:
        rows.append(('current', current))
    for name, point in rows:
        likeness = '' if point.ms_ssim is None else point.ms_ssim
        quality = '' if point.quality < 0 else point.quality
        writer.writerow([name, quality, point.bpp, point.psnr, likeness])
