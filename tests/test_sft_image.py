"""An opened file: described at once, decoded on demand."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.container import Header, TileKey, Writer
from napari_sft.codec.errors import FormatError, ImageError, VersionError
from napari_sft.codec.file_decoder import FileDecoder
from napari_sft.codec.image import Layout
from napari_sft.sft_image import SftImage

pytestmark = pytest.mark.usefixtures('tiny_model')

SHAPE = (2, 3, 40, 50)


@pytest.fixture(scope='module')
def stack(make_picture):
    planes = [make_picture(40, 50, rgb=False, seed=n) for n in range(6)]
    return np.stack(planes).reshape(SHAPE)


@pytest.fixture(scope='module')
def data(stack, tiny_weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
        return napari_sft.encode(
            stack, axes='TZYX', device='cpu', scale=(1, 2, 3, 4), name='s'
        )


@pytest.fixture
def image(data):
    with SftImage(data, device='cpu') as opened:
        yield opened


@pytest.fixture
def whole(image):
    return image.read()


def test_it_is_described_without_weights(data, monkeypatch, tmp_path):
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    with SftImage(data) as image:
        assert image.shape == SHAPE
        assert image.ndim == 4
        assert image.dtype == np.uint8
        assert image.axes == 'TZYX'
        assert not image.rgb
        assert image.nbytes == len(data)
        assert image.bpp == 8 * len(data) / np.prod(SHAPE)
        assert image.calibration.scale == (1, 2, 3, 4)
        assert image.calibration.name == 's'
        assert image.statistics.mse > 0
        np.testing.assert_allclose(image.quality_map, 75, atol=0.11)
        assert image.quality_map.shape == (40, 50)


@pytest.mark.parametrize(
    'index',
    [
        (),
        (1,),
        (0, 2),
        (-1, slice(None)),
        (slice(None), 1, slice(3, 9)),
        (slice(None, None, -1), slice(0, 2), slice(None, None, 2), 7),
        (1, 1, 5, 6),
        (slice(5, 2),),
        (0, slice(0, 0), slice(2, 4)),
    ],
)
def test_a_region_is_what_numpy_would_cut_out(image, whole, index):
    region = image.read(index)
    np.testing.assert_array_equal(region, whole[index])
    assert region.shape == whole[index].shape
    assert region.dtype == whole.dtype
    np.testing.assert_array_equal(image[index], region)


def test_a_plane_outside_is_an_index_error(image):
    with pytest.raises(IndexError):
        image[2]


def test_only_the_planes_asked_for_are_decoded(image, monkeypatch):
    seen = []
    pixels = FileDecoder.pixels

    def noted(self, level, plane, box):
        seen.append(plane)
        return pixels(self, level, plane, box)

    monkeypatch.setattr(FileDecoder, 'pixels', noted)
    image.read((slice(None), 1))
    assert seen == [1, 4]


def test_it_converts_to_arrays(image, whole):
    np.testing.assert_array_equal(np.asarray(image), whole)
    assert np.asarray(image, dtype=np.float32).dtype == np.float32


def test_dask_reads_plane_by_plane(image, whole):
    pytest.importorskip('dask.array')
    lazy = image.to_dask()
    assert lazy.shape == SHAPE
    assert lazy.chunks[0] == (1, 1)
    np.testing.assert_array_equal(lazy[1, 2].compute(), whole[1, 2])
    np.testing.assert_array_equal(lazy.max(axis=1).compute(), whole.max(1))


def test_damage_names_the_plane(data):
    with SftImage(data, device='cpu') as image:
        head = data.rindex(b'TILE')
    damaged = bytearray(data)
    damaged[head + 12] ^= 4
    with SftImage(bytes(damaged), device='cpu') as image:
        assert image[0].shape == SHAPE[1:]
        with pytest.raises(napari_sft.FormatError, match='plane 5'):
            image.read()


def test_what_does_not_fit_in_memory_is_refused_in_one_line(data, monkeypatch):
    def full(*_args, **_kwargs):
        raise MemoryError

    with SftImage(data, device='cpu') as image:
        monkeypatch.setattr(np, 'empty', full)
        with pytest.raises(ImageError, match='read a region'):
            image.read()


@pytest.mark.parametrize('tile', [32, 100])
def test_impossible_tiles_are_refused(tile):
    layout = Layout('YX', (20, 20), np.dtype('uint8'))
    buffer = io.BytesIO()
    header = Header('compact', bytes(8), layout, (), tile, 0, (), 'plane')
    with Writer(buffer, header) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), b'', 0)
        writer.write_map(0, b'\0')
    with pytest.raises(FormatError, match='multiple of 64'):
        SftImage(buffer.getvalue())


def test_maps_of_another_scope_need_a_later_version():
    layout = Layout('YX', (20, 20), np.dtype('uint8'))
    buffer = io.BytesIO()
    with Writer(buffer, Header('compact', bytes(8), layout)) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), b'', 0)
    with pytest.raises(VersionError, match='newer'):
        SftImage(buffer.getvalue())


@pytest.mark.parametrize(
    'index', [(0, 0, 0, 0, 0), (..., ...), ('a',), (1.5,), (None,), (5,)]
)
def test_what_is_no_region_is_an_index_error(image, index):
    with pytest.raises(IndexError):
        image.read(index)


def test_an_ellipsis_stands_for_axes_left_out(image, whole):
    for index in (..., (..., 3), (0, ..., slice(4, 9)), (1, 2, 3, 4, ...)):
        np.testing.assert_array_equal(image[index], whole[index])


def test_it_is_pickled_by_its_path(data, tmp_path, whole):
    path = tmp_path / 'a.sft'
    path.write_bytes(data)
    for source in (path, data):
        with SftImage(source, device='cpu') as image:
            again = pickle.loads(pickle.dumps(image))
        np.testing.assert_array_equal(again[1, 2], whole[1, 2])
    with (
        path.open('rb') as file,
        SftImage(file, device='cpu') as image,
        pytest.raises(TypeError, match='open its path'),
    ):
        pickle.dumps(image)
