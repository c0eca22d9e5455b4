"""Arrays to .sft bytes and files, and back."""

from __future__ import annotations

import io
import json
import tracemalloc

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.container import Header, Reader, TileKey, Writer
from napari_sft.codec.errors import (
    FormatError,
    ImageError,
    MapError,
    ModelError,
    SftError,
    TargetError,
)
from napari_sft.codec.image import Layout
from napari_sft.codec.map_coding import pack

pytestmark = pytest.mark.usefixtures('tiny_model')


def encode(image, **options):
    return napari_sft.encode(image, device='cpu', **options)


def decode(data):
    return napari_sft.decode(data, device='cpu')


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32'])
@pytest.mark.parametrize(
    'shape', [(1, 1), (1, 37), (53, 1, 3), (61, 67), (64, 128, 3)]
)
def test_shape_and_dtype_come_back(make_picture, shape, dtype):
    picture = make_picture(*shape[:2], rgb=len(shape) == 3)
    image = (picture * (257 if dtype == 'uint16' else 1)).astype(dtype)
    decoded = decode(encode(image, quality=90, rgb=len(shape) == 3))
    assert decoded.shape == image.shape
    assert decoded.dtype == image.dtype
    error = np.abs(decoded.astype(float) - image.astype(float))
    assert error.mean() < 0.1 * image.max()


@pytest.mark.parametrize('value', [0, 17, 200])
@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32', 'float64'])
def test_a_constant_image_comes_back(value, dtype):
    image = np.full((20, 30), value, dtype)
    decoded = decode(encode(image))
    if dtype == 'uint8':
        assert np.abs(decoded.astype(int) - value).max() <= 25
    else:  # its window has no width
        np.testing.assert_array_equal(decoded, image)


def test_a_window_of_ones_own_clips_what_lies_outside(make_picture):
    image = make_picture(40, 50, rgb=False).astype(np.float32)
    decoded = decode(encode(image, windows=(100.0, 140.0), quality=100))
    assert decoded.min() >= 100
    assert decoded.max() <= 140
    assert decoded.std() > 5


def test_a_stack_keeps_its_axes_and_planes(make_picture):
    planes = [make_picture(33, 47, rgb=False, seed=n) for n in range(8)]
    image = np.stack(planes).reshape(2, 2, 2, 33, 47).astype(np.uint16)
    image[:, 1] += 1000
    data = encode(image, axes='TCZYX', quality=100)
    with napari_sft.open(data, device='cpu') as opened:
        assert opened.axes == 'TCZYX'
        assert opened.shape == image.shape
        decoded = opened.read()
    assert decoded.dtype == np.uint16
    errors = np.abs(decoded.astype(int) - image).mean((3, 4))
    assert errors.max() < 20
    assert decoded[:, 1].min() >= 1000 > decoded[:, 0].max()


def test_axes_in_another_order_are_put_in_order(make_picture):
    image = make_picture(33, 47).transpose(2, 1, 0)  # S X Y
    decoded = decode(encode(image, axes='SXY', quality=100))
    assert decoded.shape == (33, 47, 3)
    assert np.abs(decoded - image.T.astype(float)).mean() < 15


def test_a_map_for_each_plane_is_kept(make_picture):
    image = np.stack([make_picture(64, 64, rgb=False)] * 2)
    quality = np.zeros(image.shape)
    quality[1] = 100
    data = encode(image, quality_map=quality)
    decoded = decode(data).astype(float)
    errors = ((decoded - image) ** 2).mean((1, 2))
    assert errors[1] < errors[0]
    assert napari_sft.info(data)['map'] == 'plane'


def test_one_map_serves_all_planes(make_picture):
    image = np.stack([make_picture(64, 80, rgb=False)] * 2)
    quality = np.zeros((64, 80))
    quality[:, 48:] = 100
    data = encode(image, quality_map=quality)
    decoded = decode(data)
    np.testing.assert_array_equal(decoded[0], decoded[1])
    with napari_sft.open(data) as opened:
        np.testing.assert_array_equal(
            opened.quality_map, CodedMap.from_quality(quality).pixels((64, 80))
        )


