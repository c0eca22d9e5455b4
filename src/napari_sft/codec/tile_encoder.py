"""Encoding a plane tile by tile, as if it were whole, in bounded memory.

The steps of coding follow each other down the plane: y is some rows ahead of
z, and z of the symbols, as far as each looks. So every y and z is computed
once, and the symbols are those of the plane coded as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.model import (
    CodecModel,
    Indices,
    Latents,
    Symbolised,
    Symbols,
)
from napari_sft.codec.pipeline import Plane, entropy_code
from napari_sft.codec.refinement import MARGIN, SIDE, Refine
from napari_sft.codec.rolling import RollingRows
from napari_sft.codec.synthesis import crop_latents
from napari_sft.codec.tiles import (
    CELL_STEPS,
    CELLS,
    Box,
    Grid,
    fine_window,
    pieces_for,
)

if TYPE_CHECKING:
    from torch import Tensor

ReadPixels = Callable[[Box], Plane]


@dataclass(frozen=True)
class CodedTile:
    """A tile as the file holds it."""

    row: int
    col: int
    payload: bytes
    symbols_crc: int


@dataclass(frozen=True)
class CodedUnit:
    """Some tiles that were coded at once.

    Attributes
    ----------
    box : Box
        Their cells.
    tiles : tuple of CodedTile
    latents : Latents
        What the decoder will make of them.
    around : Box
        The cells that the latents cover.
    """

    box: Box
    tiles: tuple[CodedTile, ...]
    latents: Latents
    around: Box


def encode_tiles(
    model: CodecModel,
    grid: Grid,
    read: ReadPixels,
    coded_map: CodedMap,
    refine: Refine | None = None,
) -> Iterator[CodedUnit]:
    """Encode a plane.

    Parameters
    ----------
    model : CodecModel
        The codec model.
    grid : Grid
        The plane and its tiles.
    read : callable
        Values in 0..1, float32 (Y, X) or (Y, X, 3), of a box of pixels.
    coded_map : CodedMap
        Quality of each 16x16 cell of the plane.
    refine : Refine, optional
        Makes y better.

    Yields
    ------
    CodedUnit
        Every tile once.
    """
    column = None
    for box in grid.columns():
        column = _Column(model, grid, read, coded_map, box, column, refine)
        yield from column.units()


class _Column:
    """Some columns of tiles, from top to bottom.

    y and its indices are kept of the rows that are still looked at, z of
    all, because the next column needs that of its left margin.
    """

    def __init__(
        self,
        model: CodecModel,
        grid: Grid,
        read: ReadPixels,
        coded_map: CodedMap,
        box: Box,
        before: _Column | None,
        refine: Refine | None,
    ) -> None:
        self._model = model
        self._grid = grid
        self._read = read
        self._map = coded_map
        self._refine = refine
        self._box = box
        halo, plane = model.halo, grid.plane
        self._pixels = CELL_STEPS * model.window
        self._ahead = halo.context + halo.scales  # z before symbols
        self._z_box = box.grown(self._ahead, plane)
        channels = len(model.z_indices(np.zeros((CELLS, CELLS), np.int32)))
        self._z = np.zeros(
            (channels, *self._z_box.over(CELLS).shape), np.int32
        )
        self._z_left = self._z_box.left
        if before is not None:
            self._z_left = before._z_box.right
            common = self._z_box.meet(before._z_box)
            rows, columns = self._z_part(common)
            self._z[:, rows, columns] = before.z_window(common)
        self._z_bottom = 0
        left = min(self._z_left - halo.hyper, box.left - halo.context)
        right = self._z_box.right + halo.hyper
        around = box.grown(halo.context, plane)
        # what z comes from, around which y is refined
        self._plain: RollingRows[Tensor] = RollingRows(
            max(left, 0), min(right, plane.right), self._analyse, model.window
        )
        self._y = self._plain
        if refine is not None:
            blocks = self._whole_blocks(around)
            self._y = RollingRows(
                blocks.left, blocks.right, self._refined, model.window, SIDE
            )
        self._indices: RollingRows[Indices] = RollingRows(
            around.left, around.right, self._y_indices, self._pixels
        )

    def units(self) -> Iterator[CodedUnit]:
        """Encode the tiles."""
        halo, end = self._model.halo, self._box.bottom
        height, width = self._grid.unit(self._pixels)
        for row in self._box.pieces(height, self._box.right):
            z_bottom = min(row.bottom + self._ahead, end)
            y_bottom = min(z_bottom + halo.hyper, end)
            bottom = min(row.bottom + halo.context, end)
            self._plain.extend(y_bottom)
            if self._y is not self._plain:
                blocks = self._whole_blocks(row._replace(bottom=bottom))
                self._y.extend(blocks.bottom)
            self._extend_z(z_bottom)
            self._indices.extend(bottom)
            for box in row.pieces(height, width):
                yield self._code(box)
            top = row.bottom - halo.context
            self._plain.forget(min(top, z_bottom - halo.hyper))
            if self._y is not self._plain:
                self._y.forget(top)
            self._indices.forget(top)

    def _whole_blocks(self, box: Box) -> Box:
        return box.grown(0, self._grid.plane, SIDE)

    def _refined(self, box: Box) -> Tensor:
        assert self._refine is not None
        window = box.grown(MARGIN, self._grid.plane, CELLS)
        y = self._refine(
            self._read(self._grid.pixels(window)),
            self._analyse(window),
            fine_window(self._map, window),
        )
        rows, columns = box.inside(window)
        return y[..., rows, columns]

    def _analyse(self, box: Box) -> Tensor:
        window = box.grown(self._model.halo.analysis, self._grid.plane)
        picture = self._read(self._grid.pixels(window))
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, 2)
        missing = [
            (0, cells * CELL - n)
            for cells, n in zip(window.shape, picture.shape, strict=False)
        ]
        picture = np.pad(picture, [*missing, (0, 0)], 'edge')
        fine = fine_window(self._map, window)
        rows, columns = box.inside(window)
        return self._model.analyse(picture, fine)[..., rows, columns]

    def _extend_z(self, bottom: int) -> None:
        new = Box(self._z_bottom, bottom, self._z_left, self._z_box.right)
        for box in pieces_for(new, self._pixels):
            window = box.grown(self._model.halo.hyper, self._grid.plane, CELLS)
            z = self._model.hyper_symbols(
                self._plain.window(window), fine_window(self._map, window)
            )
            rows, columns = self._z_part(box)
            inner = box.over(CELLS).inside(window.over(CELLS))
            self._z[:, rows, columns] = z[:, inner[0], inner[1]]
        self._z_bottom = bottom

    def _code(self, box: Box) -> CodedUnit:
        model, plane = self._model, self._grid.plane
        window = box.grown(model.halo.context, plane, CELLS)
        fine = fine_window(self._map, window)
        indices = np.ascontiguousarray(self._indices.window(window))
        y, latents = model.quantise(
            self._y.window(window), self.z_window(window), indices, fine
        )
        tiles = tuple(
            self._tile(row, col, y, indices, window)
            for row, col in self._grid.touched(box)
        )
        around = box.grown(model.halo.synthesis, plane)
        return CodedUnit(
            box, tiles, crop_latents(latents, window, around), around
        )

    def _y_indices(self, box: Box) -> Indices:
        window = box.grown(self._model.halo.scales, self._grid.plane, CELLS)
        indices = self._model.y_indices(
            self.z_window(window), fine_window(self._map, window)
        )
        rows, columns = box.inside(window)
        return indices[:, rows, columns]

    def _tile(
        self, row: int, col: int, y: Symbols, indices: Indices, window: Box
    ) -> CodedTile:
        box = self._grid.box(row, col)
        rows, columns = box.inside(window)
        symbols = Symbolised(
            self.z_window(box),
            y[:, rows, columns],
            self._model.z_indices(fine_window(self._map, box)),
            indices[:, rows, columns],
            (),
        )
        return CodedTile(row, col, *entropy_code(self._model, symbols))

    def z_window(self, box: Box) -> Symbols:
        """z of some cells."""
        rows, columns = self._z_part(box)
        return self._z[:, rows, columns]

    def _z_part(self, box: Box) -> tuple[slice, slice]:
        return box.over(CELLS).inside(self._z_box.over(CELLS))
