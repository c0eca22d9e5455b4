"""`.sft` files as OME-Zarr 0.5, with pyramid, calibration and windows."""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.errors import SftError
from napari_sft.codec.image import Image
from napari_sft.codec.job import halved
from napari_sft.codec.layout import Layout
from napari_sft.codec.pixels import HalvedImage, pyramid_levels
from napari_sft.ome_metadata import attributes, ome_axes
from napari_sft.regions import Region, Turned, blocks
from napari_sft.sft_image import SftImage
from napari_sft.zarr_writing import write

CHUNK = 1024
MAPS = 'quality'  # the group of quality maps, an array for each level
Codec = Literal['sft', 'zstd']
Progress = Callable[[int, int], None]


def write_ome_zarr(
    path: Path,
    image: SftImage,
    *,
    codec: Codec = 'sft',
    chunk: int = CHUNK,
    pyramid: bool = True,
    progress: Progress | None = None,
) -> None:
    """Write an opened `.sft` file as OME-Zarr, whole or not at all.

    Decoded pixels are coded again, with the file's own quality maps and
    windows; or kept as they are, which takes much more room.

    Parameters
    ----------
    path : Path
        Folder to make.
    image : SftImage
        What to write.
    codec : {'sft', 'zstd'}
        This package's codec, or a lossless one.
    chunk : int
        Height and width of chunks in pixels.
    pyramid : bool
        Whether to add smaller levels if the file holds none.
    progress : callable, optional
        Called with (done, total) chunks; may raise to cancel.

    Raises
    ------
    SftError
        OME-Zarr can't hold the image, or the folder can't be written.
    """
    zarr = _zarr_3()
    order = ome_axes(image.axes)
    levels = _levels(image, chunk, pyramid)
    about = image.info()
    windows = [(lo, hi) for lo, hi in about['windows']]
    shapes = [level.shape for level in levels]
    attrs = attributes(
        image.axes, shapes, image.calibration, windows, image.dtype
    )
    turned = [Turned(level, image.axes, order) for level in levels]
    total = sum(_chunk_count(level.shape, order, chunk) for level in turned)
    done = 0
    with _whole_folder(path) as part:
        group = zarr.create_group(part, attributes=attrs)
        for number, level in enumerate(turned):
            maps = _Maps(image, number, order, about['map'] == 'shared')
            settings = _coding(codec, maps, windows, order, number)
            array = group.create_array(
                str(number),
                shape=level.shape,
                dtype=image.dtype,
                chunks=_chunks(level.shape, order, chunk),
                fill_value=0,
                dimension_names=list(order.replace('S', 'C').lower()),
                **settings,
            )
            if codec == 'sft' and not maps.uniform:
                _write_maps(group, number, maps, chunk)
            _fill(array, level, codec, partial(_tell, progress, done, total))
            done += _chunk_count(level.shape, order, chunk)
    _tell(progress, done, total, 0)


def _zarr_3() -> Any:
    try:
        import zarr
    except ModuleNotFoundError:
        zarr = None
    if not hasattr(zarr, 'create_array'):
        raise SftError(
            'OME-Zarr 0.5 needs zarr 3, and that Python 3.11: pip install '
            '"napari-sft[large]"'
        )
    return zarr


def _levels(image: SftImage, chunk: int, pyramid: bool) -> Sequence[Any]:
    """The image and its smaller levels, as it holds them or made of it."""
    if len(image.levels) > 1 or not pyramid:
        return image.levels
    original = Image.from_array(image, image.axes)
    count = pyramid_levels(original.layout, chunk)
    return (
        image,
        *(_Halved(HalvedImage(original, n + 1)) for n in range(count)),
    )


class _Halved:
    """A smaller level as an array."""

    def __init__(self, image: HalvedImage) -> None:
        self._image = image
        self.shape, self.dtype = image.layout.shape, image.layout.dtype

    def __getitem__(self, region: Region) -> NDArray[Any]:
        layout = self._image.layout
        count = len(layout.stack_shape)
        stack, rows, columns = region[:count], region[count], region[count + 1]
        places = [
            range(n)[part]
            for part, n in zip(stack, layout.shape, strict=False)
        ]
        planes = [
            self._image.plane(layout.plane_of(index), rows, columns)
            for index in _indexes(places)
        ]
        result = np.stack(planes)
        return result.reshape(*map(len, places), *result.shape[1:])


