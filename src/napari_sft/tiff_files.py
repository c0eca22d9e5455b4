"""TIFF files as arrays with axes, scale and units, and back."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_sft.codec.errors import ImageError
from napari_sft.picture import Picture
from napari_sft.regions import PIECE, blocks, pieces
from napari_sft.tiff_calibration import ome_metadata, present, read_notes

LARGE = 1 << 26  # bytes from which on pixels are read when they are needed
_OME_DTYPES = {
    *('int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'),
    *('float32', 'float64'),
}


def read_tiff(path: Path) -> Picture:
    """Read the first series of a TIFF; as `read_picture`.

    Large ones are mapped into memory, or read by their tiles or strips if
    they are compressed and zarr is installed.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        photometric = series.keyframe.photometric
        if photometric == tifffile.PHOTOMETRIC.PALETTE:
            raise ImageError(
                f'{path} is a TIFF with a palette; convert it to RGB'
            )
        inverted = photometric == tifffile.PHOTOMETRIC.MINISWHITE
        data = None if inverted else _lazy(path, series)
        if data is None:
            data = series.asarray()
        if inverted:
            data = _inverted(path, data)
        axes = _plain_axes(series.axes.upper(), data.shape)
        notes = read_notes(file)
    return Picture(
        data,
        axes,
        present(notes.scale, axes),
        present(notes.units, axes),
        present(notes.translate, axes),
        notes.name,
    )


def write_tiff(
    path: Path,
    picture: Picture,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a TIFF: plain for a plane, OME-TIFF if there is more to say.

    Parameters
    ----------
    path : Path
        Where to write.
    picture : Picture
        Its data may be any array-like with `chunks`, of which only some rows
        of chunks are then held in memory.
    progress : callable, optional
        Called with (done, total) pieces; may raise to cancel.
    """
    import tifffile

    data, axes = picture.data, picture.axes
    fits = set(axes) <= set('TZCYXS') and data.dtype.name in _OME_DTYPES
    more = (
        len(axes.replace('S', '')) > 2
        or picture.scale
        or picture.units
        or picture.name
    )
    ome = bool(fits and more)
    settings: dict[str, Any] = {
        'photometric': 'rgb' if axes.endswith('S') else 'minisblack',
        'metadata': ome_metadata(picture) if ome else {'axes': axes},
        'ome': ome,
    }
    if isinstance(data, np.ndarray):
        tifffile.imwrite(path, data, **settings)
        return
    side = _tile_side(data, axes)
    if side:
        settings['tile'] = (side, side)
    tifffile.imwrite(
        path,
        _parts(picture, side, progress),
        shape=tuple(data.shape),
        dtype=data.dtype,
        **settings,
    )


def _tile_side(data: Any, axes: str) -> int:
    """Side of the TIFF's tiles, a part of the array's own; 0 = no tiles."""
    chunks = getattr(data, 'chunks', None)
    size = dict(zip(axes, data.shape, strict=True))
    if chunks is None or size['Y'] * size['X'] <= PIECE:
        return 0
    side = math.gcd(dict(zip(axes, chunks, strict=True))['Y'], 1024)
    return 0 if side % 16 else side


def _parts(
    picture: Picture,
    side: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[np.ndarray]:
    """Planes, or their tiles row by row, as tifffile wants them."""
    data, axes = picture.data, picture.axes
    regions = pieces(axes, data.shape, data.chunks if side else None)
    for done, region in enumerate(regions):
        if progress is not None:
            progress(done, len(regions))
        piece = np.asarray(data[region])
        piece = piece.reshape(piece.shape[axes.index('Y') :])
        step = (side, side, 3) if side else piece.shape
        for part in blocks(piece.shape, step[: piece.ndim]):
            yield piece[part]


def _lazy(path: Path, series: Any) -> Any:
    """The pixels of a large file, none of them read; None if it is small."""
    import tifffile

    if series.nbytes < LARGE:
        return None
    if series.dataoffset is not None:
        return tifffile.memmap(path, mode='r', series=0, level=0)
    if find_spec('zarr') is None:
        return None
    import zarr

    try:
        store = tifffile.imread(path, aszarr=True, series=0, level=0)
    except (ImportError, ValueError):  # it wants another zarr than there is
        return None
    array = zarr.open_array(store, mode='r')
    weakref.finalize(array, store.close)
    return array


def _inverted(path: Path, data: np.ndarray) -> np.ndarray:
    if data.dtype.kind != 'u':
        raise ImageError(
            f'{path} is a TIFF of {data.dtype} in which low is white; invert '
            'it first'
        )
    return np.iinfo(data.dtype).max - data


def _plain_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Samples that are no RGB are channels."""
    if 'S' in axes and shape[axes.index('S')] not in (3, 4):
        return axes.replace('S', 'Q' if 'C' in axes else 'C')
    return axes
