"""Images of any number of axes through whole files."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_sft
from napari_sft.cli import app
from napari_sft.image_files import read_picture, write_picture

pytestmark = pytest.mark.usefixtures('tiny_model')

SIZES = {'T': 2, 'C': 3, 'Z': 2}
STACKS = [''.join(axes) for n in range(4) for axes in combinations('TCZ', n)]
KINDS = [
    *((axes, 'uint16') for axes in STACKS),
    *((axes, 'uint8') for axes in ('', 'CZ', 'TCZ')),
    *((axes, 'float32') for axes in ('', 'CZ', 'TCZ')),
]
SPANS = {'uint8': 1, 'uint16': 16, 'float32': 1e-3}


def stack_of(make_picture, axes, dtype, *, rgb=False, size=(24, 40)):
    """An image of these stack axes, each plane another picture.

    Except for 8 bits, every channel has a range of its own.
    """
    shape = tuple(SIZES[axis] for axis in axes)
    planes = [
        make_picture(*size, rgb=rgb, seed=n)
        for n in range(int(np.prod(shape)))
    ]
    data = np.stack(planes).reshape(*shape, *planes[0].shape)
    data = data.astype(np.float64) * SPANS[dtype]
    if 'C' in axes and dtype != 'uint8':
        steps = np.arange(SIZES['C']) * 1000 * SPANS[dtype]
        behind = data.ndim - axes.index('C') - 1
        data += steps.reshape(-1, *(1,) * behind)
    return data.astype(dtype)


@pytest.mark.parametrize('rgb', [False, True])
@pytest.mark.parametrize(('axes', 'dtype'), KINDS)
def test_any_axes_come_back_with_their_dtype_and_values(
    make_picture, axes, dtype, rgb
):
    image = stack_of(make_picture, axes, dtype, rgb=rgb)
    letters = f'{axes}YX{"S" * rgb}'
    data = napari_sft.encode(image, axes=letters, quality=95)
    with napari_sft.open(data) as opened:
        assert opened.axes == letters
        assert opened.rgb == rgb
        back = opened.read()
    assert back.shape == image.shape
    assert back.dtype == image.dtype
    error = np.abs(back.astype(float) - image).mean()
    assert error < 12 * SPANS[dtype]


@pytest.mark.parametrize('dtype', ['uint16', 'float32'])
def test_each_channel_keeps_its_own_range(make_picture, dtype):
    image = stack_of(make_picture, 'TC', dtype)
    data = napari_sft.encode(image, axes='TCYX', quality=95)
    back = napari_sft.decode(data)
    windows = napari_sft.info(data)['windows']
    assert len(windows) == 3
    for channel, (lo, hi) in enumerate(windows):
        part = image[:, channel]
        assert (lo, hi) == (part.min(), part.max())
        assert back[:, channel].min() >= lo
        assert back[:, channel].max() <= hi


def test_windows_are_given_for_all_channels_or_for_each(make_picture):
    image = stack_of(make_picture, 'CZ', 'uint16')
    for given, kept in (
        ((0, 8000), [[0, 8000]]),
        ([(0, 500), (10, 900), (7, 70)], [[0, 500], [10, 900], [7, 70]]),
    ):
        data = napari_sft.encode(image, axes='CZYX', windows=given)
        assert napari_sft.info(data)['windows'] == kept
    with pytest.raises(napari_sft.ImageError, match='3 channels'):
        napari_sft.encode(image, axes='CZYX', windows=[(0, 1)] * 2)


@pytest.mark.parametrize('rgb', [False, True])
def test_a_full_map_gives_each_plane_its_own(make_picture, rgb):
    image = stack_of(make_picture, 'TZ', 'uint8', rgb=rgb)
    quality = np.arange(4.0).reshape(2, 2, 1, 1) * 25
    quality = np.broadcast_to(quality, (2, 2, 24, 40))
    letters = f'TZYX{"S" * rgb}'
    data = napari_sft.encode(image, axes=letters, quality_map=quality)
    for index in np.ndindex(2, 2):
        one = napari_sft.encode(
            image[index], axes=letters[2:], quality_map=quality[index]
        )
        with napari_sft.open(data) as opened:
            whole = opened.read(index)
        np.testing.assert_array_equal(whole, napari_sft.decode(one))


def test_a_full_map_follows_the_axes_of_the_array(make_picture):
    image = stack_of(make_picture, 'Z', 'uint8')
    quality = np.zeros(image.shape)
    quality[1, :, 16:] = 90
    straight = napari_sft.encode(
        image, axes='ZYX', quality_map=quality, provenance=False
    )
    turned = napari_sft.encode(
        image.transpose(2, 1, 0),
        axes='XYZ',
        quality_map=quality.transpose(2, 1, 0),
        provenance=False,
    )
    assert straight == turned


def test_info_states_what_the_mapping_costs(make_picture):
    costs = {}
    for dtype in SPANS:
        image = stack_of(make_picture, 'C', dtype)
        info = napari_sft.info(napari_sft.encode(image, axes='CYX'))
        costs[dtype] = info['mapping_error']
    assert costs['uint8'] == costs['uint16'] == 0
    assert 0 < costs['float32'] < 1e-6


@pytest.mark.parametrize('dtype', SPANS)
def test_the_stated_errors_are_those_of_the_decoded_image(make_picture, dtype):
    image = stack_of(make_picture, 'TC', dtype)
    data = napari_sft.encode(image, axes='TCYX', quality=60)
    error = np.abs(napari_sft.decode(data).astype(float) - image)
    info = napari_sft.info(data)
    spans = np.array([hi - lo for lo, hi in info['windows']])
    parts = error / spans.reshape(-1, 1, 1)
    stated = info['statistics']
    assert stated['largest_error'] == pytest.approx(parts.max(), abs=2e-3)
    psnr = -10 * np.log10((parts**2).mean())
    assert stated['psnr'] == pytest.approx(psnr, abs=0.01)


def test_a_5d_ome_tiff_keeps_what_it_says_about_itself(make_picture, tmp_path):
    image = stack_of(make_picture, 'TCZ', 'uint16')
    numbers = {'T': 1.5, 'Z': 2.0, 'Y': 0.25, 'X': 0.5}
    units = {'T': 's', 'Z': 'µm', 'Y': 'µm', 'X': 'µm'}
    place = {'Z': 3.0, 'Y': 1.0, 'X': 2.0}
    write_picture(
        tmp_path / 'a.ome.tif',
        image,
        'TCZYX',
        scale=numbers,
        units=units,
        translate=place,
        name='a stack',
    )
    for arguments in (
        ('encode', tmp_path / 'a.ome.tif', tmp_path / 'a.sft'),
        ('decode', tmp_path / 'a.sft', tmp_path / 'b.ome.tif'),
    ):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
    back = read_picture(tmp_path / 'b.ome.tif')
    assert (back.axes, back.name) == ('TCZYX', 'a stack')
    assert back.data.dtype == np.uint16
    assert back.scale == numbers
    assert back.units == units
    assert back.translate == place
    np.testing.assert_array_equal(
        back.data, napari_sft.imread(tmp_path / 'a.sft')
    )


def test_info_prints_what_the_mapping_costs_if_anything(
    make_picture, tmp_path
):
    for dtype, said in (('uint16', False), ('float32', True)):
        image = stack_of(make_picture, '', dtype)
        napari_sft.imwrite(tmp_path / 'a.sft', image)
        result = CliRunner().invoke(app, ['info', str(tmp_path / 'a.sft')])
        assert ('mapping error' in result.output) == said