def test_the_same_image_gives_the_same_bytes(make_picture):
    image = make_picture(70, 90)
    first = encode(image, provenance=False)
    assert first == encode(image, provenance=False)


def test_files_streams_and_bytes_are_the_same(make_picture, tmp_path):
    image = make_picture(40, 50)
    data = encode(image, provenance=False)
    path, stream = tmp_path / 'a.sft', io.BytesIO()
    for target in (path, stream):
        napari_sft.imwrite(target, image, device='cpu', provenance=False)
    assert path.read_bytes() == stream.getvalue() == data
    stream.seek(0)
    for source in (path, str(path), stream, data):
        np.testing.assert_array_equal(
            napari_sft.imread(source, device='cpu'), decode(data)
        )


def test_a_small_plain_file_has_64_bytes_besides_payload_and_map():
    image = np.zeros((16, 16, 3), np.uint8)
    data = encode(image, provenance=False, statistics=False)
    with Reader(data) as reader:
        payload = reader.read_tile(0, 0, 0, 0).payload
        assert len(data) - len(payload) - len(reader.map()) <= 64


def test_info_is_plain_and_true(make_picture):
    data = encode(
        make_picture(40, 50),
        scale=(0.5, 0.25),
        units=('um', 'um'),
        name='a name',
        source='a.png',
    )
    info = napari_sft.info(data)
    assert json.loads(json.dumps(info)) == info
    assert info['shape'] == [40, 50, 3]
    assert info['dtype'] == 'uint8'
    assert info['bytes'] == len(data)
    assert info['bpp'] == 8 * len(data) / 2000
    assert info['ratio'] == 6000 / len(data)
    assert info['model'] == 'compact'
    assert info['statistics']['psnr'] > 20
    assert info['calibration']['scale'] == [0.5, 0.25]
    assert info['calibration']['name'] == 'a name'
    assert info['provenance']['source'] == 'a.png'
    assert info['provenance']['software'][0].startswith('napari-sft ')


def test_a_target_in_bits_per_pixel_is_one_in_bytes(make_picture):
    image = make_picture(96, 128)
    data = encode(image, target_bpp=0.4)
    target = 0.4 * 96 * 128 / 8
    assert 0.97 * target <= len(data) <= target


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'target_bytes': 99, 'target_bpp': 1.0}, SftError, 'not both'),
        ({'target_bytes': 100}, TargetError, 'too small'),
        ({'target_bytes': 0}, TargetError, 'too small'),
        ({'target_bpp': -1.0}, TargetError, 'not above 0'),
        ({'target_bpp': float('nan')}, TargetError, 'not above 0'),
        ({'quality': 101}, MapError, '0 to 100'),
        ({'quality': -1}, MapError, '0 to 100'),
        ({'quality': float('nan')}, MapError, 'NaN'),
        ({'quality': 'best'}, MapError, 'not made of numbers'),
        ({'quality_map': np.zeros((40, 51))}, MapError, r'\(40, 51\)'),
        ({'quality_map': np.full((40, 50), 200)}, MapError, '0 to 100'),
        ({'quality_map': np.zeros((1, 40, 50))}, MapError, r'\(1, 40, 50\)'),
        ({'device': 'tpu'}, ModelError, "'tpu' is not available"),
        ({'model': 'other'}, ModelError, "no weights for model 'other'"),
        ({'scale': (1.0,)}, ImageError, 'calibration of 1 axes'),
        ({'windows': 'huge'}, ImageError, 'no value window'),
        ({'axes': 'YXC', 'rgb': True}, ImageError, 'disagree'),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    make_picture, tmp_path, options, error, message
):
    path = tmp_path / 'a.sft'
    options = {'device': 'cpu'} | options
    with pytest.raises(error, match=message) as caught:
        napari_sft.imwrite(path, make_picture(40, 50), **options)
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((5, 5, 4), np.uint8), 'alpha'),
        (np.full((5, 5), np.nan, np.float32), 'NaN'),
        (np.full((5, 5), np.inf, np.float32), 'infinity'),
        (np.zeros((0, 5), np.uint8), 'empty'),
        (np.zeros(5, np.uint8), 'at least two'),
        (np.zeros((5, 5), bool), 'bool'),
        (np.zeros((5, 5), complex), 'complex'),
        (np.zeros((5, 5), object), 'object'),
    ],
)
def test_an_image_that_is_none_is_refused(image, message):
    with pytest.raises(ImageError, match=message):
        encode(image)


