"""`.sft` files as OME-Zarr 0.5, with pyramid, calibration and windows."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sft.codec.container import Reader
from napari_sft.codec.errors import SftError
from napari_sft.codec.layout import Layout, canonical
from napari_sft.codec.merging import split_plane
from napari_sft.ngff.array_writing import write
from napari_sft.ngff.attributes import attributes, ome_axes
from napari_sft.ngff.chunks import ChunkPlace, chunk_place
from napari_sft.ngff.levels import LevelMaps, levels_of
from napari_sft.regions import Turned, blocks
from napari_sft.sft_image import SftImage

CHUNK = 1024
MAPS = 'quality'  # the group of quality maps, an array for each level
Codec = Literal['sft', 'zstd']
Progress = Callable[[int, int], None]


def write_ome_zarr(
    path: Path,
    source: Path,
    *,
    codec: Codec = 'sft',
    chunk: int = CHUNK,
    pyramid: bool = True,
    device: str = 'auto',
    progress: Progress | None = None,
) -> None:
    """Write an `.sft` file as OME-Zarr, whole or not at all.

    Planes that fit into a chunk move over as they are coded. Larger ones are
    decoded and coded again, with the file's own quality maps and windows; or
    kept as decoded, which takes much more room.

    Parameters
    ----------
    path : Path
        Folder to make.
    source : Path
        File to read.
    codec : {'sft', 'zstd'}
        This package's codec, or a lossless one.
    chunk : int
        Height and width of chunks in pixels.
    pyramid : bool
        Whether to add smaller levels if the file holds none.
    device : str
        Where to decode and encode.
    progress : callable, optional
        Called with (done, total) chunks; may raise to cancel.

    Raises
    ------
    SftError
        OME-Zarr can't hold the image, or the folder can't be written.
    """
    zarr = _zarr_3()
    with SftImage(source, device=device) as image, Reader(source) as reader:
        about, order = image.info(), ome_axes(image.axes)
        levels = levels_of(image, chunk, pyramid)
        windows = [(lo, hi) for lo, hi in about['windows']]
        shapes = [level.shape for level in levels]
        attrs = attributes(
            image.axes, shapes, image.calibration, windows, image.dtype
        )
        size = reader.header.size()
        as_coded = codec == 'sft' and len(levels) == 1 and max(size) <= chunk
        steps = _Steps(progress)
        with _whole_folder(path) as part:
            group = zarr.create_group(part, attributes=attrs)
            for number, level in enumerate(levels):
                turned = Turned(level, image.axes, order)
                maps = LevelMaps(
                    image, number, order, about['map'] == 'shared'
                )
                settings: dict[str, Any] = {}
                if codec == 'sft':
                    weights = about['weights'] if as_coded else ''
                    settings = _coding(
                        maps, windows, order, number, about['model'], weights
                    )
                array = group.create_array(
                    str(number),
                    shape=turned.shape,
                    dtype=image.dtype,
                    chunks=_chunks(turned.shape, order, chunk),
                    fill_value=0,
                    dimension_names=list(order.replace('S', 'C').lower()),
                    **settings,
                )
                if codec == 'sft' and not maps.uniform:
                    _write_maps(group, number, maps, chunk)
                if as_coded:
                    _move_planes(array, reader, order, steps)
                elif codec == 'sft':
                    write(array, turned, progress=steps)
                else:
                    _write_plain(array, turned, steps)


class _Steps:
    """Counts chunks of all levels; the total grows with each level."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._before = 0

    def __call__(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(self._before + done, self._before + total)
        if done == total:
            self._before += total


def _move_planes(
    array: Any, reader: Reader, order: str, steps: _Steps
) -> None:
    """Put the planes of a file into an array of one chunk each."""
    layout = reader.header.layout
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    axes = canonical(order)
    one = tuple(sizes[axis] if axis in 'YXS' else 1 for axis in axes)
    chunk = Layout(axes, one, layout.dtype)
    for number in range(layout.plane_count):
        steps(number, layout.plane_count)
        index = layout.index_of(number)
        at = dict(zip(layout.stack_axes, index, strict=True))
        region = tuple(
            slice(at[axis], at[axis] + 1) if axis in at else slice(None)
            for axis in order
        )
        encoded = split_plane(reader, number, chunk)
        shape = tuple(1 if a in at else sizes[a] for a in order)
        with chunk_place(ChunkPlace(shape, encoded=encoded)):
            # The pixels stand for what is in the chunk already.
            array[region] = np.ones(shape, layout.dtype)
    steps(layout.plane_count, layout.plane_count)


def _write_plain(array: Any, level: Turned, steps: _Steps) -> None:
    regions = list(blocks(level.shape, array.chunks))
    for done, region in enumerate(regions):
        steps(done, len(regions))
        array[region] = level[region]
    steps(len(regions), len(regions))


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


def _coding(
    maps: LevelMaps,
    windows: Sequence[tuple[float, float]],
    order: str,
    level: int,
    model: str,
    weights: str,
) -> dict[str, Any]:
    """How `create_array` is told to code chunks."""
    from napari_sft.ngff.zarr_v3_codec import SftCodec

    serializer = SftCodec(
        quality=maps.first,
        quality_map=None if maps.uniform else f'{MAPS}/{level}',
        windows=windows,
        axes=order,
        model=model,
        weights=weights,
    )
    return {'serializer': serializer, 'compressors': None}


def _chunks(shape: Sequence[int], order: str, chunk: int) -> tuple[int, ...]:
    sides = {'Y': chunk, 'X': chunk, 'S': 3}
    return tuple(
        min(sides.get(axis, 1), n)
        for axis, n in zip(order, shape, strict=True)
    )


def _write_maps(group: Any, level: int, maps: LevelMaps, chunk: int) -> None:
    steps = (*(1,) * (len(maps.shape) - 2), chunk, chunk)
    array = group.require_group(MAPS).create_array(
        str(level),
        shape=maps.shape,
        dtype='float32',
        chunks=tuple(map(min, steps, maps.shape)),
    )
    for region in blocks(maps.shape, array.chunks):
        array[region] = maps[region]


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
