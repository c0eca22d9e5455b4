"""TIFF and OME-TIFF: calibration both ways, and large files in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_sft import regions, tiff_files
from napari_sft.image_files import read_picture, write_picture


class Pieces:
    """An array that is read in pieces only and notes which."""

    def __init__(self, data, chunks=None):
        self.data, self.chunks = data, chunks
        self.shape, self.dtype = data.shape, data.dtype
        self.read = []

    def __getitem__(self, region):
        self.read.append(region)
        return self.data[region]

    def __array__(self, *args, **kwargs):
        raise AssertionError('the whole array was loaded')


def ramp(shape, dtype='uint16'):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize('axes', ['TCZYX', 'CZYX', 'ZYX', 'YX', 'ZYXS'])
def test_ome_tiff_keeps_calibration_and_name(tmp_path, axes):
    sizes = {'T': 2, 'C': 3, 'Z': 4, 'Y': 8, 'X': 9, 'S': 3}
    data = ramp([sizes[axis] for axis in axes], 'uint8')
    spatial = [axis for axis in axes if axis in 'TZYX']
    numbers = {'T': 1.5, 'Z': 2.0, 'Y': 0.25, 'X': 0.5}
    scale = {axis: numbers[axis] for axis in spatial}
    units = {axis: 's' if axis == 'T' else 'µm' for axis in spatial}
    translate = {a: 10 * numbers[a] for a in spatial if a != 'T'}
    path = tmp_path / 'a.ome.tif'
    write_picture(
        path,
        data,
        axes,
        scale=scale,
        units=units,
        translate=translate,
        name='a name',
    )
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
    back = read_picture(path)
    np.testing.assert_array_equal(back.data, data)
    assert back.axes == axes
    assert back.scale == scale
    assert back.units == units
    assert back.translate == translate
    assert back.name == 'a name'


def test_each_plane_of_a_stack_says_where_it_lies(tmp_path):
    path = tmp_path / 'a.tif'
    write_picture(
        path,
        ramp((2, 3, 8, 9)),
        'ZCYX',
        scale={'Z': 2.0},
        units={'Z': 'µm'},
        translate={'Z': 5.0},
    )
    with tifffile.TiffFile(path) as file:
        description = file.ome_metadata
    assert description.count('PositionZ="5.0"') == 3
    assert description.count('PositionZ="7.0"') == 3


def test_a_position_in_other_units_is_no_translation(tmp_path):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(
        path,
        ramp((8, 9)),
        ome=True,
        metadata={
            'axes': 'YX',
            'PhysicalSizeX': 0.5,
            'Plane': {
                'PositionX': [3.0],
                'PositionXUnit': ['reference frame'],
            },
        },
    )
    back = read_picture(path)
    assert back.scale == {'X': 0.5}
    assert not back.translate
    assert not back.name


@pytest.mark.parametrize(
    ('unit', 'scale'), [('CENTIMETER', {'Y': 5, 'X': 10}), ('INCH', {})]
)
def test_plain_tiff_has_pixels_a_centimetre(tmp_path, unit, scale):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(
        path, ramp((8, 9)), resolution=(1000, 2000), resolutionunit=unit
    )
    back = read_picture(path)
    assert back.scale == pytest.approx(scale)
    assert set(back.units.values()) == ({'µm'} if scale else set())


def test_slides_name_micrometres_a_pixel(tmp_path):
    path = tmp_path / 'a.svs'
    tifffile.imwrite(
        path.with_suffix('.tif'),
        ramp((64, 64, 3), 'uint8'),
        photometric='rgb',
        description='Aperio Image Library v1\r\n64x64 |AppMag = 40|MPP = 0.25',
        metadata=None,
    )
    back = read_picture(path.with_suffix('.tif'))
    assert back.scale == {'Y': 0.25, 'X': 0.25}


@pytest.mark.parametrize(
    'how', [{}, {'compression': 'zlib', 'tile': (16, 16)}]
)
def test_large_files_are_read_when_they_are_sliced(tmp_path, monkeypatch, how):
    pytest.importorskip('zarr', minversion='3')
    monkeypatch.setattr(tiff_files, 'LARGE', 1)
    data = ramp((3, 40, 50))
    path = tmp_path / 'a.tif'
    tifffile.imwrite(
        path,
        data,
        photometric='minisblack',
        metadata={'axes': 'ZYX'},
        **how,
    )
    back = read_picture(path)
    assert back.axes == 'ZYX'
    lazy = isinstance(back.data, np.memmap) or not isinstance(
        back.data, np.ndarray
    )
    assert lazy
    np.testing.assert_array_equal(back.data[1, 8:20], data[1, 8:20])


@pytest.mark.parametrize('rgb', [False, True])
@pytest.mark.parametrize('side', [16, 32, 20])
def test_large_images_are_written_in_pieces(tmp_path, monkeypatch, rgb, side):
    monkeypatch.setattr(regions, 'PIECE', 1 << 11)
    monkeypatch.setattr(tiff_files, 'PIECE', 1 << 11)
    data = ramp((2, 70, 50, *[3] * rgb))
    pixels = Pieces(data, (1, side, side, *[3] * rgb))
    steps = []
    write_picture(
        tmp_path / 'a.tif',
        pixels,
        f'ZYX{"S" * rgb}',
        scale={'Z': 2.0},
        progress=lambda *step: steps.append(step),
    )
    back = read_picture(tmp_path / 'a.tif')
    np.testing.assert_array_equal(back.data, data)
    assert back.scale == {'Z': 2.0}
    with tifffile.TiffFile(tmp_path / 'a.tif') as file:
        assert file.pages[0].is_tiled == (side != 20)
    assert steps == [(n, len(steps)) for n in range(len(steps))]
    assert len(pixels.read) == (2 if side == 20 else 6)


def test_blocks_cover_an_array_once():
    seen = np.zeros((5, 7, 3), int)
    for region in regions.blocks(seen.shape, (2, 3, 3)):
        seen[region] += 1
    assert (seen == 1).all()
