"""The public functions: arrays to `.sft` bytes and files, and back."""

from __future__ import annotations

import io
import math
import os
from datetime import datetime, timezone
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

import napari_sft
from napari_sft.codec.colour_choice import turned, with_turned_colours
from napari_sft.codec.colours import ColourChoice
from napari_sft.codec.container import Calibration, Provenance
from napari_sft.codec.effort import DEFAULT_EFFORT, check_effort
from napari_sft.codec.encoder import Job, Progress, encode_job
from napari_sft.codec.errors import SftError, TargetError
from napari_sft.codec.image import Image, WindowChoice
from napari_sft.codec.tiles import DEFAULT_TILE
from napari_sft.sft_image import SftImage

Source = str | os.PathLike[str] | bytes | BinaryIO


def encode(
    image: Any,
    *,
    quality: float = 75,
    quality_map: ArrayLike | None = None,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    model: str = 'compact',
    device: str = 'auto',
    effort: int = DEFAULT_EFFORT,
    **about: Any,
) -> bytes:
    """Compress an image into the bytes of an `.sft` file.

    Parameters
    ----------
    image : array
        2-D, RGB or N-D; uint8, uint16, float32 and others of
        `napari_sft.codec.layout.DTYPES`. Dask, zarr and memory-mapped
        arrays are read a part at a time.
    quality : float
        0..100, everywhere; ignored where there is a map.
    quality_map : array, optional
        Qualities 0..100: one map (Y, X) for all planes, or of the image's
        shape, its axes in the same order, without RGB samples.
    target_bytes : int, optional
        Size not to exceed; the whole map is shifted until the file is
        within 1 % of it.
    target_bpp : float, optional
        The same in bits per pixel.
    model : str
        Name of a model, or path of its weights.
    device : str
        'auto', 'cpu', 'cuda' or 'mps'.
    effort : int
        1 to 9. At 2, 3, 4 and 5 the latents are corrected once, three, six
        and twelve times, each time after a look at what they decode to; from
        6 on gradient steps refine them further, twice as many from one
        effort to the next: smaller files at the same quality, for more
        time. Files are decoded as ever.
    **about
        As `imwrite` takes them.

    Returns
    -------
    bytes
        A whole file.

    Raises
    ------
    SftError
        One of its subclasses, with one line that says what to do.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> data = napari_sft.encode(skimage.data.astronaut(), quality=40)
    >>> picture = napari_sft.decode(data)
    """
    buffer = io.BytesIO()
    imwrite(
        buffer,
        image,
        quality=quality,
        quality_map=quality_map,
        target_bytes=target_bytes,
        target_bpp=target_bpp,
        model=model,
        device=device,
        effort=effort,
        **about,
    )
    return buffer.getvalue()


