"""Decoding any part of a plane of tiles.

The indices of a tile's y depend on z around it, so z is decoded of the
neighbours too, which is little; the means of y depend on symbols around them,
so a picture takes its tiles and those within its margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.cache import Cache
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.model import (
    CodecModel,
    Indices,
    Symbolised,
    Symbols,
)
from napari_sft.codec.pipeline import (
    Plane,
    check_symbols,
    naming_streams,
    parse_y,
    parse_z,
    symbol_bits,
)
from napari_sft.codec.synthesis import crop_latents, synthesise_box
from napari_sft.codec.tiles import CELLS, Box, Grid, fine_window


class Payload(NamedTuple):
    """What the file holds of a tile, and the tile's name in messages."""

    data: bytes
    symbols_crc: int
    where: str


FetchPayload = Callable[[int, int], Payload]


@dataclass(frozen=True)
class TileSymbols:
    """The symbols of a tile: z, y, as small as they are kept, and indices."""

    z: NDArray[Any]
    y: NDArray[Any]
    y_indices: Indices

    @property
    def nbytes(self) -> int:
        return self.z.nbytes + self.y.nbytes + self.y_indices.nbytes


SYMBOL_BYTES = 160 << 20
Z_BYTES = 16 << 20


class SymbolCaches:
    """Decoded symbols, and z where more was not needed, of many planes."""

    def __init__(self) -> None:
        self.symbols: Cache[TileSymbols] = Cache(
            SYMBOL_BYTES, lambda tile: tile.nbytes
        )
        self.z: Cache[Symbols] = Cache(Z_BYTES, lambda z: z.nbytes)


class TileDecoder:
    """A plane of tiles.

    Parameters
    ----------
    model : CodecModel
        The codec model.
    grid : Grid
        The plane and its tiles.
    coded_map : CodedMap
        Quality of each 16x16 cell of the plane.
    fetch : callable
        The payload of a tile by row and column.
    caches : SymbolCaches, optional
        Shared by planes.
    plane : hashable
        Tells planes apart in the caches.
    """

    def __init__(
        self,
        model: CodecModel,
        grid: Grid,
        coded_map: CodedMap,
        fetch: FetchPayload,
        caches: SymbolCaches | None = None,
        plane: Any = 0,
    ) -> None:
        self._model = model
        self._grid = grid
        self._map = coded_map
        self._fetch = fetch
        self._caches = caches or SymbolCaches()
        self._plane = plane

    def picture(self, box: Box) -> Plane:
        """Decode some cells.

        Parameters
        ----------
        box : Box
            Multiples of 4 cells, or the edge of the plane.

        Returns
        -------
        ndarray of float32
            Their pixels (Y, X) or (Y, X, 3), padding left out, in 0..1.

        Raises
        ------
        FormatError
            If a tile is damaged.
        """
        model, whole = self._model, self._grid.plane
        window = box.grown(model.halo.decoding, whole, CELLS)
        symbols = self.symbols(window)
        latents = model.restore(
            symbols.z,
            symbols.y,
            symbols.y_indices,
            fine_window(self._map, window),
        )
        around = box.grown(model.halo.synthesis, whole)
        latents = crop_latents(latents, window, around)
        return synthesise_box(
            model, latents, around, box, self._map, self._grid
        )

    def symbols(self, box: Box) -> TileSymbols:
        """The symbols of some cells, from all tiles that they lie in."""
        parts = [
            (self._grid.box(row, col), self.tile_symbols(row, col))
            for row, col in self._grid.touched(box)
        ]
        return TileSymbols(
            _joined(
                [(at.over(CELLS), p.z) for at, p in parts], box.over(CELLS)
            ),
            _joined([(at, p.y) for at, p in parts], box),
            _joined([(at, p.y_indices) for at, p in parts], box),
        )

    def tile_symbols(self, row: int, col: int) -> TileSymbols:
        """The symbols of a tile, which no floating-point network decides.

        Raises
        ------
        FormatError
            If they are not those that were encoded.
        """
        key = (self._plane, row, col)
        return self._caches.symbols.get(key, lambda: self._parse(row, col))

    def tile_bits(self, row: int, col: int) -> float:
        """Ideal code length of a tile's symbols by the coder's tables."""
        tile = self.tile_symbols(row, col)
        fine = fine_window(self._map, self._grid.box(row, col))
        symbols = Symbolised(
            tile.z.astype(np.int32),
            tile.y.astype(np.int32),
            self._model.z_indices(fine),
            tile.y_indices,
            (),
        )
        return symbol_bits(self._model, symbols)

    def _parse(self, row: int, col: int) -> TileSymbols:
        model, box = self._model, self._grid.box(row, col)
        payload = self._fetch(row, col)
        window = box.grown(model.halo.scales, self._grid.plane, CELLS)
        z = _joined(
            [
                (self._grid.box(*at).over(CELLS), self._z(*at))
                for at in self._grid.touched(window)
            ],
            window.over(CELLS),
        )
        indices = model.y_indices(z, fine_window(self._map, window))
        rows, columns = box.inside(window)
        indices = np.ascontiguousarray(indices[:, rows, columns])
        z_indices = model.z_indices(fine_window(self._map, box))
        with naming_streams(payload.where):
            y = parse_y(model, payload.data, z_indices, indices)
        own = self._z(row, col)
        check_symbols(payload.symbols_crc, own, y, payload.where)
        return TileSymbols(own, _small(y), indices)

    def _z(self, row: int, col: int) -> Symbols:
        key = (self._plane, row, col)
        return self._caches.z.get(key, lambda: self._parse_z(row, col))

    def _parse_z(self, row: int, col: int) -> Symbols:
        payload = self._fetch(row, col)
        fine = fine_window(self._map, self._grid.box(row, col))
        with naming_streams(payload.where):
            return parse_z(
                self._model, payload.data, self._model.z_indices(fine)
            )


def _joined(parts: list[tuple[Box, NDArray[Any]]], box: Box) -> NDArray[Any]:
    """One array over `box` from arrays that each cover a part of it."""
    first = parts[0][1]
    dtype = np.result_type(*{part.dtype for _, part in parts})
    result = np.empty((len(first), *box.shape), dtype)
    for at, part in parts:
        common = at.meet(box)
        rows, columns = common.inside(box)
        from_rows, from_columns = common.inside(at)
        result[:, rows, columns] = part[:, from_rows, from_columns]
    return result


def _small(symbols: Symbols) -> NDArray[Any]:
    """The same values in the smallest of int8, int16 and int32."""
    low, high = int(symbols.min()), int(symbols.max())
    for dtype in (np.int8, np.int16):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return symbols.astype(dtype)
    return symbols
