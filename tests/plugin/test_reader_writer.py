"""napari's reader and writer: files there and back, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

import napari_sft
from napari_sft.codec.errors import FormatError, ImageError, MapError
from napari_sft.plugin import _reader
from napari_sft.plugin._reader import get_reader, read
from napari_sft.plugin._writer import write

pytestmark = pytest.mark.usefixtures('tiny_model')

SIGNATURE = b'\x89SFT\r\n\x1a\n'
KEY = 'napari-sft'


@pytest.fixture
def sft_path(tmp_path):
    path = tmp_path / 'picture.sft'
    path.write_bytes(SIGNATURE + b'rest')
    return str(path)


@pytest.fixture
def saved(tmp_path, make_picture):
    """Encode something into a file; its path."""

    def save(image=None, **arguments):
        image = make_picture(40, 70) if image is None else image
        path = str(tmp_path / 'saved.sft')
        napari_sft.imwrite(path, image, device='cpu', **arguments)
        return path

    return save


@pytest.fixture
def viewer(npe2pm):
    """A viewer without a window that knows this plugin alone."""
    from napari.components import ViewerModel

    npe2pm.register(PluginManifest.from_distribution('napari-sft'))
    return ViewerModel()


@pytest.fixture
def written(monkeypatch):
    """Arguments of the one call of `napari_sft.imwrite` by the writer."""
    call = {}

    def imwrite(path, image, **arguments):
        call.update(path=path, image=image, **arguments)

    monkeypatch.setitem(vars(napari_sft), 'imwrite', imwrite)
    return call


def test_only_files_with_the_signature_get_a_reader(tmp_path, sft_path):
    foreign = tmp_path / 'foreign.sft'
    foreign.write_bytes(b'\x89PNG\r\n\x1a\n and more')
    short = tmp_path / 'short.sft'
    short.write_bytes(SIGNATURE[:7])
    assert get_reader(sft_path) is read
    assert get_reader([sft_path, sft_path]) is read
    assert get_reader([sft_path, str(foreign)]) is None
    for path in (foreign, short, tmp_path, tmp_path / 'absent.sft'):
        assert get_reader(str(path)) is None


def test_an_image_comes_with_its_place_in_the_world(saved, make_picture):
    planes = [make_picture(24, 30, rgb=False, seed=n) for n in range(2)]
    stack = np.stack(planes).astype(np.uint16)
    path = saved(
        stack,
        scale=(2.0, 0.5, 0.25),
        translate=(1.0, 2.0, 3.0),
        units=('micrometer', '', 'micrometer'),
        labels=('Z', 'Y', 'X'),
        name='cells',
    )
    (data, meta, kind), (_, flat, _) = read(path)
    assert kind == 'image'
    np.testing.assert_array_equal(data, napari_sft.imread(path))
    assert meta.pop('metadata')[KEY] == {
        'path': path,
        **napari_sft.info(path),
    }
    assert meta == {
        'name': 'cells',
        'rgb': False,
        'scale': (2.0, 0.5, 0.25),
        'translate': (1.0, 2.0, 3.0),
        'units': ('micrometer', 'pixel', 'micrometer'),
        'axis_labels': ('Z', 'Y', 'X'),
    }
    assert flat['scale'] == (0.5, 0.25)
    assert flat['translate'] == (2.0, 3.0)
    assert flat['axis_labels'] == ('Y', 'X')


def test_a_file_without_calibration_is_named_after_itself(saved):
    (_, meta, _), (_, map_meta, _) = read(saved())
    assert meta['name'] == 'saved'
    assert map_meta['name'] == 'saved quality'
    assert not {'scale', 'translate', 'units', 'axis_labels'} & meta.keys()


def test_a_painted_map_comes_as_labels_on_its_base(saved):
    quality = np.full((40, 70), 20.0)
    quality[:16, 16:32] = 100
    _, (labels, meta, kind) = read(saved(quality_map=quality))
    assert kind == 'labels'
    assert labels.dtype == np.uint8
    assert labels.shape == (40, 70)
    assert (labels[:16, 16:32] == 101).all()
    assert np.count_nonzero(labels) == 256
    base = meta['metadata'][KEY]['base_quality']
    assert base == pytest.approx(20, abs=2)
    assert meta['visible']
    labels[0, 0] = 5  # it can be painted on


def test_a_uniform_map_starts_unpainted_and_hidden(saved):
    _, (labels, meta, _) = read(saved(quality=64))
    assert not labels.any()
    assert meta['metadata'][KEY]['base_quality'] == pytest.approx(64, abs=0.2)
    assert not meta['visible']


def test_maps_of_each_plane_come_as_a_stack(saved, make_picture):
    stack = np.stack([make_picture(24, 30, rgb=False)] * 3)
    quality = np.full((3, 24, 30), 10.0)
    quality[1] = 90
    _, (labels, meta, _) = read(saved(stack, quality_map=quality))
    assert labels.shape == (3, 24, 30)
    assert (labels[1] > 80).all()
    assert not labels[[0, 2]].any()


def test_large_images_are_decoded_when_they_are_looked_at(
    saved, make_picture, monkeypatch
):
    pytest.importorskip('dask')
    monkeypatch.setattr(_reader, 'LAZY_PIXELS', 1000)
    image = make_picture(40, 70, rgb=False).astype(np.uint16) + 300
    path = saved(image)
    (data, meta, _), _ = read(path)
    assert not isinstance(data, np.ndarray)
    np.testing.assert_array_equal(
        np.asarray(data[10:20]), napari_sft.imread(path)[10:20]
    )
    assert meta['contrast_limits'] == (image.min(), image.max())
    monkeypatch.setattr(_reader, 'LAZY_PIXELS', 40 * 70)
    (data, meta, _), _ = read(path)
    assert isinstance(data, np.ndarray)
    assert 'contrast_limits' not in meta


def test_large_pyramids_come_as_scales_and_are_written_from_the_finest(
    saved, make_picture, monkeypatch, tmp_path
):
    pytest.importorskip('dask')
    monkeypatch.setattr(_reader, 'LAZY_PIXELS', 1000)
    path = saved(make_picture(150, 200), tile=64, pyramid=True)
    (data, meta, _), (labels, _, _) = read(path)
    assert meta['multiscale']
    assert [level.shape for level in data[:2]] == [(150, 200, 3), (75, 100, 3)]
    assert data[0].chunksize == (64, 64, 3)
    assert labels.shape == (150, 200)
    other = str(tmp_path / 'other.sft')
    write(other, read(path))
    assert napari_sft.info(other)['shape'] == [150, 200, 3]


def test_several_files_give_their_layers_one_after_the_other(saved):
    path = saved()
    kinds = [kind for _, _, kind in read([path, path])]
    assert kinds == ['image', 'labels', 'image', 'labels']


def test_a_damaged_file_raises_our_error_when_read(sft_path, saved):
    with pytest.raises(FormatError):
        get_reader(sft_path)(sft_path)
    path = saved()
    with open(path, 'r+b') as file:
        file.seek(-60, 2)
        file.write(b'????')
    with pytest.raises(FormatError, match='saved.sft'):
        read(path)


def test_what_is_read_is_written_again_as_it_was(saved, make_picture):
    quality = np.full((40, 70), 20.0)
    quality[:16, 16:32] = 90
    about = {
        'scale': (0.5, 0.25),
        'translate': (2.0, 3.0),
        'units': ('micrometer', 'micrometer'),
        'labels': ('y', 'x'),
        'name': 'cells',
    }
    image = make_picture(40, 70, rgb=False)
    path = saved(image, quality_map=quality, **about)
    before = napari_sft.info(path)
    with napari_sft.open(path) as file:
        old_map = file.quality_map
    write(path, read(path))
    with napari_sft.open(path) as file:
        # Labels hold whole qualities.
        assert np.abs(file.quality_map - old_map).max() < 2
    after = napari_sft.info(path)
    assert after['calibration'] == before['calibration']
    assert after['shape'] == before['shape']
    assert after['dtype'] == before['dtype']


def test_image_alone_is_written_at_the_base_quality(written):
    image = np.zeros((4, 6, 3), dtype='uint8')
    assert write('a.sft', [(image, {'rgb': True}, 'image')]) == ['a.sft']
    assert written['image'] is image
    assert written['rgb'] is True
    assert written['quality'] == 75
    assert written['quality_map'] is None


def map_layer(labels, **settings):
    return (np.asarray(labels), {'metadata': {KEY: settings}}, 'labels')


def test_labels_become_the_map_and_0_the_base_quality(written):
    image = np.zeros((5, 2, 2), dtype='uint8')
    painted = map_layer([[0, 1], [51, 101]])
    write('a.sft', [painted, (image, {}, 'image')])
    np.testing.assert_array_equal(written['quality_map'], [[75, 0], [50, 100]])
    painted = map_layer([[0, 1], [51, 101]], base_quality=30)
    write('a.sft', [painted, (image, {}, 'image')])
    assert written['quality_map'][0, 0] == 30


def test_unpainted_labels_give_their_base_everywhere(written):
    image = (np.zeros((4, 6)), {}, 'image')
    unpainted = np.zeros((4, 6), dtype=int)
    write('a.sft', [image, map_layer(unpainted, base_quality=30)])
    assert written['quality_map'] is None
    assert written['quality'] == 30


def test_soft_edges_of_a_map_are_kept(written):
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = 91
    image = (np.zeros((40, 40)), {}, 'image')
    write('a.sft', [image, map_layer(labels, base_quality=10, feather=8)])
    row = written['quality_map'][20]
    assert 20 < row[18] < 50 < row[21] < 80
    assert row[0] == pytest.approx(10, abs=0.1)


def test_a_stack_may_have_a_map_for_each_plane(written):
    labels = np.zeros((3, 4, 6), np.uint8)
    labels[2] = 41
    image = (np.zeros((3, 4, 6)), {}, 'image')
    write('a.sft', [image, map_layer(labels, base_quality=10)])
    assert written['quality_map'].shape == (3, 4, 6)
    assert (written['quality_map'][:2] == 10).all()
    assert (written['quality_map'][2] == 40).all()


@pytest.mark.parametrize('shape', [(4, 5), (6, 4), (2, 4, 6), (24,)])
def test_labels_of_another_shape_are_refused_by_name(written, shape):
    layers = [
        (np.zeros((4, 6)), {}, 'image'),
        (np.ones(shape, dtype=int), {'name': 'strokes'}, 'labels'),
    ]
    with pytest.raises(MapError, match='strokes'):
        write('a.sft', layers)
    assert not written


@pytest.mark.parametrize('label', [-1, 102])
def test_labels_that_are_no_qualities_are_refused(written, label):
    layers = [
        (np.zeros((4, 6)), {}, 'image'),
        (np.full((4, 6), label), {'name': 'nuclei'}, 'labels'),
    ]
    with pytest.raises(MapError, match='nuclei'):
        write('a.sft', layers)
    assert not written


def test_value_errors_are_ours_so_that_napari_shows_them(monkeypatch):
    def imwrite(*_, **__):
        raise ValueError('odd')

    monkeypatch.setitem(vars(napari_sft), 'imwrite', imwrite)
    with pytest.raises(ImageError, match='a.sft: odd'):
        write('a.sft', [(np.zeros((4, 6)), {}, 'image')])


def test_opaque_layers_lose_their_alpha_silently_others_with_a_warning(
    saved, tmp_path
):
    pixels = np.full((20, 30, 4), 255, np.uint8)
    path = str(tmp_path / 'a.sft')
    write(path, [(pixels, {'rgb': True}, 'image')])
    assert napari_sft.info(path)['shape'] == [20, 30, 3]
    pixels[0, 0, 3] = 0
    with pytest.warns(UserWarning, match='transparency'):
        write(path, [(pixels, {'rgb': True, 'name': 'x'}, 'image')])


def test_finest_level_of_a_multiscale_image_is_written(written):
    levels = [np.ones((8, 8)), np.ones((4, 4))]
    write('a.sft', [(levels, {'multiscale': True}, 'image')])
    assert written['image'] is levels[0]


def test_place_in_the_world_is_written_where_it_says_something(written):
    meta = {
        'name': 'cells',
        'scale': [2.0, 0.5],
        'translate': [0.0, 0.0],
        'units': ('pixel', 'pixel'),
        'rotate': np.eye(2),
        'shear': [0.0],
        'affine': np.eye(3),
        'axis_labels': ('-2', '-1'),
    }
    write('a.sft', [(np.zeros((4, 6)), meta, 'image')])
    assert written['name'] == 'cells'
    assert written['scale'] == (2.0, 0.5)
    assert not {'translate', 'units', 'labels'} & written.keys()


def test_lost_rotation_is_warned_about(written):
    meta = {'rotate': [[0.0, -1.0], [1.0, 0.0]], 'affine': np.eye(3)}
    with pytest.warns(UserWarning, match='rotate of'):
        write('a.sft', [(np.zeros((4, 6)), meta, 'image')])
    assert written


def test_npe2_finds_reader_and_writer_for_sft():
    manager = PluginManager()
    manager.register(PluginManifest.from_distribution('napari-sft'))
    (reader,) = manager.iter_compatible_readers(['a.sft'])
    assert reader.command == 'napari-sft.read'
    assert not list(manager.iter_compatible_readers(['a.png']))
    for layers in (['image'], ['image', 'labels']):
        (writer,) = manager.iter_compatible_writers(layers)
        assert writer.command == 'napari-sft.write'
    assert not list(manager.iter_compatible_writers(['image', 'image']))


def test_napari_opens_paints_saves_and_opens_again(viewer, saved, tmp_path):
    from napari_sft.plugin.map_layer import is_map

    quality = np.full((40, 70), 20.0)
    quality[:16, 16:32] = 90
    path = saved(quality_map=quality, scale=(0.5, 0.25), name='cells')
    image, painted = viewer.open(path, plugin=KEY)
    assert (image.name, painted.name) == ('cells', 'cells quality')
    assert image.rgb
    assert is_map(painted)
    assert tuple(painted.scale) == (0.5, 0.25)
    assert painted.colormap.color_dict[101] is not None
    painted.data[16:32] = 101
    painted.refresh()
    other = str(tmp_path / 'other.sft')
    assert viewer.layers.save(other, plugin=KEY) == [other]
    with napari_sft.open(other) as file:
        assert file.quality_map[24, 10] == pytest.approx(100)
        assert file.calibration.name == 'cells'
        assert file.calibration.scale == (0.5, 0.25)


def test_napari_shows_our_error_for_damaged_files(viewer, sft_path):
    with pytest.raises(FormatError, match='picture.sft'):
        viewer.open(sft_path, plugin=KEY)
