"""Encoding levels and planes into parts: the tiles coded at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.job import Job
from napari_sft.codec.model import CodecModel
from napari_sft.codec.pipeline import (
    Plane,
    encode_plane,
    reconstruct_plane,
)
from napari_sft.codec.pixels import PlanePixels
from napari_sft.codec.refinement import Refine
from napari_sft.codec.synthesis import synthesise_box
from napari_sft.codec.tile_encoder import CodedTile, encode_tiles
from napari_sft.codec.tiles import Box, Grid

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Part:
    """Tiles of one plane that were coded at once.

    Attributes
    ----------
    level, plane : int
        Where they belong.
    coded_map : CodedMap
        Of the plane.
    box : Box
        Their pixels.
    tiles : tuple of CodedTile
    original, picture : callable
        Give their pixels, and what the decoder makes of them, (Y, X) or
        (Y, X, 3) in 0..1.
    """

    level: int
    plane: int
    coded_map: CodedMap
    box: Box
    tiles: tuple[CodedTile, ...]
    original: Callable[[], Plane]
    picture: Callable[[], Plane]


class Steps:
    """Counts work and tells the caller, who may raise to cancel."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self.done = 0

    def each(self, parts: Iterable[Part]) -> Iterator[Part]:
        """The parts, counted."""
        self._tell()
        for part in parts:
            yield part
            self.done += len(part.tiles)
            self._tell()

    def advance(self) -> None:
        """Count a step of work within a tile."""
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            # what columns of tiles share is done, and told, twice
            self._progress(min(self.done, self._total), self._total)


def encoded(
    job: Job, shift: int = 0, refine: Refine | None = None
) -> Iterator[Part]:
    """Encode all levels and planes, their maps shifted by fine units."""
    for level, planes in enumerate(job.levels):
        for plane, coded_map in enumerate(job.maps(shift, level)):
            pixels = job.pixels(plane, level)
            shape = planes.layout.plane_shape
            if job.side:
                grid = Grid(shape, job.side)
                parts = _tiles(job.model, grid, pixels, coded_map, refine)
            else:
                parts = _whole(job.model, shape, pixels, coded_map, refine)
            for box, tiles, picture in parts:
                yield Part(
                    level=level,
                    plane=plane,
                    coded_map=coded_map,
                    box=box,
                    tiles=tiles,
                    original=partial(pixels.read, box),
                    picture=picture,
                )


_Pieces = Iterator[tuple[Box, tuple[CodedTile, ...], Callable[[], Plane]]]


def _tiles(
    model: CodecModel,
    grid: Grid,
    pixels: PlanePixels,
    coded_map: CodedMap,
    refine: Refine | None,
) -> _Pieces:
    for unit in encode_tiles(model, grid, pixels.read, coded_map, refine):
        picture = partial(
            synthesise_box,
            model=model,
            latents=unit.latents,
            around=unit.around,
            box=unit.box,
            coded_map=coded_map,
            grid=grid,
        )
        yield grid.pixels(unit.box), unit.tiles, picture


def _whole(
    model: CodecModel,
    shape: tuple[int, ...],
    pixels: PlanePixels,
    coded_map: CodedMap,
    refine: Refine | None,
) -> _Pieces:
    box = Box(0, shape[0], 0, shape[1])
    coded = encode_plane(model, pixels.read(box), coded_map, refine)
    tile = CodedTile(0, 0, coded.payload, coded.symbols_crc)
    picture = partial(
        reconstruct_plane, model, coded.symbols, coded_map, shape
    )
    yield box, (tile,), picture
