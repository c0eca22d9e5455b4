"""`.sft` files as OME-Zarr 0.5 and back, and Zarr images as pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_sft
from napari_sft.cli import app
from napari_sft.codec.colours import ColourTurn
from napari_sft.codec.errors import ImageError, SftError
from napari_sft.image_files import find_pictures, read_picture
from napari_sft.ngff.attributes import ome_axes
from napari_sft.ngff.metadata import parse
from napari_sft.ngff.reading import open_zarr
from napari_sft.ngff.writing import write_ome_zarr

zarr = pytest.importorskip('zarr', minversion='3')

pytestmark = pytest.mark.usefixtures('tiny_model')
UNITS = ('s', 'pixel', 'µm', 'µm', 'µm')


@pytest.fixture
def stack(make_picture):
    """A stack TCZYX (2, 3, 2, 40, 50) of 12 bits, channels apart."""
    planes = [make_picture(40, 50, rgb=False, seed=n) for n in range(12)]
    data = np.stack(planes).reshape(2, 3, 2, 40, 50).astype(np.uint16) * 10
    data[:, 1] += 5000
    data[:, 2] //= 20
    return data


@pytest.fixture
def stack_file(stack, tmp_path):
    """The stack with all that it can say about itself."""
    path = tmp_path / 'stack.sft'
    napari_sft.imwrite(
        path,
        stack,
        axes='TCZYX',
        quality=90,
        scale=(2.0, 1.0, 1.5, 0.25, 0.5),
        translate=(10.0, 0.0, 3.0, 1.0, 2.0),
        units=UNITS,
        labels=('time', 'stain', 'depth', 'down', 'right'),
        name='a stack',
    )
    return path


def run(*arguments):
    """The command line, which must succeed."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def test_a_5d_stack_keeps_everything_through_ome_zarr(
    stack, stack_file, tmp_path
):
    run('to-zarr', stack_file, tmp_path / 'stack.ome.zarr')
    run('from-zarr', tmp_path / 'stack.ome.zarr', tmp_path / 'back.sft')
    before = napari_sft.info(stack_file)
    after = napari_sft.info(tmp_path / 'back.sft')
    for key in ('shape', 'axes', 'dtype', 'windows', 'calibration', 'model'):
        assert after[key] == before[key], key
    back = napari_sft.imread(tmp_path / 'back.sft')
    for channel, (lo, hi) in enumerate(before['windows']):
        error = back[:, channel].astype(float) - stack[:, channel]
        assert np.abs(error).mean() < 0.06 * (hi - lo)


def test_planes_move_over_as_they_are_coded(stack_file, tmp_path, monkeypatch):
    monkeypatch.delattr('napari_sft.api.encode_job')  # nothing is encoded
    run('to-zarr', stack_file)
    run('from-zarr', tmp_path / 'stack.ome.zarr', tmp_path / 'back.sft')
    whole = napari_sft.imread(stack_file)
    array = zarr.open(tmp_path / 'stack.ome.zarr')['0']
    np.testing.assert_array_equal(array[:], whole)
    np.testing.assert_array_equal(
        napari_sft.imread(tmp_path / 'back.sft'), whole
    )


