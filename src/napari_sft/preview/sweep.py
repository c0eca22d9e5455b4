"""The rate-distortion curve of one picture, point by point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.errors import SftError
from napari_sft.codec.image import normalise
from napari_sft.codec.metrics import ms_ssim, psnr
from napari_sft.codec.windows import Window
from napari_sft.other_codecs import OtherCodec, other_codec
from napari_sft.preview.comparison import eight_bits, from_eight_bits
from napari_sft.preview.previewer import Preview, Previewer

OURS, JPEG = 'napari-sft', 'JPEG'
# Steps of the rate, not of the quality, that are about even.
_JPEG_QUALITIES = (1, 8, 15, 22, 32, 44, 56, 68, 78, 86, 92, 96)
_REACH = 1.5  # how far JPEG is shown beyond our own largest file

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Point:
    """A point of a rate-distortion curve, of a real file.

    Attributes
    ----------
    curve : str
        'napari-sft' or 'JPEG'.
    quality : float
        The mean of the map, 0..100; JPEG's own quality.
    bpp : float
        Real bits per pixel.
    psnr : float
        In dB; infinite if nothing was lost.
    ms_ssim : float or None
        None for pictures that are too small for it.
    """

    curve: str
    quality: float
    bpp: float
    psnr: float
    ms_ssim: float | None


def sweep(
    previewer: Previewer,
    quality_map: ArrayLike | None = None,
    *,
    levels: int = 11,
    jpeg: bool = True,
    progress: Progress | None = None,
) -> Iterator[Point]:
    """Compress a picture from the lowest to the highest quality.

    Close the generator to end early.

    Parameters
    ----------
    previewer : Previewer
        Of the picture.
    quality_map : array (Y, X), optional
        0..100, shifted as a whole from one end to the other; without it,
        maps are uniform.
    levels : int
        Number of points, at least 2.
    jpeg : bool
        Whether to give the points of JPEG too, up to somewhat more than our
        own largest rate.
    progress : callable, optional
        Called with (done, total) points; may raise to end the sweep.

    Yields
    ------
    Point
        Ours from the smallest file to the largest, then JPEG's likewise.

    Raises
    ------
    SftError
        As in `Previewer.run`, or `levels` is below 2.
    """
    if levels < 2:
        raise SftError(f'a curve of {levels} points; take 2 or more')
    others = _JPEG_QUALITIES if jpeg else ()
    total = levels + len(others)
    done = 0

    def tell(*_: int) -> None:
        if progress is not None:
            progress(done, total)

    limit = 0.0
    for quality in _maps(quality_map, levels):
        tell()
        preview = previewer.run(quality, progress=tell)
        point = _ours(preview, float(np.mean(quality)))
        limit = max(limit, _REACH * point.bpp)
        done += 1
        yield point
    if jpeg:
        values = _values(previewer, preview)
        codec = other_codec('jpeg')
        for setting in others:
            tell()
            point = _theirs(codec, values, setting)
            done += 1
            if point.bpp <= limit:
                yield point
    tell()


def _maps(
    quality_map: ArrayLike | None, levels: int
) -> Iterator[float | NDArray[Any]]:
    if quality_map is None:
        yield from np.linspace(0, 100, levels).tolist()
        return
    quality = np.asarray(quality_map, np.float32)
    highest, lowest = 100 - quality.min(), -quality.max()
    for shift in np.linspace(lowest, highest, levels):
        yield np.clip(quality + shift, 0, 100)


def _ours(preview: Preview, quality: float) -> Point:
    info = preview.info
    statistics = info['statistics']
    return Point(
        OURS,
        quality,
        info['bpp'],
        # None stands for no error at all.
        np.inf if statistics['psnr'] is None else statistics['psnr'],
        statistics.get('ms_ssim'),
    )


def _theirs(
    codec: OtherCodec, values: NDArray[np.float32], quality: int
) -> Point:
    data = codec.encode(eight_bits(values), quality)
    decoded = from_eight_bits(codec.decode(data))
    return Point(
        JPEG,
        float(quality),
        8 * len(data) / (values.shape[0] * values.shape[1]),
        psnr(values, decoded, 1.0),
        ms_ssim(values, decoded, 1.0),
    )


def _values(previewer: Previewer, preview: Preview) -> NDArray[np.float32]:
    (window,) = (Window(*pair) for pair in preview.info['windows'])
    return normalise(previewer.plane(), window)
