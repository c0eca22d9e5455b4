"""One plane compressed again and again while its quality map is painted."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import napari_sft
from napari_sft.api import provenance_of
from napari_sft.codec.colour_choice import with_turned_colours
from napari_sft.codec.container import Calibration
from napari_sft.codec.effort import FASTEST_EFFORT
from napari_sft.codec.errors import ImageError
from napari_sft.codec.image import Image, Window, WindowChoice
from napari_sft.codec.job import Job
from napari_sft.codec.tiles import DEFAULT_TILE, check_tile
from napari_sft.preview.encoder import Show, encode_preview
from napari_sft.preview.measures import Measures
from napari_sft.preview.remembering_model import RememberingModel, memory
from napari_sft.verification import Verification, save_verified

Progress = Callable[[int, int], None]
Map = NDArray[np.float32]

# Bytes of results to remember: some 25 a pixel and their margins are what one
# run makes.
_KEPT, _KEPT_A_PIXEL, _MOST_KEPT = 1 << 28, 64, 1 << 30
_READ_AT_ONCE = 1 << 28  # values of a lazy image
_MOST_PIXELS = 1 << 28


@dataclass(frozen=True, eq=False)
class Preview:
    """A plane as it is after compression, and what that took.

    Attributes
    ----------
    data : bytes
        The complete `.sft` file.
    reconstruction : ndarray, (Y, X) or (Y, X, 3)
        What a reader of the file gets, in the image's dtype.
    quality : ndarray of float32, (Y, X)
        0..100: the map that is in the file, one value a 16x16 block.
    bits : ndarray of float32, (ceil(Y / 16), ceil(X / 16))
        Bits that each block takes by the coder's own tables; they sum to the
        entropy-coded payload.
    info : dict
        What `napari_sft.info` says of the file.
    ratio_to_raw : float
        Size of the pixels in memory over that of the file.
    ratio_to_source : float or None
        The same of the file that the image came from; None if unknown.
    seconds : float
        Time it took.
    """

    data: bytes
    reconstruction: NDArray[Any]
    quality: Map
    bits: Map
    info: dict[str, Any]
    ratio_to_raw: float
    ratio_to_source: float | None
    seconds: float

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        device: str = 'auto',
        progress: Progress | None = None,
    ) -> Verification:
        """Write `data` to a file that gets its name once it is verified.

        Every tile's symbols are decoded from the written file and their
        checksums compared; see `napari_sft.verification.save_verified`.

        Raises
        ------
        SftError
            It can't be written or isn't sound; an older file is kept.
        """
        return save_verified(path, self.data, device=device, progress=progress)


class Previewer:
    """Compresses one plane; cheap to make, reads no pixel before `run`.

    Parameters
    ----------
    image : array, (Y, X) or (Y, X, 3)
        The plane, with one more axis of samples or axes of size 1 if `axes`
        names them. A lazy array is read by the first `run`.
    axes : str, optional
        As for `napari_sft.imwrite`.
    rgb : bool, optional
        Whether the last axis holds RGB samples.
    window : {'auto', 'dtype', 'minmax'} or (lo, hi)
        Values that map to 0 and 1; see `Image.windows`.
    scale, translate, units, labels, name, source
        Stored in the file as by `napari_sft.imwrite`.
    model, device, tile
        As for `napari_sft.imwrite`.
    source_bytes : int, optional
        Size of the file that the image came from.

    Raises
    ------
    ImageError
        The image can't be encoded as it is, or has several planes.
    """

    def __init__(
        self,
        image: Any,
        *,
        axes: str | None = None,
        rgb: bool | None = None,
        window: WindowChoice = 'auto',
        scale: tuple[float, ...] = (),
        translate: tuple[float, ...] = (),
        units: tuple[str, ...] = (),
        labels: tuple[str, ...] = (),
        name: str = '',
        source: str = '',
        model: str = 'compact',
        device: str = 'auto',
        tile: int = DEFAULT_TILE,
        source_bytes: int | None = None,
    ) -> None:
        self._image = Image.from_array(image, axes, rgb=rgb, alpha='drop')
        if self._image.layout.plane_count > 1:
            raise ImageError(
                f'a preview is of one plane, not of an image of shape '
                f'{self._image.layout.shape}; choose a plane'
            )
        self._calibration = Calibration(
            tuple(scale), tuple(translate), tuple(units), tuple(labels), name
        )
        self._source = source
        self._window_choice = window
        self._windows: tuple[Window, ...] = ()
        self._model, self._device = model, device
        self._tile = check_tile(tile)
        self._source_bytes = source_bytes
        self._lock = threading.Lock()
        height, width = self.shape
        if height * width > _MOST_PIXELS:
            raise ImageError(
                f'a preview of {height} x {width} pixels takes too much '
                'memory; preview a part of the image, and compress all of it '
                'without'
            )
        kept = _KEPT + height * width * _KEPT_A_PIXEL
        self._results = memory(min(kept, _MOST_KEPT))
        self._measures = Measures()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self._image.layout.plane_shape[:2]
        return height, width

    def plane(self) -> NDArray[Any]:
        """The pixels, (Y, X) or (Y, X, 3), in the image's dtype."""
        return self._loaded().plane(0)

    def run(
        self,
        quality: float | ArrayLike,
        *,
        target_bytes: int | None = None,
        effort: int = FASTEST_EFFORT,
        progress: Progress | None = None,
        show: Show | None = None,
    ) -> Preview:
        """Compress with a quality map; several threads may do so at once.

        Parameters
        ----------
        quality : number or array (Y, X)
            0..100.
        target_bytes : int, optional
            Size not to exceed; the whole map is shifted to meet it.
        effort : int
            1 to 9, as for `napari_sft.imwrite`; the fastest one follows a
            brush.
        progress : callable, optional
            Called with (done, total) in equal parts of the work; may raise
            to cancel.
        show : callable, optional
            Called with the reconstruction once it is there; measuring it and
            writing the file take a third of the time.

        Raises
        ------
        MapError
            The map doesn't fit the image.
        TargetError
            The target size can't be met.
        ModelError
            The model, its weights or the device are not available.
        """
        from napari_sft.models.refinement import refiner_for
        from napari_sft.models.registry import load_model

        start = time.perf_counter()
        last = (0, 1)

        def tell(*step: int) -> None:
            nonlocal last
            last = step or last  # told again, so that work ends soon
            if progress is not None:
                progress(*last)

        image = self._loaded()
        codec = load_model(self._model, self._device)
        job = Job(
            image=image,
            windows=self._windows,
            quality=quality,
            model=codec,
            calibration=(
                None
                if self._calibration == Calibration()
                else self._calibration
            ),
            provenance=provenance_of(self._source),
            target_bytes=target_bytes,
            tile=self._tile,
            refiner=refiner_for(codec, effort),
        )
        job = with_turned_colours(job, tell)
        model = RememberingModel(
            job.model, tell, self._results if job.side else None
        )
        job = replace(job, model=model)
        coded = encode_preview(
            job, tell, self._measures, show or (lambda picture: None)
        )
        with napari_sft.open(coded.data) as file:
            info, quality_map = file.info(), file.quality_map
        return Preview(
            data=coded.data,
            reconstruction=coded.reconstruction,
            quality=quality_map,
            bits=coded.bits,
            info=info,
            ratio_to_raw=info['ratio'],
            ratio_to_source=(
                None
                if self._source_bytes is None
                else self._source_bytes / len(coded.data)
            ),
            seconds=time.perf_counter() - start,
        )

    def _loaded(self) -> Image:
        """The image in memory, its value window known."""
        with self._lock:
            if not self._windows:
                if math.prod(self._image.layout.shape) <= _READ_AT_ONCE:
                    pixels = np.asarray(self._image.data)
                    self._image = replace(self._image, data=pixels)
                self._windows = self._image.windows(self._window_choice)
        return self._image


def error_map(original: ArrayLike, reconstruction: ArrayLike) -> Map:
    """Absolute error of each pixel, in RGB images the largest of a sample.

    Parameters
    ----------
    original, reconstruction : arrays (Y, X) or (Y, X, 3)

    Returns
    -------
    ndarray of float32 (Y, X)
        In values of the image.

    Raises
    ------
    ImageError
        Their shapes differ.
    """
    first, second = np.asarray(original), np.asarray(reconstruction)
    if first.shape != second.shape:
        raise ImageError(
            f'images of shapes {first.shape} and {second.shape} can not be '
            'compared; they need the same shape'
        )
    # Exact for all integers of up to 16 bits, and twice as fast.
    small = first.dtype.itemsize <= 2 and second.dtype.itemsize <= 2
    dtype = np.float32 if small else np.float64
    errors = np.abs(np.subtract(first, second, dtype=dtype))
    if errors.ndim == 3:
        errors = reduce(np.maximum, np.moveaxis(errors, 2, 0))
    return errors.astype(np.float32, copy=False)
