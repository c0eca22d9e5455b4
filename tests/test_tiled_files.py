"""Files of tiles and levels: written from lazy arrays, read by regions."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import napari_sft
from napari_sft.codec import fitting, pixels
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.container import Header, Reader, TileKey, Writer
from napari_sft.codec.errors import (
    FormatError,
    ImageError,
    SftError,
    TargetError,
)
from napari_sft.codec.file_decoder import FileDecoder
from napari_sft.codec.image import Image, Layout
from napari_sft.codec.metrics import psnr
from napari_sft.codec.pixels import HalvedImage
from napari_sft.codec.tile_decoder import TileDecoder

pytestmark = pytest.mark.usefixtures('tiny_model')

SIZE = (300, 420)
TILE = 128


class Lazy:
    """An array that notes the largest part read of it."""

    def __init__(self, data):
        self._data = data
        self.shape, self.ndim, self.dtype = data.shape, data.ndim, data.dtype
        self.largest = 0

    def __getitem__(self, index):
        part = self._data[index]
        self.largest = max(self.largest, part.size)
        return part


def encode(image, **options):
    return napari_sft.encode(image, device='cpu', **options)


def open_(data):
    return napari_sft.open(data, device='cpu')


@pytest.fixture(scope='module')
def picture(make_picture):
    return make_picture(*SIZE, seed=5)


@pytest.fixture(scope='module')
def data(picture, tiny_weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
        return encode(picture, tile=TILE, pyramid=True, provenance=False)


@pytest.fixture
def image(data):
    with open_(data) as opened:
        yield opened


def test_planes_over_one_tile_are_cut_and_others_are_not(make_picture):
    for tile, wanted in ((0, 0), (64, 64), (128, 128), (192, 0), (1024, 0)):
        made = encode(make_picture(100, 150), tile=tile)
        with Reader(made) as reader:
            assert reader.header.tile == wanted
            assert (reader.header.halo > 0) == (wanted > 0)
            assert len(reader.tiles) == (
                6 if wanted == 64 else 1 + bool(wanted)
            )


def test_cutting_changes_no_pixel_by_more_than_one_level(picture, image):
    whole = napari_sft.decode(encode(picture, tile=0), device='cpu')
    assert np.abs(whole.astype(int) - image.read()).max() <= 1


@pytest.mark.parametrize(
    'index',
    [
        (slice(100, 200), slice(90, 300)),
        (slice(0, 3), slice(0, 3), 1),
        (slice(None, None, -5), slice(400, 3, -7), slice(None, 2)),
        (299, slice(None, None, 128)),
        (slice(None, None, 150), 419),
        (130, 250),
        (slice(5, 5), slice(None)),
        (..., slice(None, None, -1)),
        (-1,),
    ],
)
def test_regions_are_those_of_the_whole(image, index):
    whole = image.read()
    region = image[index]
    assert region.shape == whole[index].shape
    assert region.dtype == np.uint8
    if region.size:
        assert np.abs(region.astype(int) - whole[index]).max() <= 1


def test_only_touched_tiles_are_decoded_and_kept(image, monkeypatch):
    boxes = []
    decode = TileDecoder.picture

    def noted(self, box):
        boxes.append(box)
        return decode(self, box)

    monkeypatch.setattr(TileDecoder, 'picture', noted)
    first = image[0:TILE, TILE : 2 * TILE]
    assert boxes == [(0, 8, 8, 16)]
    np.testing.assert_array_equal(image[0:TILE, TILE : 2 * TILE], first)
    np.testing.assert_array_equal(image[7:9, 200:210], first[7:9, 72:82])
    assert len(boxes) == 1
    image[2 * TILE : 2 * TILE + 4, 0:4]
    assert boxes[1].area == 16


def test_lines_between_the_pixels_asked_for_are_not_decoded(
    picture, monkeypatch
):
    data = encode(np.tile(picture, (4, 1, 1)), tile=64)
    monkeypatch.setattr(
        'napari_sft.models.compact_codec.CompactCodec.window', 1
    )
    seen = []
    decode = FileDecoder.pixels

    def noted(self, level, plane, box):
        seen.append(box.top)
        return decode(self, level, plane, box)

    monkeypatch.setattr(FileDecoder, 'pixels', noted)
    with open_(data) as image:
        image[::600, :10]
    assert seen == [0, 576]  # the tile with row 600


def test_regions_make_up_the_image_in_bounded_parts(image, monkeypatch):
    monkeypatch.setattr(
        'napari_sft.models.compact_codec.CompactCodec.window', 1
    )
    whole = image.read()
    copy = np.zeros_like(whole)
    count = np.zeros(whole.shape, int)
    for region in image.regions():
        copy[region] = image.read(region)
        count[region] += 1
        assert copy[region].size <= TILE * TILE * 3
    assert (count == 1).all()
    assert np.abs(copy.astype(int) - whole).max() <= 1


def test_chunks_are_tiles(image):
    assert image.chunks == (TILE, TILE, 3)
    assert image.levels[2].chunks == (75, 105, 3)
    da = pytest.importorskip('dask.array')
    lazy = image.to_dask()
    assert isinstance(lazy, da.Array)
    assert lazy.chunks[0] == (128, 128, 44)
    part = lazy[100:150, 100:150].compute().astype(int)
    assert np.abs(part - image.read()[100:150, 100:150]).max() <= 1


def test_levels_are_coded_from_the_original_halved(picture, image):
    shapes = [level.shape for level in image.levels]
    assert shapes == [(300, 420, 3), (150, 210, 3), (75, 105, 3)]
    assert image.levels[0] is image
    for number, level in enumerate(image.levels[1:], 1):
        assert level.axes == 'YXS'
        wanted = HalvedImage(Image.from_array(picture), number).plane(0)
        decoded = level.read()
        assert decoded.shape == wanted.shape
        assert psnr(decoded, wanted, 255) > 20
        np.testing.assert_allclose(level.quality_map, 75, atol=0.11)
        region = level[10:40, 20:60].astype(int)
        assert np.abs(region - decoded[10:40, 20:60]).max() <= 1


def test_levels_of_stacks_and_painted_maps(make_picture):
    planes = [make_picture(150, 200, rgb=False, seed=n) for n in range(2)]
    stack = np.stack(planes).astype(np.uint16) * 9
    quality = np.full(stack.shape, 90)
    quality[1, :, :100] = 5
    made = encode(stack, quality_map=quality, tile=64, pyramid=True)
    with open_(made) as image:
        assert [level.shape[1:] for level in image.levels] == [
            (150, 200),
            (75, 100),
            (38, 50),
        ]
        for level in image.levels:
            decoded = level.read()
            assert decoded.dtype == np.uint16
            first, second = (level.coded_map(n).quality() for n in range(2))
            np.testing.assert_allclose(first, 90, atol=2)
            assert second[0, 0] < 10 < second[0, -1]
            plain = level.read_plane(1)
            error = np.abs(decoded[1].astype(int) - plain).max()
            assert error <= 9 * 9  # of one grey level in 255


@pytest.mark.parametrize('tile', [64, 128, 1024])
def test_statistics_are_those_of_what_a_reader_gets(picture, tile):
    ramp = np.linspace(20, 90, SIZE[1])[None].repeat(SIZE[0], axis=0)
    made = encode(picture, quality_map=ramp, tile=tile)
    with open_(made) as image:
        decoded, stored = image.read(), image.statistics
    assert stored.psnr == pytest.approx(psnr(picture, decoded, 255), abs=0.01)
    worst = np.abs(picture.astype(int) - decoded).max() / 255
    assert stored.largest_error == pytest.approx(worst, abs=1.01 / 255)
    assert sum(r.pixels for r in stored.regions) == SIZE[0] * SIZE[1]
    assert stored.ms_ssim is not None


def test_a_target_is_met_in_eight_analyses_of_each_tile(picture, monkeypatch):
    target = len(encode(picture, quality=60, tile=TILE, effort=1))
    monkeypatch.setattr(fitting, '_IN_MEMORY', 500)
    seen = []
    made = encode(
        picture,
        tile=TILE,
        target_bytes=target,
        effort=1,
        progress=lambda *step: seen.append(step),
    )
    assert 0.98 * target <= len(made) <= target
    assert seen[0] == (0, 12 * 9)
    assert seen[-1] == (12 * 9, 12 * 9)
    with open_(made) as image:
        decoded = image.read()
        assert image.statistics.psnr == pytest.approx(
            psnr(picture, decoded, 255), abs=0.01
        )
    with pytest.raises(TargetError, match='lowest quality'):
        encode(picture, tile=TILE, target_bytes=300)


def test_progress_counts_tiles_and_may_cancel(picture, tmp_path):
    seen = []
    encode(
        picture,
        tile=64,
        pyramid=True,
        progress=lambda *step: seen.append(step),
    )
    tiles = 35 + 12 + 4 + 1
    corrections = 6 * 4  # six of a block each, of four levels
    assert seen[0] == (0, tiles + corrections)
    assert seen[-1] == (tiles + corrections, tiles + corrections)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def cancel(done, _):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        napari_sft.imwrite(
            tmp_path / 'a.sft', picture, device='cpu', tile=64, progress=cancel
        )
    assert list(tmp_path.iterdir()) == []


def test_a_lazy_image_and_its_map_are_read_by_parts(picture, monkeypatch):
    for name, value in (('_READ_PIXELS', 1 << 14), ('DEFAULT_TILE', 64)):
        monkeypatch.setattr(pixels, name, value)
    monkeypatch.setattr('napari_sft.codec.coded_map._STRIP_PIXELS', 1 << 14)
    monkeypatch.setattr(
        'napari_sft.models.compact_codec.CompactCodec.window', 1 << 14
    )
    ramp = np.linspace(20, 90, SIZE[1])[None].repeat(SIZE[0], axis=0)
    lazy, lazy_map = Lazy(picture), Lazy(ramp)
    options = {'tile': 64, 'pyramid': True, 'provenance': False}
    made = encode(lazy, quality_map=lazy_map, **options)
    assert made == encode(picture, quality_map=ramp, **options)
    assert lazy.largest <= 128 * 128 * 3
    assert lazy_map.largest <= 1 << 14


@pytest.mark.parametrize('kind', ['dask', 'zarr', 'memmap'])
def test_arrays_of_other_libraries_give_the_same_file(picture, kind, tmp_path):
    if kind == 'dask':
        lazy = pytest.importorskip('dask.array').from_array(picture, 100)
    elif kind == 'zarr':
        zarr = pytest.importorskip('zarr')
        lazy = zarr.array(picture, chunks=(100, 90, 3))
    else:
        lazy = np.memmap(tmp_path / 'a', np.uint8, 'w+', shape=picture.shape)
        lazy[:] = picture
    options = {'tile': TILE, 'provenance': False, 'statistics': False}
    assert encode(lazy, **options) == encode(picture, **options)


def test_threads_share_an_image(data):
    with open_(data) as image:
        whole = image.read().astype(int)
    rng = np.random.default_rng(0)
    corners = [
        (int(rng.integers(250)), int(rng.integers(350))) for _ in range(24)
    ]
    with open_(data) as image, ThreadPoolExecutor(4) as pool:

        def read(corner):
            rows, columns = (slice(n, n + 60) for n in corner)
            region = image[rows, columns].astype(int)
            return np.abs(region - whole[rows, columns]).max()

        assert max(pool.map(read, corners)) <= 1


def test_damage_names_the_tile_and_spares_the_others(data):
    with Reader(data) as reader:
        payload = reader.read_tile(0, 0, 2, 3).payload
    damaged = bytearray(data)
    damaged[data.index(payload) + 20] ^= 8
    with open_(bytes(damaged)) as image:
        assert image[0:64, 0:64].shape == (64, 64, 3)
        with pytest.raises(FormatError, match='row 2, column 3'):
            image[256:300, 400:410]


def huge(side, tile, maps, plane_maps=()):
    """A small file that claims to hold a large plane."""
    made = encode(np.zeros((8, 8), np.uint8))
    with Reader(made) as reader:
        weights = reader.header.weights
    layout = Layout('YX', side, np.dtype('uint8'))
    header = Header(
        'compact',
        weights,
        layout,
        tile=tile,
        map_scope='shared',
        maps=(maps,),
    )
    buffer = io.BytesIO()
    with Writer(buffer, header) as writer:
        for key in header.tiles():
            writer.write_tile(TileKey(*key), b'', 0)
    return buffer.getvalue()


def test_a_small_file_of_huge_tiles_is_refused_before_it_takes_memory():
    with open_(huge((1 << 16, 1 << 16), 1 << 15, b'\x05')) as image:
        with pytest.raises(ImageError, match='NAPARI_SFT_MAX_PIXELS'):
            image[:4, :4]
        with pytest.raises(ImageError):
            _ = image.quality_map


def test_a_small_file_of_a_huge_painted_map_is_refused():
    painted = CodedMap(np.arange(4).reshape(2, 2))
    from napari_sft.codec.map_coding import pack

    made = huge((1 << 15, 1 << 20), 1 << 13, pack(painted))
    with open_(made) as image:
        assert image.shape == (1 << 15, 1 << 20)
        for use in (lambda: image[:4, :4], image.coded_map):
            with pytest.raises(ImageError, match='limit'):
                use()


def test_an_image_beyond_memory_is_refused_or_read_by_regions():
    with open_(huge((1 << 20, 1 << 20), 1 << 13, b'\x05')) as image:
        assert image.coded_map().uniform
        with pytest.raises(ImageError, match='quality_cells'):
            _ = image.quality_map
        with pytest.raises(SftError):
            image.read()
        with pytest.raises(FormatError, match='tile at row 126'):
            image[-4:, -4:]


def test_planes_above_the_limit_are_encoded_in_tiles(
    make_picture, monkeypatch
):
    monkeypatch.setenv('NAPARI_SFT_MAX_PIXELS', str(128 * 128))
    picture = make_picture(200, 200)
    with pytest.raises(ImageError, match='limit'):
        encode(picture, tile=0)
    with open_(encode(picture, tile=128)) as image:
        assert psnr(image.read(), picture, 255) > 25


@pytest.mark.parametrize('tile', [100, -64, 1 << 14])
def test_impossible_tiles_are_refused(make_picture, tile):
    with pytest.raises(ImageError, match='multiple of 64'):
        encode(make_picture(20, 20), tile=tile)