def test_alpha_is_dropped_on_request(make_picture):
    image = np.dstack([make_picture(20, 30), np.full((20, 30), 9, np.uint8)])
    assert decode(encode(image, alpha='drop')).shape == (20, 30, 3)


def test_a_folder_that_is_not_there_is_said(make_picture, tmp_path):
    with pytest.raises(SftError, match='No such file'):
        napari_sft.imwrite(tmp_path / 'no' / 'a.sft', make_picture(9, 9))


def test_missing_weights_are_said(make_picture, monkeypatch, tmp_path):
    data = encode(make_picture(20, 20))
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    with pytest.raises(ModelError, match='weights') as caught:
        decode(data)
    assert str(tmp_path) in str(caught.value)


def rewritten(data, **changes):
    """The file with another header, tile or checksum."""
    with Reader(data) as reader:
        header = reader.header
        tile = reader.read_tile(0, 0, 0, 0)
        buffer = io.BytesIO()
        new = Header(
            changes.get('model', header.model),
            changes.get('weights', header.weights),
            header.layout,
            header.windows,
            map_scope='shared',
            maps=(changes.get('map', header.maps[0]),),
        )
        with Writer(buffer, new) as writer:
            writer.write_tile(
                TileKey(0, 0, 0, 0),
                changes.get('payload', tile.payload),
                changes.get('crc', tile.symbols_crc),
            )
    return buffer.getvalue()


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        ({'weights': bytes(8)}, ModelError, 'needs weights 0000000000000000'),
        ({'model': 'later'}, ModelError, "needs the model 'later'"),
        ({'model': '/x/y.safetensors'}, ModelError, 'needs the model'),
        ({'crc': 1}, FormatError, 'symbols differ'),
        ({'payload': b''}, FormatError, 'plane 0: '),
        ({'payload': bytes(64)}, FormatError, 'plane 0: '),
        ({'payload': b'\xff' * 64}, FormatError, 'plane 0: '),
        ({'map': b'\x00'}, FormatError, 'plane 0: '),
        ({'map': b''}, FormatError, 'quality map'),
        ({'map': b'\x40\x02'}, FormatError, 'quality map'),
    ],
)
def test_a_whole_file_that_says_something_else_is_refused(
    make_picture, changes, error, message
):
    data = encode(make_picture(64, 64), quality=95)
    np.testing.assert_array_equal(decode(rewritten(data)), decode(data))
    with pytest.raises(error, match=message) as caught:
        decode(rewritten(data, **changes))
    assert '\n' not in str(caught.value)


def test_no_damaged_file_decodes(make_picture):
    data = encode(make_picture(64, 64))
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with pytest.raises(FormatError):
            decode(bytes(damaged))
    for cut in (0, 1, 8, 40, len(data) // 2, len(data) - 1):
        with pytest.raises(FormatError):
            decode(data[:cut])
    for extra in (b'\0', data):
        with pytest.raises(FormatError):
            decode(data + extra)


@pytest.mark.parametrize('side', [(1 << 15, 1 << 15), (1, 1 << 30)])
def test_a_small_file_with_a_huge_plane_is_refused_before_it_takes_memory(
    make_picture, side
):
    with Reader(encode(make_picture(8, 8))) as reader:
        weights = reader.header.weights
    layout = Layout('YX', side, np.dtype('uint8'))
    packed = pack(CodedMap(np.array([[5]])))
    header = Header(
        'compact', weights, layout, map_scope='shared', maps=(packed,)
    )
    buffer = io.BytesIO()
    with Writer(buffer, header) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), b'', 0)
    tracemalloc.start()
    with napari_sft.open(buffer.getvalue(), device='cpu') as image:
        assert image.shape == side
        for use in (
            image.read,
            lambda: image.read_plane(0),
            lambda: image.quality_map,
            lambda: image[:4, :4],
        ):
            with pytest.raises(ImageError, match='NAPARI_SFT_MAX_PIXELS'):
                use()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22