class _Maps:
    """The quality maps of a level, as an array of one value a pixel.

    It has the shape (Y, X) if all planes share one map, or that of the
    level's array without samples.
    """

    def __init__(
        self, image: SftImage, level: int, order: str, shared: bool
    ) -> None:
        self._image = image
        self._level = level
        self._stored = len(image.levels) > 1
        self._layout = Layout(image.axes, image.shape, image.dtype)
        size = dict(zip(image.axes, image.shape, strict=True))
        for axis in 'YX':
            size[axis] = -(-size[axis] // 2**level)
        self._axes = 'YX' if shared else order.replace('S', '')
        self.shape = tuple(size[axis] for axis in self._axes)

    @property
    def uniform(self) -> bool:
        """Whether there is one quality for all."""
        if len(self.shape) > 2 and self._layout.plane_count > 1:
            return False
        return self.coded(0).uniform

    @property
    def first(self) -> float:
        """The quality of the first cell."""
        return float(self.coded(0).quality()[0, 0])

    def coded(self, plane: int) -> CodedMap:
        """The map of a plane as it is stored."""
        if self._stored:
            return self._image.levels[self._level].coded_map(plane)
        return halved(self._image.coded_map(plane), self._level)

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        stack = self._axes[:-2]
        places = [
            range(n)[part] for part, n in zip(region, self.shape, strict=True)
        ]
        rows, columns = (np.asarray(part) // CELL for part in places[-2:])
        maps = []
        for index in _indexes(places[:-2]):
            at = dict(zip(stack, index, strict=True))
            own = [at.get(axis, 0) for axis in self._layout.stack_axes]
            cells = self.coded(self._layout.plane_of(own)).quality()
            maps.append(cells[np.ix_(rows, columns)])
        return np.stack(maps).reshape([len(part) for part in places])


def _indexes(places: Sequence[range]) -> Iterator[tuple[int, ...]]:
    for index in np.ndindex(*map(len, places)):
        yield tuple(p[i] for p, i in zip(places, index, strict=True))


def _coding(
    codec: Codec,
    maps: _Maps,
    windows: Sequence[tuple[float, float]],
    order: str,
    level: int,
) -> dict[str, Any]:
    """How `create_array` is told to code chunks."""
    if codec == 'zstd':
        return {}
    from napari_sft.zarr_v3_codec import SftCodec

    serializer = SftCodec(
        quality=maps.first,
        quality_map=None if maps.uniform else f'{MAPS}/{level}',
        windows=windows,
        axes=order,
    )
    return {'serializer': serializer, 'compressors': None}


def _chunks(shape: Sequence[int], order: str, chunk: int) -> tuple[int, ...]:
    sides = {'Y': chunk, 'X': chunk, 'S': 3}
    return tuple(
        min(sides.get(axis, 1), n)
        for axis, n in zip(order, shape, strict=True)
    )


def _chunk_count(shape: Sequence[int], order: str, chunk: int) -> int:
    steps = zip(shape, _chunks(shape, order, chunk), strict=True)
    return math.prod(-(-n // step) for n, step in steps)


def _write_maps(group: Any, level: int, maps: _Maps, chunk: int) -> None:
    steps = (*(1,) * (len(maps.shape) - 2), chunk, chunk)
    array = group.require_group(MAPS).create_array(
        str(level),
        shape=maps.shape,
        dtype='float32',
        chunks=tuple(map(min, steps, maps.shape)),
    )
    for region in blocks(maps.shape, array.chunks):
        array[region] = maps[region]


def _fill(array: Any, level: Turned, codec: Codec, tell: Progress) -> None:
    if codec == 'sft':
        write(array, level, progress=tell)
        return
    for done, region in enumerate(blocks(level.shape, array.chunks)):
        tell(done, 0)
        array[region] = level[region]


def _tell(
    progress: Progress | None, before: int, total: int, done: int, _: int = 0
) -> None:
    if progress is not None:
        progress(before + done, total)


@contextmanager
def _whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name at the end."""
    part = path.with_name(f'.{path.name[:80]}.{secrets.token_hex(4)}.part')
    try:
        yield part
        if path.exists():
            shutil.rmtree(path)
        os.replace(part, path)
    except OSError as error:
        raise SftError(
            f"can't write {path}: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
