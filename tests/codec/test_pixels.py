"""Pixels of lazy arrays and of the levels made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sft.codec import pixels
from napari_sft.codec.errors import ImageError
from napari_sft.codec.image import Image, Layout, Window
from napari_sft.codec.pixels import HalvedImage, PlanePixels, pyramid_levels
from napari_sft.codec.tiles import Box


class Lazy:
    """An array that notes the regions read."""

    def __init__(self, data, chunks=None):
        self._data = data
        self.shape, self.dtype = data.shape, data.dtype
        self.chunks = chunks
        self.read = []

    def __getitem__(self, index):
        part = self._data[index]
        self.read.append(part.shape)
        return part


def random(shape, dtype='uint8', seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * 255).astype(dtype)


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 4),
    st.sampled_from(['uint8', 'uint16', 'float32', 'int16']),
    st.booleans(),
)
def test_levels_are_means_of_the_original(height, width, level, dtype, rgb):
    shape = (2, height, width, 3) if rgb else (2, height, width)
    data = random(shape, dtype)
    half = HalvedImage(Image.from_array(data, 'ZYXS'[: len(shape)]), level)
    factor = 2**level
    size = (-(-height // factor), -(-width // factor))
    assert half.layout.plane_shape[:2] == size
    plane = half.plane(1)
    assert plane.dtype == data.dtype
    for row, col in {(0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, 0)}:
        block = data[1].astype(float)[
            row * factor : (row + 1) * factor,
            col * factor : (col + 1) * factor,
        ]
        mean = block.mean((0, 1))
        if np.dtype(dtype).kind in 'iu':
            mean = np.rint(mean)
        np.testing.assert_allclose(plane[row, col], mean, rtol=1e-6)
    rows, columns = slice(size[0] // 3, size[0]), slice(0, size[1] // 2 + 1)
    part = half.plane(1, rows, columns)
    np.testing.assert_array_equal(part, plane[rows, columns])


def test_little_of_the_original_is_averaged_at_once(monkeypatch):
    monkeypatch.setattr(pixels, '_READ_PIXELS', 64 * 64)
    data = Lazy(random((300, 500)))
    half = HalvedImage(Image.from_array(data), 3)
    wanted = HalvedImage(Image.from_array(data[:]), 3).plane(0)
    data.read.clear()
    np.testing.assert_array_equal(half.plane(0), wanted)
    assert max(h * w for h, w in data.read) <= 64 * 64


def test_nan_in_the_original_is_refused():
    data = np.zeros((40, 40), np.float32)
    data[33, 7] = np.nan
    with pytest.raises(ImageError, match='NaN'):
        HalvedImage(Image.from_array(data), 1).plane(0)


@given(st.tuples(*[st.integers(0, 2500)] * 4), st.booleans())
def test_boxes_of_a_lazy_plane_are_those_of_the_array(ends, chunked):
    data = random((2, 2100, 1500), 'uint16')
    top, bottom = sorted(min(n, 2100) for n in ends[:2])
    left, right = sorted(min(n, 1500) for n in ends[2:])
    if top == bottom or left == right:
        return
    chunks = (1, 100, 1500) if chunked else None
    lazy = Image.from_array(Lazy(data, chunks), 'ZYX')
    window = Window(10.0, 200.0)
    box = Box(top, bottom, left, right)
    read = PlanePixels(lazy, 1, window).read(box)
    whole = PlanePixels(Image.from_array(data, 'ZYX'), 1, window).read(box)
    np.testing.assert_array_equal(read, whole)
    assert read.dtype == np.float32
    assert 0 <= read.min() <= read.max() <= 1


def test_blocks_are_whole_chunks_and_read_once():
    data = random((2600, 1300))
    for chunks in ((300, 700), ((300,) * 8 + (200,), (700, 600))):
        lazy = Lazy(data, chunks)
        plane = PlanePixels(Image.from_array(lazy), 0, Window(0.0, 255.0))
        for top in range(0, 2600, 200):
            plane.read(Box(max(top - 50, 0), min(top + 250, 2600), 0, 1300))
        assert sum(h * w for h, w in lazy.read) == data.size
        assert lazy.read[0] == (1200, 1300)


@pytest.mark.parametrize(
    ('size', 'tile', 'levels'),
    [
        ((100, 100), 128, 0),
        ((128, 128), 128, 0),
        ((129, 2), 128, 1),
        ((2, 1000), 128, 3),
        ((20000, 20000), 1024, 5),
    ],
)
def test_levels_go_down_to_one_that_fits_into_a_tile(size, tile, levels):
    layout = Layout('YX', size, np.dtype('uint8'))
    assert pyramid_levels(layout, tile) == levels


def test_pages_of_a_mapped_file_are_given_back(tmp_path, monkeypatch):
    status = Path('/proc/self/status')
    if 'RssFile' not in (status.read_text() if status.exists() else ''):
        pytest.skip('the system does not tell what is mapped')

    def mapped_bytes():
        line = status.read_text().partition('RssFile:')[2]
        return 1024 * int(line.split()[0])

    path = tmp_path / 'a'
    np.arange(1 << 26, dtype=np.uint8).tofile(path)
    data = np.memmap(path, np.uint8, 'r', shape=(1 << 13, 1 << 13))
    monkeypatch.setattr(pixels, '_MAPPED_BYTES', 1 << 22)
    before = mapped_bytes()
    plane = PlanePixels(Image.from_array(data), 0, Window(0.0, 255.0))
    for top in range(0, 1 << 13, 1 << 9):
        read = plane.read(Box(top, top + (1 << 9), 0, 1 << 13))
        assert read[0, 5] == np.float32(5 / 255)
    assert mapped_bytes() - before < 1 << 25
    assert Image.from_array(data).windows('minmax') == (Window(0.0, 255.0),)
    assert mapped_bytes() - before < 1 << 25


def test_changes_to_a_private_mapping_are_kept(tmp_path, monkeypatch):
    path = tmp_path / 'a'
    np.zeros((64, 64), np.uint8).tofile(path)
    data = np.memmap(path, np.uint8, 'c', shape=(64, 64))
    data[:] = 255
    monkeypatch.setattr(pixels, '_MAPPED_BYTES', 0)
    plane = PlanePixels(Image.from_array(data), 0, Window(0.0, 255.0))
    for _ in range(2):
        assert (plane.read(Box(0, 64, 0, 64)) == 1).all()