@pytest.mark.parametrize(
    'colours', [None, ColourTurn((2000, -900, 400), (9, 99, 0))]
)
def test_planes_of_rgb_pixels_move_over(make_picture, tmp_path, colours):
    stack = np.stack([make_picture(40, 50, seed=n) for n in range(2)])
    path = tmp_path / 'a.sft'
    napari_sft.imwrite(path, stack, axes='ZYXS', colours=colours)
    run('to-zarr', path)
    run('from-zarr', tmp_path / 'a.ome.zarr', tmp_path / 'b.sft')
    whole = napari_sft.imread(path)
    array = zarr.open(tmp_path / 'a.ome.zarr')['0']
    assert array.shape == (3, 2, 40, 50)
    np.testing.assert_array_equal(array[:], whole.transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(napari_sft.imread(tmp_path / 'b.sft'), whole)


def test_chunks_smaller_than_planes_are_coded_anew(stack_file, tmp_path):
    run('to-zarr', stack_file, '--chunk', 64, '-f')
    assert open_zarr(tmp_path / 'stack.ome.zarr').coded_planes() is not None
    picture = np.zeros((80, 100), np.uint8)
    picture[20:60, 30:70] = 200
    napari_sft.imwrite(tmp_path / 'a.sft', picture, quality=95)
    run('to-zarr', tmp_path / 'a.sft', '--chunk', 64, '--no-pyramid')
    opened = open_zarr(tmp_path / 'a.ome.zarr')
    assert opened.array.chunks == (64, 64)
    assert opened.coded_planes() is None
    error = opened.array[:] - napari_sft.imread(tmp_path / 'a.sft').astype(int)
    assert 0 < np.abs(error).mean() < 12


def test_a_quality_asked_for_is_used(stack_file, tmp_path):
    run('to-zarr', stack_file)
    target = tmp_path / 'back.sft'
    run('from-zarr', tmp_path / 'stack.ome.zarr', target, '--quality', 10)
    with napari_sft.open(target) as image:
        assert image.quality_map == pytest.approx(10, abs=0.2)


def test_metadata_are_those_of_version_0_5(stack_file, tmp_path):
    run('to-zarr', stack_file)
    folder = tmp_path / 'stack.ome.zarr'
    group = json.loads((folder / 'zarr.json').read_text())
    assert group['zarr_format'] == 3
    ome = group['attributes']['ome']
    assert ome['version'] == '0.5'
    (multiscale,) = ome['multiscales']
    assert multiscale['name'] == 'a stack'
    assert [axis['name'] for axis in multiscale['axes']] == list('tczyx')
    assert [axis['type'] for axis in multiscale['axes']] == [
        *('time', 'channel', 'space', 'space', 'space')
    ]
    assert [axis.get('unit') for axis in multiscale['axes']] == [
        *('second', None, 'micrometer', 'micrometer', 'micrometer')
    ]
    (dataset,) = multiscale['datasets']
    scale, translation = dataset['coordinateTransformations']
    assert scale['scale'] == [2.0, 1.0, 1.5, 0.25, 0.5]
    assert translation['translation'] == [10.0, 0.0, 3.0, 1.0, 2.0]
    windows = [c['window'] for c in ome['omero']['channels']]
    assert [[w['start'], w['end']] for w in windows] == napari_sft.info(
        stack_file
    )['windows']
    array = json.loads((folder / '0/zarr.json').read_text())
    assert array['dimension_names'] == list('tczyx')
    assert array['codecs'][0]['name'] == 'napari_sft'


def test_lossless_chunks_hold_what_is_decoded(stack_file, tmp_path):
    run('to-zarr', stack_file, tmp_path / 'a.zarr', '--codec', 'zstd')
    array = zarr.open(tmp_path / 'a.zarr')['0']
    np.testing.assert_array_equal(array[:], napari_sft.imread(stack_file))


@pytest.mark.parametrize('stored', [True, False])
def test_a_pyramid_is_kept_or_made(make_picture, tmp_path, stored):
    picture = make_picture(140, 200)
    napari_sft.imwrite(
        tmp_path / 'a.sft', picture, tile=64, pyramid=stored, quality=95
    )
    run('to-zarr', tmp_path / 'a.sft', '--chunk', 64, '--codec', 'zstd')
    group = zarr.open(tmp_path / 'a.ome.zarr')
    assert [group[str(n)].shape for n in range(3)] == [
        *((3, 140, 200), (3, 70, 100), (3, 35, 50))
    ]
    assert '3' not in group
    small = picture.reshape(70, 2, 100, 2, 3).mean((1, 3))
    error = np.abs(group['1'][:].transpose(1, 2, 0) - small)
    assert error.mean() < 6
    (multiscale,) = group.attrs['ome']['multiscales']
    scale, translation = multiscale['datasets'][2]['coordinateTransformations']
    assert scale['scale'] == [1, 4, 4]
    assert translation['translation'] == [0, 1.5, 1.5]
    run('from-zarr', tmp_path / 'a.ome.zarr', tmp_path / 'b.sft', '-f')
    with napari_sft.open(tmp_path / 'b.sft') as back:
        assert back.axes == 'YXS'
        assert len(back.levels) > 1 or max(back.shape) <= 1024


@pytest.mark.parametrize('chunk', [64, 1024])
def test_maps_go_with_the_pixels(make_picture, tmp_path, chunk):
    stack = np.stack([make_picture(96, 80, rgb=False, seed=n) for n in (0, 1)])
    quality = np.zeros(stack.shape)
    quality[0, :, 48:] = 80
    quality[1] = 30
    path = tmp_path / 'a.sft'
    napari_sft.imwrite(path, stack, axes='ZYX', quality_map=quality)
    run('to-zarr', path, '--chunk', chunk)
    run('from-zarr', tmp_path / 'a.ome.zarr', tmp_path / 'b.sft')
    with (
        napari_sft.open(path) as before,
        napari_sft.open(tmp_path / 'b.sft') as after,
    ):
        for plane in range(2):
            np.testing.assert_array_equal(
                after.coded_map(plane).fine(), before.coded_map(plane).fine()
            )
    maps = zarr.open(tmp_path / 'a.ome.zarr')['quality/0']
    np.testing.assert_allclose(maps[:], quality, atol=2)


def test_axes_come_back_in_their_order(make_picture, tmp_path):
    planes = [make_picture(40, 50, rgb=False, seed=n) for n in range(6)]
    stack = np.stack(planes).reshape(3, 2, 40, 50)
    path = tmp_path / 'a.sft'
    napari_sft.imwrite(path, stack, axes='ZCYX', quality=95)
    run('to-zarr', path, '--codec', 'zstd')
    array = zarr.open(tmp_path / 'a.ome.zarr')['0']
    assert array.shape == (2, 3, 40, 50)
    picture = read_picture(tmp_path / 'a.ome.zarr')
    assert picture.axes == 'ZCYX'
    whole = napari_sft.imread(path)
    np.testing.assert_array_equal(picture.data[1:3, 1], whole[1:3, 1])
    np.testing.assert_array_equal(picture.data, whole)


def test_encode_takes_zarr_among_other_files(make_picture, tmp_path):
    data = make_picture(40, 50, rgb=False)
    (tmp_path / 'in').mkdir()
    zarr.create_array(
        tmp_path / 'in/a.zarr', data=data, dimension_names=['y', 'x']
    )
    assert find_pictures(tmp_path / 'in') == [tmp_path / 'in/a.zarr']
    run('encode', tmp_path / 'in', '--out-dir', tmp_path, '--quality', 90)
    back = napari_sft.imread(tmp_path / 'a.sft')
    assert np.abs(back - data.astype(float)).mean() < 12


def test_images_of_others_are_read(make_picture, tmp_path):
    data = make_picture(40, 50).transpose(2, 0, 1)
    group = zarr.create_group(tmp_path / 'a.zarr', zarr_format=2)
    group.create_array('full', data=data)
    axes = [{'name': name} for name in ('c', 'y', 'x')]
    axes[1]['unit'] = axes[2]['unit'] = 'nanometer'
    scale = {'type': 'scale', 'scale': [1, 5, 4]}
    shift = {'type': 'translation', 'translation': [0, 7, 0]}
    group.attrs['multiscales'] = [
        {
            'version': '0.4',
            'axes': axes,
            'datasets': [
                {'path': 'full', 'coordinateTransformations': [scale, shift]}
            ],
            'coordinateTransformations': [
                {'type': 'scale', 'scale': [1, 2, 2]}
            ],
        }
    ]
    picture = read_picture(tmp_path / 'a.zarr')
    assert picture.axes == 'CYX'
    assert picture.scale == {'C': 1, 'Y': 10, 'X': 8}
    assert picture.translate == {'C': 0, 'Y': 14, 'X': 0}
    assert picture.units == {'Y': 'nanometer', 'X': 'nanometer'}
    colours = ('FF0000', '00FF00', '0000FF')
    # Their windows are for display; they must not clip.
    narrow = {'start': 100, 'end': 110}
    group.attrs['omero'] = {
        'channels': [{'color': c, 'window': narrow} for c in colours]
    }
    opened = open_zarr(tmp_path / 'a.zarr')
    assert opened.about.axes == 'SYX'
    run('from-zarr', tmp_path / 'a.zarr', tmp_path / 'a.sft')
    info = napari_sft.info(tmp_path / 'a.sft')
    assert info['axes'] == 'YXS'
    assert info['windows'] == [[0, 255]]
    assert info['calibration']['scale'] == [10, 8]


def test_a_bio_formats_root_leads_to_its_first_image(stack_file, tmp_path):
    root = zarr.create_group(
        tmp_path / 'root.zarr', attributes={'bioformats2raw.layout': 3}
    )
    write_ome_zarr(tmp_path / 'root.zarr/0', stack_file)
    assert open_zarr(tmp_path / 'root.zarr').about.name == 'a stack'
    assert root['0'].attrs['ome']


def test_existing_folders_are_kept_unless_forced(stack_file, tmp_path):
    target = tmp_path / 'a.zarr'
    run('to-zarr', stack_file, target)
    result = CliRunner().invoke(app, ['to-zarr', str(stack_file), str(target)])
    assert result.exit_code == 1
    assert 'give --force' in result.stderr
    (target / 'mine').write_text('')
    run('to-zarr', stack_file, target, '--force')
    assert not (target / 'mine').exists()


def test_nothing_is_left_of_what_fails(stack_file, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}

    def cancel(done, _total):
        if done == 2:
            raise SftError('cancelled')

    with pytest.raises(SftError, match='cancelled'):
        write_ome_zarr(tmp_path / 'a.zarr', stack_file, progress=cancel)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ('axes', 'order'),
    [('YX', 'YX'), ('ZTCYX', 'TCZYX'), ('PZYXS'[1:], 'SZYX'), ('PYX', 'PYX')],
)
def test_ome_zarr_orders_time_channel_space(axes, order):
    assert ome_axes(axes) == order