def imwrite(
    path: str | os.PathLike[str] | BinaryIO,
    image: Any,
    *,
    quality: float = 75,
    quality_map: ArrayLike | None = None,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    model: str = 'compact',
    device: str = 'auto',
    effort: int = DEFAULT_EFFORT,
    axes: str | None = None,
    rgb: bool | None = None,
    alpha: str = 'refuse',
    windows: WindowChoice = 'auto',
    scale: tuple[float, ...] = (),
    translate: tuple[float, ...] = (),
    units: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
    name: str = '',
    source: str = '',
    provenance: bool = True,
    statistics: bool = True,
    tile: int = DEFAULT_TILE,
    pyramid: bool = False,
    colours: ColourChoice = 'auto',
    progress: Progress | None = None,
) -> None:
    """Compress an image into an `.sft` file.

    The file appears whole or not at all. The first parameters are those of
    `encode`.

    Parameters
    ----------
    path : path or binary file
        Where to write.
    axes, rgb, alpha
        What the array's axes are; see `napari_sft.codec.image.Image`.
    windows : str, (lo, hi) or sequence
        Values that map to 0 and 1, for all channels or for each; see
        `Image.windows`.
    scale, translate, units, labels : tuple
        Spatial calibration, one entry an axis but for RGB samples.
    name, source : str
        The image's name, and where it comes from.
    provenance : bool
        Whether to store software versions, source and date.
    statistics : bool
        Whether to measure and store the errors of the reconstruction.
    tile : int
        Planes larger than this many pixels along a side are cut into tiles
        of that side, a multiple of 64; 0 never cuts. Of a lazy array (dask,
        zarr, memory-mapped) only what a few tiles need is read at once.
    pyramid : bool
        Whether to add levels of half the height and width each, averaged
        from the original, down to one that fits into a tile.
    colours : 'auto', ColourTurn or None
        How RGB colours are turned before coding, and back when decoding.
        At efforts above 1 they are tried, and turned where that makes
        smaller files (one dye on black, above all); None leaves them.
    progress : callable, optional
        Called with (done, total) units of work: tiles, and at efforts above
        1 every correction of latents; may raise to cancel.

    Raises
    ------
    SftError
        One of its subclasses, with one line that says what to do.
    """
    if target_bytes is not None and target_bpp is not None:
        raise SftError('give target_bytes or target_bpp, not both')
    check_effort(effort)
    from napari_sft.models.refinement import refiner_for
    from napari_sft.models.registry import load_model

    picture = Image.from_array(image, axes, rgb=rgb, alpha=alpha)  # type: ignore[arg-type]
    if target_bpp is not None:
        height, width = picture.layout.plane_shape[:2]
        pixels = height * width * picture.layout.plane_count
        if not 0 < target_bpp < math.inf:
            raise TargetError(f'target of {target_bpp} bpp is not above 0')
        target_bytes = int(target_bpp * pixels / 8)
    calibration = Calibration(
        tuple(scale), tuple(translate), tuple(units), tuple(labels), name
    )
    codec = load_model(model, device)
    job = Job(
        image=picture,
        windows=picture.windows(windows),
        quality=quality
        if quality_map is None
        else picture.ordered_map(_lazy(quality_map)),
        model=codec,
        calibration=None if calibration == Calibration() else calibration,
        provenance=provenance_of(source) if provenance else None,
        statistics=statistics,
        target_bytes=target_bytes,
        tile=tile,
        pyramid=pyramid,
        refiner=refiner_for(codec, effort),
    )
    if colours == 'auto':
        job = with_turned_colours(job)
    elif colours is not None:
        job = turned(job, colours)
    encode_job(path, job, progress)


def open(source: Source, *, device: str = 'auto') -> SftImage:  # noqa: A001
    """Open a file without decoding it.

    Parameters
    ----------
    source : path, bytes or binary file
        An `.sft` file.
    device : str
        Where to decode.

    Raises
    ------
    SftError
        If it cannot be read or is no `.sft` file.
    """
    return SftImage(source, device=device)


def decode(data: bytes, *, device: str = 'auto') -> NDArray[Any]:
    """Decompress the bytes of an `.sft` file to an array.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    ModelError
        If the model or weights that made them are not installed.
    """
    return imread(data, device=device)


def imread(source: Source, *, device: str = 'auto') -> NDArray[Any]:
    """Decompress an `.sft` file to an array of its own dtype."""
    with open(source, device=device) as image:
        return image.read()


def info(source: Source) -> dict[str, Any]:
    """What a file says about itself, decoding nothing.

    Returns
    -------
    dict
        Of plain values: shape, axes, dtype, bytes, real bpp, model,
        statistics, calibration, provenance.
    """
    with open(source) as image:
        return image.info()


def _lazy(array: Any) -> Any:
    """An array as it is, or one made of nested sequences."""
    known = all(hasattr(array, name) for name in ('shape', 'dtype', 'ndim'))
    return array if known else np.asarray(array)


def provenance_of(source: str) -> Provenance:
    """This software, the time, and where an image comes from."""
    import torch

    software = (
        f'napari-sft {napari_sft.__version__}',
        f'torch {torch.__version__}',
    )
    return Provenance(software, source, datetime.now(timezone.utc))
