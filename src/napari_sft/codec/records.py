"""What an .sft file says about its picture besides how to decode it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone

from napari_sft.codec.errors import ImageError

MAX_SECONDS = 253402300799  # the end of the year 9999


@dataclass(frozen=True)
class Calibration:
    """Where the image lies in the world; a field is empty if unknown.

    Parameters
    ----------
    scale, translate : tuple of float
        Size of a pixel and position of the first one along each axis but S,
        in `units`.
    units, labels : tuple of str
        Unit and name of each axis but S.
    name : str
        The image's name.

    Raises
    ------
    ImageError
        If the lengths differ, or a number isn't finite or a scale is 0.
    """

    scale: tuple[float, ...] = ()
    translate: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    name: str = ''

    def __post_init__(self) -> None:
        if len({len(field) for field in self.per_axis if field}) > 1:
            raise ImageError('the calibration differs in its number of axes')
        if not all(map(math.isfinite, (*self.scale, *self.translate))):
            raise ImageError('scale and translate must be finite numbers')
        if 0 in self.scale:
            raise ImageError('a scale is 0; give each axis its pixel size')

    @property
    def per_axis(self) -> tuple[tuple[float, ...] | tuple[str, ...], ...]:
        """The fields that have one value for each axis."""
        return self.scale, self.translate, self.units, self.labels

    @property
    def ndim(self) -> int:
        """Number of axes described, 0 if none is."""
        return max(len(field) for field in self.per_axis)


@dataclass(frozen=True)
class Provenance:
    """Where a file comes from.

    Parameters
    ----------
    software : tuple of str
        Names with versions, such as 'napari-sft 0.1.0'; 64 at most.
    source : str
        Name of the image's file or layer.
    date : datetime or None
        When the file was made, with a time zone; kept in UTC, whole seconds.

    Raises
    ------
    ImageError
        If there are over 64 software names, or the date lies before 1970 or
        lacks its time zone.
    """

    software: tuple[str, ...] = ()
    source: str = ''
    date: datetime | None = None

    def __post_init__(self) -> None:
        if len(self.software) > 64:
            raise ImageError('over 64 software names')
        if self.date is None:
            return
        if self.date.tzinfo is None or self.date.timestamp() < 0:
            raise ImageError('the date needs a time zone and a year from 1970')
        whole = self.date.astimezone(timezone.utc).replace(microsecond=0)
        object.__setattr__(self, 'date', whole)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How far decoded pixels are from the original ones.

    Pixels are taken through their value window first, so that it spans 0..1.
    The file keeps float32.

    Parameters
    ----------
    mse : float
        Mean squared error.
    largest_error : float
        Largest absolute error.
    ms_ssim : float or None
        Multi-scale structural similarity; None if it wasn't measured.

    Raises
    ------
    ImageError
        If an error is negative or not finite.
    """

    mse: float
    largest_error: float
    ms_ssim: float | None = None

    def __post_init__(self) -> None:
        for value in (self.mse, self.largest_error, self.ms_ssim or 0.0):
            if not abs(value) < 2.0**127:
                raise ImageError(f'an error measure of {value} is not finite')
        if self.mse < 0 or self.largest_error < 0:
            raise ImageError('an error measure is negative')

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB; infinite without error."""
        return -10 * math.log10(self.mse) if self.mse else math.inf


@dataclass(frozen=True, kw_only=True)
class Region(Measure):
    """Measures over the pixels whose quality lies in a range.

    Parameters
    ----------
    quality : tuple of (float, float)
        Lowest and highest quality, 0..100; the file keeps hundredths.
    pixels : int
        Number of pixels.
    """

    quality: tuple[float, float]
    pixels: int

    def __post_init__(self) -> None:
        super().__post_init__()
        lo, hi = self.quality
        if not 0 <= lo <= hi <= 100:
            raise ImageError(f'quality range {self.quality} is not in 0..100')
        if not 0 <= self.pixels <= 2**48:
            raise ImageError(f'{self.pixels} pixels in a region')


@dataclass(frozen=True, kw_only=True)
class Statistics(Measure):
    """Measures over the whole image and over up to 64 regions."""

    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.regions) > 64:
            raise ImageError('statistics over more than 64 regions')
