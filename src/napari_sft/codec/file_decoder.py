"""Decoding any part of a file: what is shared by its levels and planes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.cache import Cache
from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.colours import TurnedModel
from napari_sft.codec.errors import FormatError, ImageError, VersionError
from napari_sft.codec.header import TileKey
from napari_sft.codec.image import Layout, denormalise
from napari_sft.codec.map_coding import is_uniform, unpack
from napari_sft.codec.model import CodecModel
from napari_sft.codec.pipeline import (
    check_size,
    parse_plane,
    reconstruct_plane,
)
from napari_sft.codec.reader import Reader
from napari_sft.codec.tile_decoder import Payload, SymbolCaches, TileDecoder
from napari_sft.codec.tiles import BLOCK, CELL_STEPS, Box, Grid

MAX_CELLS = 1 << 26  # of a map that is not uniform: 17 gigapixels
PICTURE_BYTES = 64 << 20
MAP_BYTES = 64 << 20


class FileDecoder:
    """Decodes pixels of an open file; threads may share it.

    Decoded tiles, symbols and maps are kept as long as there is room.

    Parameters
    ----------
    reader : Reader
        The file.
    load_model : callable
        Gives the model, with the weights that the file was made with.

    Raises
    ------
    VersionError
        If the file uses what this version does not read.
    FormatError
        If its tiles are impossible.
    """

    def __init__(
        self, reader: Reader, load_model: Callable[[], CodecModel]
    ) -> None:
        header = reader.header
        if header.map_scope not in ('shared', 'plane'):
            raise VersionError(
                f'the map scope of the file is {header.map_scope!r}, which '
                'this version does not read: install a newer napari-sft'
            )
        if header.tile % BLOCK:
            raise FormatError(
                f'tiles of {header.tile} pixels are no multiple of {BLOCK}; '
                'the file is damaged'
            )
        self._reader = reader
        self._load_given = load_model
        self._symbols = SymbolCaches()
        self._maps: Cache[CodedMap] = Cache(
            MAP_BYTES, lambda coded_map: coded_map.nbytes
        )
        self._pictures: Cache[NDArray[Any]] = Cache(
            PICTURE_BYTES, lambda picture: picture.nbytes
        )

    def _load_model(self) -> CodecModel:
        model, colours = self._load_given(), self._reader.header.colours
        return model if colours is None else TurnedModel(model, colours)

    def layout(self, level: int) -> Layout:
        """Axes, shape and dtype of a level."""
        return self._reader.header.level(level)

    def coded_map(self, level: int, plane: int) -> CodedMap:
        """The quality map of a plane."""
        shared = self._reader.header.map_scope == 'shared'
        return self._maps.get(
            (level, 0 if shared else plane),
            lambda: self._unpack_map(level, plane),
        )

    def _unpack_map(self, level: int, plane: int) -> CodedMap:
        packed = self._reader.map(plane, level)
        if packed is None:
            raise FormatError('the file has no quality map')
        height, width = self._reader.header.size(level)
        grid = -(-height // CELL), -(-width // CELL)
        if grid[0] * grid[1] > MAX_CELLS and not is_uniform(packed):
            raise ImageError(
                f'a quality map of {grid[0]} x {grid[1]} cells is more than '
                f'the limit of {MAX_CELLS}: the image is too large'
            )
        return unpack(packed, grid)

    def check_size(self, level: int = 0) -> None:
        """Raise ImageError if a tile has more pixels than memory allows."""
        height, width = self._reader.header.size(level)
        tile = self._reader.header.tile or max(height, width)
        check_size((min(height, tile), min(width, tile)))

    def boxes(self, level: int, box: Box) -> Iterator[Box]:
        """Parts of some pixels of a plane, in the order to decode them.

        None has more pixels than the model takes at once, but for planes
        that are one tile.
        """
        grid = self._grid(level)
        pixels = self._load_model().window if grid else 0
        if grid is None or box.area <= pixels:
            yield box
            return
        height, width = grid.unit(CELL_STEPS * pixels)
        for column in grid.columns():
            for unit in column.pieces(height, width):
                part = grid.pixels(unit).meet(box)
                if part.top < part.bottom and part.left < part.right:
                    yield part

    def pixels(self, level: int, plane: int, box: Box) -> NDArray[Any]:
        """Decode some pixels of a plane, best one of `boxes`.

        Returns
        -------
        ndarray of the image's dtype
            (Y, X) or (Y, X, 3).

        Raises
        ------
        FormatError
            If the file is damaged.
        ImageError
            If a tile is too large.
        ModelError
            If the model or its weights are not installed.
        """
        self.check_size(level)
        grid = self._grid(level)
        if grid is None:
            height, width = self._reader.header.size(level)
            whole = Box(0, height, 0, width)
            make = partial(self._whole, level, plane)
            picture = self._pictures.get((level, plane), make)
            return picture[box.inside(whole)]
        for row, col in grid.touched(grid.cells(box)):
            tile = grid.pixels(grid.box(row, col))
            part = tile.meet(box)
            if part == box:
                return self._of_tile(level, plane, row, col, box)
        return self._decode(level, plane, grid, box)

    def check_symbols(self, key: TileKey) -> None:
        """Decode the symbols of a tile, but no pixels.

        Raises
        ------
        FormatError
            If they are not those that were encoded.
        ImageError, ModelError
            As in `pixels`.
        """
        self.check_size(key.level)
        decoder = self._tiles(key.level, key.plane, self._any_grid(key.level))
        decoder.tile_symbols(key.row, key.col)

    def symbol_bits(self, level: int, plane: int) -> float:
        """Ideal code length of a plane's symbols by the coder's tables.

        Raises
        ------
        FormatError, ImageError, ModelError
            As in `pixels`.
        """
        self.check_size(level)
        grid = self._any_grid(level)
        decoder = self._tiles(level, plane, grid)
        return sum(decoder.tile_bits(*at) for at in grid.touched(grid.plane))

    def _of_tile(
        self, level: int, plane: int, row: int, col: int, box: Box
    ) -> NDArray[Any]:
        """Pixels of one tile; most of it is worth decoding all of it."""
        grid = self._grid(level)
        assert grid is not None
        tile = grid.pixels(grid.box(row, col))
        key = (level, plane, row, col)
        picture = self._pictures.peek(key)
        if picture is None and 2 * box.area < tile.area:
            return self._decode(level, plane, grid, box)
        make = partial(self._decode, level, plane, grid, tile)
        return self._pictures.get(key, make)[box.inside(tile)]

    def _grid(self, level: int) -> Grid | None:
        """The tiles of a level's planes; None if each is one."""
        tile = self._reader.header.tile
        return Grid(self.layout(level).plane_shape, tile) if tile else None

    def _any_grid(self, level: int) -> Grid:
        """The tiles of a level's planes, be it one."""
        shape = self.layout(level).plane_shape
        longest = max(shape[:2])
        return self._grid(level) or Grid(shape, longest + -longest % BLOCK)

    def _decode(
        self, level: int, plane: int, grid: Grid, box: Box
    ) -> NDArray[Any]:
        decoder = self._tiles(level, plane, grid)
        cells = grid.cells(box)
        picture = decoder.picture(cells)[box.inside(grid.pixels(cells))]
        return self._values(level, plane, picture)

    def _tiles(self, level: int, plane: int, grid: Grid) -> TileDecoder:
        return TileDecoder(
            self._load_model(),
            grid,
            self.coded_map(level, plane),
            partial(self._payload, level, plane),
            self._symbols,
            (level, plane),
        )

    def _whole(self, level: int, plane: int) -> NDArray[Any]:
        """A plane that is one tile."""
        model = self._load_model()
        payload = self._payload(level, plane, 0, 0)
        coded_map = self.coded_map(level, plane)
        symbols = parse_plane(
            model,
            payload.data,
            payload.symbols_crc,
            coded_map,
            payload.where,
        )
        shape = self.layout(level).plane_shape
        picture = reconstruct_plane(model, symbols, coded_map, shape)
        return self._values(level, plane, picture)

    def _values(
        self, level: int, plane: int, picture: NDArray[np.float32]
    ) -> NDArray[Any]:
        window = self._reader.header.window(plane, level)
        values = denormalise(picture, window, self.layout(level).dtype)
        values.flags.writeable = False  # it may be shared
        return values

    def _payload(self, level: int, plane: int, row: int, col: int) -> Payload:
        tile = self._reader.read_tile(*TileKey(level, plane, row, col))
        where = self.layout(level).describe(plane)
        if self._reader.header.tile:
            where += f', tile at row {row}, column {col}'
        if level:
            where += f' of level {level}'
        return Payload(tile.payload, tile.symbols_crc, where)
