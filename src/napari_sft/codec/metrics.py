"""How far a reconstruction is from its original, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.coded_map import MAX_FINE, check_quality
from napari_sft.codec.errors import ImageError, SftError
from napari_sft.codec.records import Region, Statistics

MS_SSIM_SIDE = 161
"""Height and width in pixels that MS-SSIM needs: 11 after four halvings."""


def mse(a: ArrayLike, b: ArrayLike) -> float:
    """Mean squared error of two arrays of the same shape."""
    return float(np.mean(_difference(a, b) ** 2))


def psnr(a: ArrayLike, b: ArrayLike, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal arrays.

    Parameters
    ----------
    a, b : arrays of the same shape
    data_range : float
        The peak: 1 for values in 0..1, 255 for uint8.
    """
    error = mse(a, b)
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def max_error(a: ArrayLike, b: ArrayLike) -> float:
    """Largest absolute difference of two arrays of the same shape."""
    return float(np.abs(_difference(a, b)).max())


def ms_ssim(a: ArrayLike, b: ArrayLike, data_range: float) -> float | None:
    """Multi-scale structural similarity, the mean over samples.

    With the five scales and weights of Wang, Simoncelli and Bovik, "Multi-
    scale structural similarity for image quality assessment", 2003.

    Parameters
    ----------
    a, b : arrays (Y, X) or (Y, X, 3)
    data_range : float
        1 for values in 0..1, 255 for uint8.

    Returns
    -------
    float or None
        None if a side is below `MS_SSIM_SIDE`: with fewer scales it would be
        another measure under the same name.
    """
    _difference(a, b)
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim not in (2, 3):
        raise ImageError(
            f'MS-SSIM of shape {first.shape}; give a plane (Y, X) or (Y, X, 3)'
        )
    if min(first.shape[:2]) < MS_SSIM_SIDE:
        return None
    import torch
    from pytorch_msssim import ms_ssim as measure

    # (N, C, Y, X); within 1e-5 of double precision at half its time
    planes = [
        torch.from_numpy(
            (
                np.atleast_3d(plane).transpose(2, 0, 1)[None] / data_range
            ).astype(np.float32)
        )
        for plane in (first, second)
    ]
    with torch.inference_mode():
        return float(measure(*planes, data_range=1.0))


class ErrorTally:
    """Errors added up tile by tile, apart for each quality.

    Works on values in 0..1, that is, taken through the value window.
    """

    def __init__(self) -> None:
        self._pixels = np.zeros(MAX_FINE + 1, np.int64)
        self._squares = np.zeros(MAX_FINE + 1)
        self._largest = np.zeros(MAX_FINE + 1)

    def add(
        self,
        original: ArrayLike,
        reconstruction: ArrayLike,
        quality: ArrayLike,
    ) -> None:
        """Add a plane or a tile.

        Parameters
        ----------
        original, reconstruction : arrays (Y, X) or (Y, X, 3)
        quality : number or array (Y, X)
            0..100, told apart in steps of 1/496.

        Raises
        ------
        ImageError, MapError
            Shapes don't match, or the quality is out of range.
        """
        errors = np.abs(_difference(original, reconstruction))
        height, width = errors.shape[:2]
        values = check_quality(quality, (height, width))
        if np.ndim(quality) == 0:
            values, errors = values[:1, :1], errors.reshape(1, -1)
            squares, largest = (errors**2).mean(1), errors.max(1)
            pixels = height * width
        else:
            # channel by channel: numpy reduces short axes slowly
            channels = errors.reshape(height * width, -1).T
            squares = reduce(np.add, (c * c for c in channels)) / len(channels)
            largest = reduce(np.maximum, channels)
            pixels = 1
        fine = np.rint(values.ravel() * (MAX_FINE / 100)).astype(np.int64)
        size = len(self._pixels)
        self._pixels += pixels * np.bincount(fine, minlength=size)
        self._squares += pixels * np.bincount(fine, squares, size)
        np.maximum.at(self._largest, fine, largest)

    def merge(self, other: ErrorTally) -> None:
        """Add everything that was added to another tally."""
        self._pixels += other._pixels
        self._squares += other._squares
        np.maximum(self._largest, other._largest, out=self._largest)

    def regions(self, limit: int = 8) -> tuple[Region, ...]:
        """Measures for each quality, or for ranges of it.

        Parameters
        ----------
        limit : int
            Where more qualities occur, their range is cut into this many
            equal parts; parts without pixels are left out.

        Returns
        -------
        tuple of Region
            From the lowest quality to the highest.
        """
        present = np.flatnonzero(self._pixels)
        if len(present) <= limit:
            groups = [present[n : n + 1] for n in range(len(present))]
        else:
            edges = np.linspace(present[0], present[-1] + 1, limit + 1)
            parts = np.searchsorted(edges, present, side='right')
            groups = [present[parts == n + 1] for n in range(limit)]
        return tuple(self._region(group) for group in groups if len(group))

    def statistics(
        self, ms_ssim: float | None = None, limit: int = 8
    ) -> Statistics:
        """Measures over everything added, and over `regions` if several.

        Parameters
        ----------
        ms_ssim : float, optional
            Of the whole, if it was measured.
        limit : int
            As in `regions`.
        """
        pixels = int(self._pixels.sum())
        regions = self.regions(limit)
        return Statistics(
            mse=float(self._squares.sum()) / max(pixels, 1),
            largest_error=float(self._largest.max()),
            ms_ssim=ms_ssim,
            regions=regions if len(regions) > 1 else (),
        )

    def _region(self, fine: NDArray[np.int64]) -> Region:
        pixels = int(self._pixels[fine].sum())
        lowest, highest = int(fine[0]), int(fine[-1])
        return Region(
            quality=(100 * lowest / MAX_FINE, 100 * highest / MAX_FINE),
            pixels=pixels,
            mse=float(self._squares[fine].sum()) / pixels,
            largest_error=float(self._largest[fine].max()),
        )


