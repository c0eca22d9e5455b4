"""Files of one plane each, made into one file of the whole stack, and back.

Planes that were encoded apart, by other threads or machines, come together
here; nothing is decoded, and no model is needed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, product
from typing import BinaryIO

import numpy as np

from napari_sft.codec.container import (
    Calibration,
    Header,
    Measure,
    Reader,
    Region,
    Statistics,
    TileKey,
    Writer,
)
from napari_sft.codec.errors import SftError
from napari_sft.codec.layout import Layout
from napari_sft.codec.windows import Window

MAX_REGIONS = 64


@dataclass(frozen=True)
class Stack:
    """What the planes make up.

    Attributes
    ----------
    layout : Layout
        Of the whole image.
    windows : tuple of Window
        One for all planes, for each channel, or for each plane.
    calibration : Calibration, optional
        Stored beside the picture.
    shared_map : bool
        Whether all planes have the same quality map.
    """

    layout: Layout
    windows: tuple[Window, ...]
    calibration: Calibration | None = None
    shared_map: bool = True


def merge_planes(
    target: str | os.PathLike[str] | BinaryIO,
    stack: Stack,
    planes: Iterable[bytes],
) -> None:
    """Write a stack, whole or not at all.

    Parameters
    ----------
    target : path or binary file
        Where to write.
    stack : Stack
        What the planes make up.
    planes : iterable of bytes
        The `.sft` file of each plane, in C order, coded alike. The first
        one's provenance is kept.

    Raises
    ------
    SftError
        A plane is missing, or differs from what the others are.
    """
    planes = iter(planes)
    first = next(planes, None)
    if first is None:
        raise SftError('there are no planes to make a stack of')
    leader = Reader(first)
    header = _stack_header(stack, leader.header)
    statistics: list[Statistics | None] = []
    with Writer(
        target,
        header,
        calibration=stack.calibration,
        provenance=leader.provenance,
    ) as writer:
        for number, data in enumerate(chain([first], planes)):
            reader = Reader(data)
            if _stack_header(stack, reader.header) != header:
                raise SftError(
                    f'{stack.layout.describe(number)} was coded otherwise '
                    'than the first: use the same version and weights of '
                    'napari-sft on all machines'
                )
            if not stack.shared_map:
                for level in range(header.levels):
                    packed = _map_of(reader, 0, level)
                    writer.write_map(number, packed, level)
            _copy_tiles(reader, 0, writer, number)
            statistics.append(reader.statistics)
        writer.statistics = merged_statistics(statistics)


def split_plane(reader: Reader, number: int, layout: Layout) -> bytes:
    """One plane of a file as a file of its own.

    Parameters
    ----------
    reader : Reader
        The file of the stack.
    number : int
        Of the plane.
    layout : Layout
        Of the new file, whose only plane has the same shape.

    Raises
    ------
    FormatError
        The plane is damaged.
    """
    header = reader.header
    leading = layout.stack_shape
    count = len(header.layout.stack_shape)
    own = replace(
        header,
        layout=layout,
        windows=(header.window(number),),
        pyramid=tuple((*leading, *s[count:]) for s in header.pyramid),
        map_scope='shared',
        maps=tuple(
            _map_of(reader, number, level) for level in range(header.levels)
        ),
    )
    buffer = io.BytesIO()
    with Writer(buffer, own) as writer:
        _copy_tiles(reader, number, writer, 0)
    return buffer.getvalue()


def merged_statistics(
    planes: Sequence[Statistics | None],
) -> Statistics | None:
    """Of a stack whose planes are equally large; None if one lacks them."""
    present = [plane for plane in planes if plane is not None]
    if len(present) < len(planes):
        return None
    regions = [region for plane in present for region in plane.regions]
    groups = groupby(sorted(regions, key=_quality), _quality)
    merged = [_merged_region(list(group)) for _, group in groups]
    if any(not plane.regions for plane in present):
        merged = []
    return Statistics(
        mse=float(np.mean([plane.mse for plane in present])),
        largest_error=max(plane.largest_error for plane in present),
        ms_ssim=_similarity(present),
        regions=tuple(merged) if len(merged) <= MAX_REGIONS else (),
    )


def _stack_header(stack: Stack, plane: Header) -> Header:
    """The header of the stack that a plane of this header belongs to."""
    leading = stack.layout.stack_shape
    wanted = stack.layout.plane_shape, stack.layout.dtype
    found = plane.layout.plane_shape, plane.layout.dtype
    if found != wanted or plane.layout.plane_count > 1:
        raise SftError(
            f'a plane of shape {plane.layout.shape} and {plane.dtype} does '
            f'not fit into a stack of {wanted[0]} and {wanted[1]}'
        )
    count = len(plane.layout.stack_shape)
    return replace(
        plane,
        layout=stack.layout,
        windows=stack.windows,
        pyramid=tuple((*leading, *s[count:]) for s in plane.pyramid),
        map_scope='shared' if stack.shared_map else 'plane',
        maps=plane.maps if stack.shared_map else (),
    )


def _map_of(reader: Reader, plane: int, level: int) -> bytes:
    packed = reader.map(plane, level)
    if packed is None:
        raise SftError('the file has no quality map for each plane')
    return packed


def _copy_tiles(reader: Reader, number: int, writer: Writer, to: int) -> None:
    """Copy the tiles of a plane, whatever its number becomes."""
    header = reader.header
    for level in range(header.levels):
        rows, cols = header.grid(level)
        for row, col in product(range(rows), range(cols)):
            tile = reader.read_tile(level, number, row, col)
            key = TileKey(level, to, row, col)
            writer.write_tile(key, tile.payload, tile.symbols_crc)


def _quality(region: Region) -> tuple[float, float]:
    return region.quality


def _merged_region(regions: Sequence[Region]) -> Region:
    pixels = [region.pixels for region in regions]
    return Region(
        quality=regions[0].quality,
        pixels=sum(pixels),
        mse=float(np.average([r.mse for r in regions], weights=pixels)),
        largest_error=max(region.largest_error for region in regions),
        ms_ssim=_similarity(regions),
    )


def _similarity(parts: Sequence[Measure]) -> float | None:
    values = [p.ms_ssim for p in parts if p.ms_ssim is not None]
    return float(np.mean(values)) if len(values) == len(parts) else None
