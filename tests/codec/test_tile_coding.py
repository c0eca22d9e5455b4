"""Tiles: the symbols of the whole plane, decoded from any part of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sft.codec import tile_decoder, tiles
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import FormatError, StreamError
from napari_sft.codec.pipeline import encode_plane, reconstruct_plane
from napari_sft.codec.tile_decoder import Payload, TileDecoder
from napari_sft.codec.tile_encoder import encode_tiles
from napari_sft.codec.tiles import Box, Grid
from napari_sft.models.registry import BUNDLED, load_model

SHAPE = (300, 430)


class Narrow:
    """A model that takes few pixels at once, and notes how many."""

    window = 1 << 16

    def __init__(self, model):
        self._model = model
        self.largest = 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def analyse(self, x, fine):
        self.largest = max(self.largest, x.shape[0] * x.shape[1])
        return self._model.analyse(x, fine)


@pytest.fixture
def model(tiny_weights):
    path = tiny_weights / 'compact.safetensors'
    return Narrow(load_model(str(path), 'cpu'))


def reader_of(plane):
    def read(box):
        return plane[box.inside(Box(0, *plane.shape[:1], 0, plane.shape[1]))]

    return read


def coded_in_tiles(model, plane, coded_map, side):
    """The grid, and every tile by row and column."""
    grid = Grid(plane.shape, side)
    units = list(encode_tiles(model, grid, reader_of(plane), coded_map))
    coded = [tile for unit in units for tile in unit.tiles]
    found = {(tile.row, tile.col): tile for tile in coded}
    assert len(found) == len(coded) == len(list(grid.touched(grid.plane)))
    return grid, found


def decoder_of(model, grid, coded_map, found, seen=None):
    def fetch(row, col):
        if seen is not None:
            seen.add((row, col))
        tile = found[row, col]
        where = f'tile {row} {col}'
        return Payload(tile.payload, tile.symbols_crc, where)

    return TileDecoder(model, grid, coded_map, fetch)


def painted(shape):
    ramp = np.linspace(10, 100, shape[1])[None].repeat(shape[0], axis=0)
    ramp[100:200, 100:300] = 95
    return ramp


@pytest.mark.parametrize('column', [12 * 1024, 128])
@pytest.mark.parametrize(
    ('side', 'rgb', 'quality'),
    [(64, True, 60), (128, True, None), (192, False, None), (256, True, 90)],
)
def test_symbols_and_picture_are_those_of_the_whole_plane(
    model, make_picture, monkeypatch, column, side, rgb, quality
):
    monkeypatch.setattr(tiles, 'COLUMN', column)
    plane = make_picture(*SHAPE, rgb=rgb).astype(np.float32) / 255
    if quality is None:
        quality = painted(SHAPE)
    coded_map = CodedMap.from_quality(quality, SHAPE)
    whole = encode_plane(model, plane, coded_map)
    wanted = reconstruct_plane(model, whole.symbols, coded_map, plane.shape)
    model.largest = 0
    grid, found = coded_in_tiles(model, plane, coded_map, side)
    assert model.largest < 6 * model.window  # its margin included
    decoder = decoder_of(model, grid, coded_map, found)
    symbols = decoder.symbols(grid.plane)
    np.testing.assert_array_equal(symbols.z, whole.symbols.z)
    np.testing.assert_array_equal(symbols.y, whole.symbols.y)
    for row, col in grid.touched(grid.plane):
        box = grid.box(row, col)
        picture = decoder.picture(box)
        pixels = grid.pixels(box)
        inside = pixels.inside(Box(0, SHAPE[0], 0, SHAPE[1]))
        assert picture.shape == (*pixels.shape, *plane.shape[2:])
        assert np.abs(picture - wanted[inside]).max() < 1 / 255


def test_a_tile_costs_some_bytes_more(model, make_picture):
    plane = make_picture(256, 512).astype(np.float32) / 255
    coded_map = CodedMap.from_quality(90, plane.shape[:2])
    whole = encode_plane(model, plane, coded_map)
    _, found = coded_in_tiles(model, plane, coded_map, 128)
    total = sum(len(tile.payload) for tile in found.values())
    # the state of the coder, eight bytes, and a word on average
    assert total - len(whole.payload) <= 12 * (len(found) - 1)


def test_only_tiles_within_the_margin_are_read(model, make_picture):
    plane = make_picture(640, 640).astype(np.float32) / 255
    coded_map = CodedMap.from_quality(50, plane.shape[:2])
    grid, found = coded_in_tiles(model, plane, coded_map, 128)
    seen = set()
    decoder_of(model, grid, coded_map, found, seen).picture(Box(0, 8, 0, 8))
    # margins of the picture and of the indices: one tile and another
    assert seen == {(row, col) for row in range(3) for col in range(3)}


def test_damage_is_told_with_the_tiles_name(model, make_picture):
    plane = make_picture(256, 256).astype(np.float32) / 255
    coded_map = CodedMap.from_quality(90, plane.shape[:2])
    grid, found = coded_in_tiles(model, plane, coded_map, 128)
    # z, which comes first in a tile, is intact: so are others' indices
    late = bytearray(found[0, 1].payload)
    late[-1] ^= 1
    other = found | {(0, 1): replace(found[0, 1], payload=bytes(late))}
    with pytest.raises(FormatError, match='tile 0 1: '):
        decoder_of(model, grid, coded_map, other).picture(grid.plane)
    rng = np.random.default_rng(0)
    for _ in range(10):
        payload = bytearray(found[1, 0].payload)
        payload[rng.integers(len(payload))] ^= 1 << rng.integers(8)
        damaged = found | {
            (1, 0): replace(found[1, 0], payload=bytes(payload))
        }
        decoder = decoder_of(model, grid, coded_map, damaged)
        # the indices of others hang on its z
        with pytest.raises(FormatError, match='tile . .: '):
            decoder.picture(grid.plane)


def test_an_empty_payload_is_refused(model, make_picture):
    plane = make_picture(128, 256).astype(np.float32) / 255
    coded_map = CodedMap.from_quality(90, plane.shape[:2])
    grid, found = coded_in_tiles(model, plane, coded_map, 128)
    found[0, 0] = found[0, 0].__class__(0, 0, b'', found[0, 0].symbols_crc)
    with pytest.raises(StreamError, match='tile 0 0: '):
        decoder_of(model, grid, coded_map, found).picture(Box(0, 8, 0, 8))


def test_few_symbols_are_kept_if_there_is_little_room(
    model, make_picture, monkeypatch
):
    plane = make_picture(256, 512).astype(np.float32) / 255
    coded_map = CodedMap.from_quality(50, plane.shape[:2])
    grid, found = coded_in_tiles(model, plane, coded_map, 128)
    wanted = decoder_of(model, grid, coded_map, found).picture(grid.plane)
    monkeypatch.setattr(tile_decoder, 'SYMBOL_BYTES', 1)
    monkeypatch.setattr(tile_decoder, 'Z_BYTES', 1)
    decoder = decoder_of(model, grid, coded_map, found)
    np.testing.assert_array_equal(decoder.picture(grid.plane), wanted)


@pytest.mark.parametrize('quality', [40, None])
def test_no_seam_shows_in_a_photograph(quality):
    """With the weights that ship, whatever they are."""
    astronaut = pytest.importorskip('skimage.data').astronaut()
    plane = astronaut[:448, 60:].astype(np.float32) / 255
    size = plane.shape[:2]
    if quality is None:
        quality = painted(size)
    model = Narrow(load_model(str(BUNDLED / 'compact.safetensors'), 'cpu'))
    coded_map = CodedMap.from_quality(quality, size)
    whole = encode_plane(model, plane, coded_map)
    wanted = reconstruct_plane(model, whole.symbols, coded_map, plane.shape)
    grid, found = coded_in_tiles(model, plane, coded_map, 192)
    decoder = decoder_of(model, grid, coded_map, found)
    total = sum(len(tile.payload) for tile in found.values())
    assert total - len(whole.payload) <= 12 * (len(found) - 1)
    for box in grid.plane.pieces(grid.side, grid.side):
        inside = grid.pixels(box).inside(Box(0, *size[:1], 0, size[1]))
        gray, tiled = (
            np.rint(255 * picture)
            for picture in (wanted[inside], decoder.picture(box))
        )
        assert np.abs(gray - tiled).max() <= 1