def test_more_axes_than_ome_zarr_has_are_refused():
    with pytest.raises(ImageError, match='one axis besides'):
        ome_axes('CZYXS')


@pytest.mark.parametrize(
    'attrs',
    [{}, {'ome': {}}, {'multiscales': []}, {'multiscales': [{'axes': 'yx'}]}],
)
def test_metadata_of_something_else_are_refused(attrs):
    with pytest.raises(ImageError, match='do not describe an image'):
        parse(attrs, np.dtype('uint8'))


def test_a_group_of_something_else_is_one_line(tmp_path):
    zarr.create_group(tmp_path / 'a.zarr')
    with pytest.raises(ImageError, match='without OME-Zarr metadata'):
        read_picture(tmp_path / 'a.zarr')
    (tmp_path / 'b.zarr').mkdir()
    (tmp_path / 'b.zarr/zarr.json').write_text('{')
    with pytest.raises(ImageError, match="can't read"):
        read_picture(tmp_path / 'b.zarr')


def test_napari_opens_it_with_the_ordinary_reader(stack_file, tmp_path):
    reader = pytest.importorskip('napari_ome_zarr')
    run('to-zarr', stack_file, tmp_path / 'stack.ome.zarr')
    path = str(tmp_path / 'stack.ome.zarr')
    ((levels, metadata, kind),) = reader.napari_get_reader(path)(path)
    assert kind == 'image'
    assert metadata['channel_axis'] == 1
    assert metadata['scale'] == [2.0, 1.5, 0.25, 0.5]
    assert metadata['units'] == (
        *('second', 'micrometer', 'micrometer', 'micrometer'),
    )
    assert len(metadata['contrast_limits']) == 3
    opened = zarr.open(path)['0']
    np.testing.assert_array_equal(
        np.asarray(levels[0][1, 2, 1]), opened[1, 2, 1]
    )


def test_napari_shows_its_channels(stack_file, tmp_path, request):
    pytest.importorskip('napari_ome_zarr')
    components = pytest.importorskip('napari.components')
    npe2 = pytest.importorskip('npe2')
    manifest = npe2.PluginManifest.from_distribution('napari-ome-zarr')
    request.getfixturevalue('npe2pm').register(manifest)
    run('to-zarr', stack_file, tmp_path / 'stack.ome.zarr')
    viewer = components.ViewerModel()
    path = str(tmp_path / 'stack.ome.zarr')
    layers = viewer.open(path, plugin='napari-ome-zarr')
    assert [layer.data.shape for layer in layers] == [(2, 2, 40, 50)] * 3
    first, (lo, hi) = layers[0], napari_sft.info(stack_file)['windows'][0]
    assert first.contrast_limits == [lo, hi]
    assert np.asarray(first.data).max() <= hi
