"""Ordinary image files as arrays and back: pillow's formats and TIFF."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sft.codec.errors import ImageError, MapError, SftError
from napari_sft.codec.quality import from_gray, resample
from napari_sft.picture import Picture, is_zarr
from napari_sft.tiff_files import read_tiff, write_tiff

if TYPE_CHECKING:
    from PIL import Image

    from napari_sft.codec.layout import Layout

TIFF = ('.tif', '.tiff')
PICTURES = (
    *('.png', '.jpg', '.jpeg', '.webp', '.avif', '.jp2'),
    *('.bmp', '.gif', '.ppm', '.pgm', '.tga'),
)
# Settings that lose little or nothing of what was decoded.
_SAVING: dict[str, dict[str, Any]] = {
    'JPEG': {'quality': 95, 'subsampling': 0},
    'WEBP': {'lossless': True},
    'AVIF': {'quality': 95},
}
_FILMS = ('GIF', 'WEBP', 'PNG', 'AVIF')


def find_pictures(folder: Path) -> list[Path]:
    """The image files and Zarr folders in a folder, sorted by path."""
    known = {*PICTURES, *TIFF}
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in known or is_zarr(path)
    )


def read_picture(
    path: Path, *, alpha: Literal['refuse', 'drop'] = 'refuse'
) -> Picture:
    """Read an image file.

    Parameters
    ----------
    path : Path
        A TIFF or Zarr of any dtype and number of axes, or what pillow reads.
    alpha : {'refuse', 'drop'}
        What to do with transparency; an alpha channel that is opaque
        everywhere is dropped in any case.

    Raises
    ------
    ImageError
        It can't be read, or says more than an array can hold.
    """
    try:
        if is_zarr(path):
            from napari_sft.ngff.reading import open_zarr

            return open_zarr(path).picture
        if path.suffix.lower() in TIFF:
            return read_tiff(path)
        return _read_with_pillow(path, alpha)
    except SftError:
        raise
    except OSError as error:
        reason = error.strerror or 'it is damaged or no image file'
        raise ImageError(f"can't read {path}: {reason}") from error
    # Decoders raise whatever they like on damaged files.
    except Exception as error:
        reason = str(error).partition('\n')[0] or type(error).__name__
        raise ImageError(f"can't read {path}: {reason}") from error


def read_map(
    path: Path, shape: tuple[int, int], *, stretch: bool = False
) -> np.ndarray:
    """Read a quality map from an 8-bit gray picture, 0..255 for 0..100.

    Parameters
    ----------
    path : Path
        Colour pictures will do if all samples of each pixel are equal.
    shape : (int, int)
        Height and width that the map must have.
    stretch : bool
        Whether to resample a map of another size.

    Returns
    -------
    ndarray of float32, `shape`
        Qualities 0..100.

    Raises
    ------
    MapError
        The map isn't 8-bit gray or has another size.
    """
    with _opened(path) as picture:
        if picture.mode[0] in 'IF':
            raise MapError(
                f'map {path} has more than 8 bits (pillow mode '
                f'{picture.mode}); save it as 8-bit gray'
            )
        samples = np.asarray(picture.convert('RGB'))
    gray = samples[..., 0]
    if (samples != gray[..., None]).any():
        raise MapError(f'map {path} has colours; save it as 8-bit gray')
    if gray.shape != shape and not stretch:
        raise MapError(
            f'map {path} has {gray.shape[1]}x{gray.shape[0]} pixels, the '
            f'image has {shape[1]}x{shape[0]}; resize the map, or give '
            '--resize-map'
        )
    quality = from_gray(gray)
    return quality if gray.shape == shape else resample(quality, shape)


def natural_suffix(layout: Layout) -> str:
    """'.png' where that holds the image as it is, otherwise '.tif'."""
    if layout.stack_axes:
        return '.tif'
    if layout.dtype == np.uint8:
        return '.png'
    gray16 = layout.dtype == np.uint16 and not layout.rgb
    return '.png' if gray16 else '.tif'


def write_picture(
    path: Path,
    data: Any,
    axes: str,
    *,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    translate: Mapping[str, float] | None = None,
    name: str = '',
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write an image file, whole or not at all; its suffix says which kind.

    Parameters
    ----------
    path : Path
        Where to write.
    data : array
        8-bit planes for pillow's formats, also 16-bit gray for PNG; any
        dtype and number of axes for TIFF. An opened `.sft` file or another
        array-like goes into a TIFF piece by piece.
    axes : str
        A letter for each axis, in the order of the array.
    scale, units, translate : mapping of axis to value, optional
        Written into TIFF, as is the name.
    name : str
        The image's own.
    progress : callable, optional
        Called with (done, total) pieces of an array-like; may raise to
        cancel.

    Raises
    ------
    ImageError
        The format can't hold the image, or isn't known.
    SftError
        The file can't be written.
    """
    check_format(path, data.dtype, axes)
    with whole_file(path) as part:
        if path.suffix.lower() in TIFF:
            picture = Picture(
                data, axes, scale or {}, units or {}, translate or {}, name
            )
            write_tiff(part, picture, progress)
        else:
            from PIL import Image

            kind = _format_of(path)
            image = Image.fromarray(np.asarray(data))
            image.save(part, format=kind, **_SAVING.get(kind, {}))