def region_statistics(
    original: ArrayLike,
    reconstruction: ArrayLike,
    quality: ArrayLike,
    limit: int = 8,
) -> tuple[Region, ...]:
    """Measures of one plane apart for each quality; see `ErrorTally`."""
    tally = ErrorTally()
    tally.add(original, reconstruction, quality)
    return tally.regions(limit)


def bd_rate(
    bpp_a: Sequence[float],
    psnr_a: Sequence[float],
    bpp_b: Sequence[float],
    psnr_b: Sequence[float],
) -> float:
    """Bjøntegaard delta rate: how much more codec B spends than codec A.

    The mean difference of log-rate over the PSNR that both reach, both curves
    interpolated by monotone cubics (PCHIP) where Bjøntegaard, VCEG-M33, 2001,
    fits one polynomial.

    Parameters
    ----------
    bpp_a, psnr_a, bpp_b, psnr_b : sequences of float
        Points of each curve in any order, at least two, with distinct PSNR
        and rates above 0.

    Returns
    -------
    float
        Percent; negative if B needs less.

    Raises
    ------
    SftError
        A curve has too few or unusable points, or the two don't overlap.
    """
    from scipy.interpolate import PchipInterpolator

    curves = [_curve(bpp_a, psnr_a, 'A'), _curve(bpp_b, psnr_b, 'B')]
    low = max(quality[0] for quality, _ in curves)
    high = min(quality[-1] for quality, _ in curves)
    if not low < high:
        raise SftError(
            'the curves have no PSNR in common; give points that overlap'
        )
    first, second = (
        PchipInterpolator(*curve).integrate(low, high) for curve in curves
    )
    return 100 * math.expm1(float(second - first) / float(high - low))


def _curve(
    bpp: Sequence[float], quality: Sequence[float], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rate, value = np.asarray(bpp, float), np.asarray(quality, float)
    if rate.ndim != 1 or rate.shape != value.shape or rate.size < 2:
        raise SftError(
            f'curve {name} has {rate.shape} rates and {value.shape} PSNRs; '
            'give two or more of both'
        )
    order = np.argsort(value)
    rate, value = rate[order], value[order]
    finite = np.isfinite(rate).all() and np.isfinite(value).all()
    if not finite or (rate <= 0).any() or (np.diff(value) <= 0).any():
        raise SftError(
            f'curve {name} needs finite rates above 0 and distinct PSNRs'
        )
    return value, np.log(rate)


def _difference(a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape or not first.size:
        raise ImageError(
            f'images of shapes {first.shape} and {second.shape} can not be '
            'compared; they need the same shape, not empty'
        )
    return first.astype(np.float64) - second
