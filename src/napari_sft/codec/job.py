"""What is to be encoded, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.container import Calibration, Header, Provenance
from napari_sft.codec.image import Image, Window, denormalise, normalise
from napari_sft.codec.model import CodecModel
from napari_sft.codec.pipeline import Plane, check_size
from napari_sft.codec.pixels import (
    HalvedImage,
    PlanePixels,
    Planes,
    pyramid_levels,
)
from napari_sft.codec.quality import pack, plane_map
from napari_sft.codec.refinement import Refiner, block_count
from napari_sft.codec.tiles import DEFAULT_TILE, check_tile


@dataclass(frozen=True)
class Job:
    """One image to encode, and how.

    Attributes
    ----------
    image : Image
        The picture.
    windows : tuple of Window
        One for each channel.
    quality : number or array
        0..100: for all, (Y, X), or of the image's full shape.
    model : CodecModel
        The codec model.
    calibration, provenance : optional
        Stored beside the picture.
    statistics : bool
        Whether to measure the reconstruction and store its errors.
    target_bytes : int, optional
        Size of the file that is not to be exceeded.
    tile : int
        Side in pixels of the tiles into which larger planes are cut, a
        multiple of 64; 0 never cuts.
    pyramid : bool
        Whether to add levels of half the height and width, down to one that
        fits into a tile.
    refiner : Refiner, optional
        Makes latents better before they are coded.

    Raises
    ------
    ImageError
        If the tiles have an impossible size, or a plane or tile has more
        pixels than readers take at once.
    """

    image: Image
    windows: tuple[Window, ...]
    quality: Any
    model: CodecModel
    calibration: Calibration | None = None
    provenance: Provenance | None = None
    statistics: bool = True
    target_bytes: int | None = None
    tile: int = DEFAULT_TILE
    pyramid: bool = False
    refiner: Refiner | None = None

    def __post_init__(self) -> None:
        check_tile(self.tile)
        height, width = self.image.layout.plane_shape[:2]
        side = self.side or max(height, width)
        check_size((min(height, side), min(width, side)))

    @property
    def side(self) -> int:
        """Side of the tiles; 0 if each plane is one."""
        size = self.image.layout.plane_shape[:2]
        return self.tile if max(size) > self.tile else 0

    @cached_property
    def levels(self) -> tuple[Planes, ...]:
        """The image and the smaller ones made of it."""
        count = 0
        if self.pyramid:
            tile = self.tile or DEFAULT_TILE
            count = pyramid_levels(self.image.layout, tile)
        halved = (HalvedImage(self.image, n + 1) for n in range(count))
        return (self.image, *halved)

    @property
    def tile_count(self) -> int:
        """Number of tiles of all levels."""
        return self.header(()).tile_count

    @property
    def refining_steps(self) -> int:
        """How often the refiner tells that it goes on."""
        if self.refiner is None:
            return 0
        blocks = sum(
            level.layout.plane_count * block_count(level.layout.plane_shape)
            for level in self.levels
        )
        return blocks * self.refiner.steps

    @property
    def shared_map(self) -> bool:
        """Whether one map holds for every plane."""
        stacked = np.ndim(self.quality) > 2
        return not (stacked and self.image.layout.plane_count > 1)

    def maps(self, shift: int = 0, level: int = 0) -> Iterator[CodedMap]:
        """The coded map of each plane of a level, shifted by fine units."""
        layout = self.image.layout
        first = None
        for plane in range(layout.plane_count):
            if first is None or not self.shared_map:
                first = plane_map(self.quality, layout, plane).shifted(shift)
                first = halved(first, level)
            yield first

    def pixels(self, plane: int, level: int = 0) -> PlanePixels:
        """A plane, to be read by parts."""
        return PlanePixels(self.levels[level], plane, self.window(plane))

    def window(self, plane: int) -> Window:
        """The value window of a plane."""
        return self.windows[self.image.layout.channel_of(plane)]

    def decoded(self, plane: int, picture: Plane) -> NDArray[np.float32]:
        """What the reader of the file gets, mapped to 0..1 again."""
        window, dtype = self.window(plane), self.image.layout.dtype
        return normalise(denormalise(picture, window, dtype), window)

    def header(self, maps: tuple[CodedMap, ...]) -> Header:
        """The header of the file, with the shared map of each level."""
        side = self.side
        return Header(
            model=self.model.name,
            weights=self.model.weights_hash,
            layout=self.image.layout,
            windows=self.windows,
            tile=side,
            halo=self.model.halo.decoding * CELL if side else 0,
            pyramid=tuple(level.layout.shape for level in self.levels[1:]),
            map_scope='shared' if maps else 'plane',
            maps=tuple(map(pack, maps)),
            colours=self.model.colours,
        )


def halved(coded_map: CodedMap, level: int) -> CodedMap:
    """The map of a level of a pyramid."""
    for _ in range(level):
        coded_map = coded_map.halved()
    return coded_map