def check_format(path: Path, dtype: np.dtype[Any], axes: str) -> None:
    """Raise ImageError unless a file of this suffix can hold the image."""
    suffix = path.suffix.lower()
    if suffix in TIFF:
        return
    kind = _format_of(path)
    if len(axes.replace('S', '')) > 2:
        raise ImageError(
            f"{path.name}: {kind} can't hold the axes {axes}; write a .tif"
        )
    gray16 = kind == 'PNG' and axes == 'YX' and dtype == np.uint16
    if dtype != np.uint8 and not gray16:
        raise ImageError(
            f"{path.name}: {kind} can't hold "
            f'{"RGB" if "S" in axes else "gray"} of {dtype}; write a .tif'
        )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name at the end."""
    part = path.with_name(
        f'.{path.stem[:80]}.{secrets.token_hex(4)}{path.suffix}'
    )
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise SftError(
            f"can't write {path}: {error.strerror or error}"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _format_of(path: Path) -> str:
    from PIL import Image

    kind = Image.registered_extensions().get(path.suffix.lower(), '')
    if kind not in Image.SAVE:
        raise ImageError(
            f"{path.name}: can't write files of the kind "
            f'{path.suffix or "without suffix"!r}; use .png, .jpg, .webp '
            'or .tif'
        )
    return kind


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            yield picture
    except Image.DecompressionBombError:
        raise ImageError(
            f"can't read {path}: it has too many pixels for pillow; convert "
            'it to .tif'
        ) from None
    except OSError as error:
        reason = error.strerror or 'it is damaged or no image file'
        raise ImageError(f"can't read {path}: {reason}") from None


def _read_with_pillow(path: Path, alpha: str) -> Picture:
    from PIL import ImageOps

    with _opened(path) as picture:
        _refuse_deep_colour(path, picture)
        frames = getattr(picture, 'n_frames', 1)
        if frames == 1 or picture.format not in _FILMS:
            # Turned as its EXIF says: what turns it is not kept.
            upright = ImageOps.exif_transpose(picture)
            data = _pixels(path, upright, alpha)
            return Picture(data, 'YXS' if data.ndim == 3 else 'YX')
        stack = []
        for number in range(frames):
            picture.seek(number)
            stack.append(_pixels(path, picture.convert('RGBA'), alpha))
        return Picture(np.stack(stack), 'TYXS')


def _pixels(path: Path, picture: Image.Image, alpha: str) -> np.ndarray:
    """(Y, X) or (Y, X, 3) in the picture's own depth."""
    mode = picture.mode
    if mode == 'P':
        mode = 'RGBA' if picture.has_transparency_data else 'RGB'
    if mode in ('RGBA', 'LA', 'PA', 'RGBa', 'La') or (
        'transparency' in picture.info
    ):
        gray = mode in ('L', 'LA', 'La')
        samples = np.asarray(picture.convert('LA' if gray else 'RGBA'))
        if alpha != 'drop' and (samples[..., -1] < 255).any():
            raise ImageError(
                f'{path} has transparent pixels, which .sft files do not '
                'hold; give --alpha drop (alpha="drop" in Python)'
            )
        return samples[..., 0] if gray else samples[..., :3]
    if mode in ('1', 'L', 'F', 'RGB') or mode.startswith('I;16'):
        data = np.asarray(picture)
        return data.astype(data.dtype.newbyteorder('='))
    if mode == 'I':
        data = np.asarray(picture)
        # Older versions of pillow open 16-bit PNG and PGM in this mode.
        small = data.min() >= 0 and data.max() < 1 << 16
        return data.astype(np.uint16) if small else data
    return np.asarray(picture.convert('RGB'))


def _refuse_deep_colour(path: Path, picture: Image.Image) -> None:
    """Pillow reads 16-bit colour as 8 bits; better to say so."""
    if picture.format != 'PNG':
        return
    with path.open('rb') as file:
        header = file.read(26)
    depth, colour = header[24], header[25]
    if depth == 16 and colour != 0:
        raise ImageError(
            f'{path} is a PNG of 16-bit colour, of which pillow reads 8 '
            'bits; convert it to .tif'
        )
