"""Ordinary image files: what is read, what can be written, what is said."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sft.codec.errors import ImageError, MapError, SftError
from napari_sft.codec.layout import Layout
from napari_sft.image_files import (
    find_pictures,
    natural_suffix,
    read_map,
    read_picture,
    write_picture,
)


@pytest.fixture
def gray16():
    return np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) * 100


@pytest.mark.parametrize('suffix', ['.png', '.webp', '.bmp', '.tif'])
@pytest.mark.parametrize('rgb', [True, False])
def test_8_bit_planes_come_back_from_lossless_formats(
    tmp_path, make_picture, suffix, rgb
):
    data = make_picture(20, 30, rgb=rgb)
    path = tmp_path / f'picture{suffix}'
    write_picture(path, data, 'YXS' if rgb else 'YX')
    back = read_picture(path)
    if suffix == '.webp' and not rgb:  # it knows only colour
        assert back.axes == 'YXS'
        np.testing.assert_array_equal(back.data[..., 0], data)
    else:
        assert back.axes == ('YXS' if rgb else 'YX')
        np.testing.assert_array_equal(back.data, data)


def test_jpeg_of_a_decoded_picture_loses_little(tmp_path, make_picture):
    data = make_picture(32, 32)
    write_picture(tmp_path / 'a.jpg', data, 'YXS')
    back = read_picture(tmp_path / 'a.jpg').data
    assert np.abs(back.astype(int) - data).mean() < 4


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_16_bit_gray_comes_back(tmp_path, gray16, suffix):
    path = tmp_path / f'a{suffix}'
    write_picture(path, gray16, 'YX')
    back = read_picture(path)
    assert back.data.dtype == np.uint16
    np.testing.assert_array_equal(back.data, gray16)


@pytest.mark.parametrize(
    'dtype', ['int8', 'uint32', 'int16', 'float16', 'float32', 'float64']
)
@pytest.mark.parametrize('axes', ['YX', 'TCYX', 'ZPYX'])
def test_tiff_holds_every_dtype_and_axis(tmp_path, dtype, axes):
    shape = (2, 3, 8, 9)[4 - len(axes) :]
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    write_picture(tmp_path / 'a.tif', data, axes)
    back = read_picture(tmp_path / 'a.tif')
    assert back.axes == axes
    assert back.data.dtype == dtype
    np.testing.assert_array_equal(back.data, data)


def test_tiff_keeps_scale_and_units(tmp_path):
    data = np.zeros((3, 8, 9), np.uint8)
    scale = {'Z': 2.0, 'Y': 0.25, 'X': 0.5}
    units = {'Z': 'micrometer', 'Y': 'micrometer', 'X': 'nm'}
    write_picture(tmp_path / 'a.tif', data, 'ZYX', scale=scale, units=units)
    back = read_picture(tmp_path / 'a.tif')
    assert back.scale == scale
    assert back.units == {'Z': 'µm', 'Y': 'µm', 'X': 'nm'}
    assert back.along('ZYX') == {
        'scale': (2.0, 0.25, 0.5),
        'units': ('µm', 'µm', 'nm'),
    }


def test_imagej_calibration_is_read(tmp_path):
    tifffile.imwrite(
        tmp_path / 'a.tif',
        np.zeros((3, 8, 9), np.uint16),
        imagej=True,
        resolution=(4, 2),
        metadata={'axes': 'ZYX', 'spacing': 3.0, 'unit': 'um'},
    )
    back = read_picture(tmp_path / 'a.tif')
    assert back.axes == 'ZYX'
    assert back.scale == pytest.approx({'X': 0.25, 'Y': 0.5, 'Z': 3})
    assert set(back.units.values()) == {'µm'}


def test_a_tiff_in_which_low_is_white_is_inverted(tmp_path, gray16):
    tifffile.imwrite(tmp_path / 'a.tif', gray16, photometric='miniswhite')
    back = read_picture(tmp_path / 'a.tif')
    np.testing.assert_array_equal(back.data, 65535 - gray16)


def test_two_samples_are_channels(tmp_path):
    tifffile.imwrite(
        tmp_path / 'a.tif',
        np.zeros((8, 9, 2), np.uint8),
        photometric='minisblack',
        planarconfig='contig',
    )
    assert read_picture(tmp_path / 'a.tif').axes == 'YXC'


def test_opaque_alpha_is_dropped_and_other_refused(tmp_path, make_picture):
    data = np.dstack([make_picture(8, 9), np.full((8, 9), 255, np.uint8)])
    Image.fromarray(data).save(tmp_path / 'opaque.png')
    data[0, 0, 3] = 254
    Image.fromarray(data).save(tmp_path / 'clear.png')
    assert read_picture(tmp_path / 'opaque.png').data.shape == (8, 9, 3)
    with pytest.raises(ImageError, match='--alpha drop'):
        read_picture(tmp_path / 'clear.png')
    dropped = read_picture(tmp_path / 'clear.png', alpha='drop').data
    np.testing.assert_array_equal(dropped, data[..., :3])


def test_gray_with_alpha_stays_gray(tmp_path):
    Image.new('LA', (9, 8), (7, 255)).save(tmp_path / 'a.png')
    assert read_picture(tmp_path / 'a.png').axes == 'YX'


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new('RGB', (9, 8)).save(tmp_path / 'a.jpg', exif=exif)
    assert read_picture(tmp_path / 'a.jpg').data.shape == (9, 8, 3)


def test_a_film_is_a_stack(tmp_path):
    frames = [Image.new('RGB', (9, 8), (n, 0, 0)) for n in (0, 99, 200)]
    frames[0].save(
        tmp_path / 'a.webp',
        save_all=True,
        append_images=frames[1:],
        lossless=True,
    )
    back = read_picture(tmp_path / 'a.webp')
    assert (back.axes, back.data.shape) == ('TYXS', (3, 8, 9, 3))
    assert back.data[:, 0, 0, 0].tolist() == [0, 99, 200]


def test_deep_colour_png_is_refused_rather_than_cut(tmp_path):
    header = bytes.fromhex('89504e470d0a1a0a0000000d49484452')
    body = bytes.fromhex('00000001000000011002000000')
    path = tmp_path / 'a.png'
    Image.new('RGB', (1, 1)).save(path)
    data = path.read_bytes()
    crc = zlib.crc32(b'IHDR' + body).to_bytes(4, 'big')
    path.write_bytes(header + body + crc + data[33:])
    with pytest.raises(ImageError, match='16-bit colour'):
        read_picture(path)


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.xyz'])
def test_what_is_no_image_is_one_line(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(ImageError, match=f"can't read .*{name}: No such"):
        read_picture(path)
    path.write_bytes(b'no image at all')
    with pytest.raises(ImageError, match=f"can't read .*{name}") as caught:
        read_picture(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'dtype', 'axes'),
    [
        ('a.jpg', 'uint16', 'YX'),
        ('a.png', 'float32', 'YX'),
        ('a.png', 'uint16', 'YXS'),
        ('a.png', 'uint8', 'ZYX'),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, dtype, axes):
    shape = tuple({'S': 3, 'Z': 2}.get(a, 8) for a in axes)
    with pytest.raises(ImageError, match=r'write a \.tif'):
        write_picture(tmp_path / name, np.zeros(shape, dtype), axes)
    assert not list(tmp_path.iterdir())


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"'\.xyz'"):
        write_picture(tmp_path / 'a.xyz', np.zeros((8, 9), np.uint8), 'YX')


def test_nothing_is_left_of_a_write_that_fails(tmp_path, monkeypatch):
    target = tmp_path / 'a.tif'
    target.write_bytes(b'before')

    def fail(part, *_):
        part.write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('napari_sft.image_files.write_tiff', fail)
    with pytest.raises(SftError, match='No space left'):
        write_picture(target, np.zeros((8, 9), np.uint8), 'YX')
    assert [p.name for p in tmp_path.iterdir()] == ['a.tif']
    assert target.read_bytes() == b'before'


def test_units_that_ome_does_not_know_are_left_out(tmp_path):
    path = tmp_path / 'a.tif'
    data = np.zeros((8, 9), np.uint8)
    write_picture(path, data, 'YX', scale={'X': 2.0}, units={'X': 'parsec'})
    back = read_picture(path)
    assert back.scale == {'X': 2.0}


def test_natural_suffix_is_png_where_that_holds_the_image():
    def suffix(axes, dtype):
        shape = tuple(3 if a == 'S' else 8 for a in axes)
        return natural_suffix(Layout(axes, shape, np.dtype(dtype)))

    assert suffix('YX', 'uint8') == suffix('YXS', 'uint8') == '.png'
    assert suffix('YX', 'uint16') == '.png'
    assert suffix('YXS', 'uint16') == suffix('YX', 'float32') == '.tif'
    assert suffix('ZYX', 'uint8') == '.tif'


def test_a_folder_gives_its_pictures_sorted(tmp_path):
    for name in ('b.PNG', 'a.tif', 'c.txt', 'd.jpg'):
        (tmp_path / name).touch()
    found = [path.name for path in find_pictures(tmp_path)]
    assert found == ['a.tif', 'b.PNG', 'd.jpg']


def test_a_map_goes_from_0_to_100(tmp_path):
    gray = np.array([[0, 51, 255]], np.uint8)
    path = tmp_path / 'map.png'
    Image.fromarray(gray).save(path)
    quality = read_map(path, (1, 3))
    np.testing.assert_allclose(quality, [[0, 20, 100]], atol=1e-4)
    Image.fromarray(np.dstack([gray] * 3)).save(path)
    np.testing.assert_allclose(read_map(path, (1, 3)), quality)


def test_a_map_of_another_size_names_both_sizes(tmp_path):
    path = tmp_path / 'map.png'
    Image.new('L', (6, 4), 255).save(path)
    with pytest.raises(MapError, match='6x4.*12x8.*--resize-map'):
        read_map(path, (8, 12))
    stretched = read_map(path, (8, 12), stretch=True)
    np.testing.assert_allclose(stretched, np.full((8, 12), 100))


def test_a_map_must_be_8_bit_gray(tmp_path, gray16):
    Image.new('RGB', (6, 4), (1, 2, 3)).save(tmp_path / 'colour.png')
    Image.fromarray(gray16).save(tmp_path / 'deep.png')
    with pytest.raises(MapError, match='colours'):
        read_map(tmp_path / 'colour.png', (4, 6))
    with pytest.raises(MapError, match='8-bit gray'):
        read_map(tmp_path / 'deep.png', gray16.shape)
    with pytest.raises(SftError, match='No such file'):
        read_map(tmp_path / 'none.png', (4, 6))
