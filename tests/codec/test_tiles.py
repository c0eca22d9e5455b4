"""How planes are cut into tiles and windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sft.codec import tiles
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import ImageError
from napari_sft.codec.tiles import (
    Box,
    Grid,
    check_tile,
    fine_window,
    pieces_for,
)

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
sides = st.integers(1, 16).map(lambda n: 64 * n)


def counted(boxes, shape):
    """How often each position lies in a box."""
    count = np.zeros(shape, int)
    for box in boxes:
        rows, columns = box.inside(Box(0, shape[0], 0, shape[1]))
        assert box.top < box.bottom
        assert box.left < box.right
        count[rows, columns] += 1
    return count


@given(sizes, sides)
def test_tiles_make_up_the_padded_plane(shape, side):
    grid = Grid(shape, side)
    whole = grid.plane
    boxes = [grid.box(*at) for at in grid.touched(whole)]
    assert (counted(boxes, whole.shape) == 1).all()
    rows, columns = (-(-n // side) for n in shape)
    assert len(boxes) == rows * columns
    pixels = [grid.pixels(box) for box in boxes]
    assert sum(box.area for box in pixels) == shape[0] * shape[1]
    assert all(grid.cells(p) == b for p, b in zip(pixels, boxes, strict=True))


@given(sizes, sides, st.integers(1 << 12, 1 << 22))
def test_units_are_whole_tiles_and_make_up_columns(shape, side, pixels):
    grid = Grid(shape, side)
    height, width = grid.unit(pixels)
    assert height % grid.side == width % grid.side == 0
    assert height * width * 256 <= max(pixels, side**2)
    boxes = [
        box for part in grid.columns() for box in part.pieces(height, width)
    ]
    assert (counted(boxes, grid.plane.shape) == 1).all()


@given(
    st.integers(0, 100).map(lambda n: 4 * n),
    st.integers(0, 100).map(lambda n: 4 * n),
    st.integers(1, 1 << 20),
)
def test_pieces_make_up_a_box_and_are_no_larger_than_asked(
    rows, columns, pixels
):
    box = Box(8, 8 + rows, 4, 4 + columns)
    pieces = list(pieces_for(box, pixels))
    outer = (8 + rows, 4 + columns)
    counts = counted(pieces, outer)
    assert counts.sum() == rows * columns
    assert (counts <= 1).all()
    for piece in pieces:
        assert all(n % 4 == 0 for n in piece)
        # within a factor: sides are multiples of 4 cells
        assert piece.area * 256 <= max(2 * pixels, 32 * 256)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 12),
    st.integers(1, 12),
    st.integers(0, 12),
    st.integers(1, 12),
)
def test_windows_of_a_map_repeat_its_edges(
    rows, columns, top, height, left, width
):
    levels = np.random.default_rng(0).integers(0, 32, (rows, columns))
    coded_map = CodedMap(levels, 3)
    box = Box(top, top + height, left, left + width)
    whole = np.pad(coded_map.fine(), [(0, 24), (0, 24)], 'edge')
    wanted = whole[box.inside(Box(0, 0, 0, 0))]
    np.testing.assert_array_equal(fine_window(coded_map, box), wanted)


def test_margins_end_at_the_plane_and_at_whole_multiples():
    plane = Box(0, 40, 0, 60)
    box = Box(8, 16, 52, 60)
    assert box.grown(5, plane) == Box(3, 21, 47, 60)
    assert box.grown(5, plane, 4) == Box(0, 24, 44, 60)


def test_wide_planes_are_gone_through_in_columns(monkeypatch):
    monkeypatch.setattr(tiles, 'COLUMN', 1000)
    columns = list(Grid((100, 3000), 256).columns())
    assert [(c.left, c.right) for c in columns] == [
        (0, 48),
        (48, 96),
        (96, 144),
        (144, 188),
    ]


@pytest.mark.parametrize('tile', [-64, 1, 63, 100, 1 << 14, 64.5])
def test_impossible_tiles_are_refused(tile):
    with pytest.raises(ImageError, match='multiple of 64'):
        check_tile(tile)


@pytest.mark.parametrize('tile', [0, 64, 1024, 8192])
def test_possible_tiles_pass(tile):
    assert check_tile(tile) == tile
