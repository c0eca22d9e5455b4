"""Writing an image into a Zarr array of coded chunks, each chunk once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_sft.codec.errors import ImageError, MapError, SftError
from napari_sft.ngff.chunks import ChunkCoder, ChunkPlace, chunk_place
from napari_sft.regions import Region, blocks


def write(
    array: Any,
    image: Any,
    *,
    quality_map: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write all of an array, chunk by chunk.

    Parameters
    ----------
    array : zarr.Array
        Of format 2 or 3, with this package's codec.
    image : array
        Of the same shape; numpy, dask, zarr, or an opened `.sft` file. Only
        the regions of one chunk are read at a time.
    quality_map : array, optional
        Qualities 0..100, (Y, X) or of the array's shape without samples. By
        default the one that the codec's `quality_map` names, if it does.
    progress : callable, optional
        Called with (done, total) chunks; may raise to cancel.

    Raises
    ------
    SftError
        The array has another codec or shape, or what can't be coded.
    """
    coder = coder_of(array)
    shape = tuple(array.shape)
    if tuple(image.shape) != shape:
        raise ImageError(
            f'the image has the shape {tuple(image.shape)}, the array {shape}'
        )
    axes = coder.axes_of(shape, array.dtype)
    if quality_map is None and coder.quality_map is not None:
        quality_map = sibling(array, coder.quality_map)
    if quality_map is not None:
        _check_map(quality_map, axes, shape)
    regions = list(blocks(shape, array.chunks))
    for done, region in enumerate(regions):
        if progress is not None:
            progress(done, len(regions))
        block = np.asarray(image[region])
        place = ChunkPlace(
            block.shape,
            _map_part(quality_map, axes, region),
            _windows_part(coder, axes, region, shape),
        )
        with chunk_place(place):
            array[region] = block
    if progress is not None:
        progress(len(regions), len(regions))


def coder_of(array: Any) -> ChunkCoder:
    """How an array codes its chunks; SftError if by another codec."""
    if hasattr(array, 'serializer'):  # zarr 3
        codecs = (array.serializer, *array.compressors)
    else:
        codecs = (array.compressor,)
    for codec in codecs:
        coder = getattr(codec, 'coder', None)
        if isinstance(coder, ChunkCoder):
            return coder
    raise SftError(
        f'the array {array.path!r} is not coded by napari_sft; give '
        'serializer=SftCodec() when creating it (compressors= in format 2)'
    )


def sibling(array: Any, path: str) -> Any:
    """The array at a path that starts at the group of another array."""
    import zarr

    folder = array.path.rpartition('/')[0]
    place = f'{folder}/{path}'.strip('/')
    try:
        return zarr.open_array(array.store, path=place, mode='r')
    except (OSError, ValueError, KeyError) as error:
        raise MapError(
            f'there is no quality map {place!r} beside the array: {error}'
        ) from None


def _check_map(quality_map: Any, axes: str, shape: tuple[int, ...]) -> None:
    size = dict(zip(axes, shape, strict=True))
    full = tuple(size[axis] for axis in axes if axis != 'S')
    planar = (size['Y'], size['X'])
    if tuple(quality_map.shape) not in (full, planar):
        raise MapError(
            f'quality map has the shape {tuple(quality_map.shape)}; give '
            f'{planar} for all planes, or {full}'
        )


def _map_part(quality_map: Any, axes: str, region: Region) -> Any:
    """The map of a chunk: (Y, X), or along the chunk's axes but S."""
    if quality_map is None:
        return None
    at = dict(zip(axes, region, strict=True))
    planar = len(quality_map.shape) == 2
    order = 'YX' if planar else axes.replace('S', '')
    return np.asarray(quality_map[tuple(at[axis] for axis in order)])


def _windows_part(
    coder: ChunkCoder, axes: str, region: Region, shape: tuple[int, ...]
) -> Any:
    if isinstance(coder.windows, str) or len(coder.windows) == 1:
        return None
    at = axes.find('C')
    count = 1 if at < 0 else shape[at]
    if len(coder.windows) != count:
        raise SftError(
            f'{len(coder.windows)} value windows for an array of {count} '
            'channels; give one, or one for each'
        )
    return coder.windows[region[at]]
