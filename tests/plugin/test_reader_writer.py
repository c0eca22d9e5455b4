"""napari's reader and writer, with the codec itself replaced by a recorder."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

import napari_sft
from napari_sft.codec.errors import FormatError, MapError
from napari_sft.plugin._reader import LAZY_BYTES, get_reader, read
from napari_sft.plugin._writer import write

SIGNATURE = b'\x89SFT\r\n\x1a\n'


def opened(**changes):
    """What `napari_sft.open` returns for a stack of three planes."""
    values = {
        'shape': (3, 4, 6),
        'dtype': np.dtype('uint16'),
        'axes': 'ZYX',
        'rgb': False,
        'read': lambda: np.arange(72, dtype='uint16').reshape(3, 4, 6),
        'calibration': SimpleNamespace(
            scale=(2.0, 0.5, 0.25),
            translate=(1.0, 2.0, 3.0),
            units=('micrometer', '', 'micrometer'),
            labels=('Z', 'Y', 'X'),
            name='cells',
        ),
        'quality_map': np.full((4, 6), 30, dtype='float32'),
        'statistics': 'statistics',
    }
    return SimpleNamespace(**(values | changes))


@pytest.fixture
def sft_path(tmp_path):
    path = tmp_path / 'picture.sft'
    path.write_bytes(SIGNATURE + b'rest')
    return str(path)


@pytest.fixture
def open_as(monkeypatch):
    """Let `napari_sft.open` return the given object."""

    def use(image):
        monkeypatch.setitem(vars(napari_sft), 'open', lambda path: image)

    return use


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


def test_image_comes_with_its_place_in_the_world(sft_path, open_as):
    open_as(opened())
    (data, meta, kind), _ = read(sft_path)
    assert kind == 'image'
    np.testing.assert_array_equal(data, opened().read())
    assert meta == {
        'name': 'cells',
        'rgb': False,
        'scale': (2.0, 0.5, 0.25),
        'translate': (1.0, 2.0, 3.0),
        'units': ('micrometer', 'pixel', 'micrometer'),
        'axis_labels': ('Z', 'Y', 'X'),
        'metadata': {
            'napari-sft': {'path': sft_path, 'statistics': 'statistics'}
        },
    }


def test_map_comes_as_flat_labels_of_quality_plus_one(sft_path, open_as):
    quality = np.array([[0, 0.4], [99.7, 100]], dtype='float32')
    open_as(opened(quality_map=quality))
    _, (labels, meta, kind) = read(sft_path)
    assert kind == 'labels'
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, [[1, 1], [101, 101]])
    assert meta['scale'] == (0.5, 0.25)
    assert meta['translate'] == (2.0, 3.0)
    assert meta['axis_labels'] == ('Y', 'X')
    assert meta['visible']


def test_uniform_map_starts_hidden(sft_path, open_as):
    open_as(opened())
    _, (_, meta, _) = read(sft_path)
    assert not meta['visible']


def test_file_without_calibration_is_named_after_itself(sft_path, open_as):
    empty = SimpleNamespace(scale=(), translate=(), units=(), labels=())
    empty.name = ''
    open_as(opened(calibration=empty))
    (_, meta, _), (_, map_meta, _) = read(sft_path)
    assert meta['name'] == 'picture'
    assert map_meta['name'] == 'picture quality'
    assert not {'scale', 'translate', 'units', 'axis_labels'} & meta.keys()


def test_large_files_stay_lazy(sft_path, open_as):
    def fail():
        raise AssertionError('read as a whole')

    shape = (3, LAZY_BYTES // 4, 6)
    open_as(opened(shape=shape, read=fail, to_dask=lambda: 'lazy'))
    (data, _, _), _ = read(sft_path)
    assert data == 'lazy'


def test_several_files_give_their_layers_one_after_the_other(
    sft_path, open_as
):
    open_as(opened())
    kinds = [kind for _, _, kind in read([sft_path, sft_path])]
    assert kinds == ['image', 'labels', 'image', 'labels']


def test_damaged_file_raises_our_error_when_read(sft_path):
    with pytest.raises(FormatError):
        get_reader(sft_path)(sft_path)


def test_image_alone_is_written_at_the_base_quality(written):
    image = np.zeros((4, 6, 3), dtype='uint8')
    assert write('a.sft', [(image, {'rgb': True}, 'image')]) == ['a.sft']
    assert written['image'] is image
    assert written['rgb'] is True
    assert written['quality'] == 75
    assert written['quality_map'] is None


def test_labels_become_the_map_and_0_the_base_quality(written):
    labels = np.array([[0, 1], [51, 101]])
    image = np.zeros((5, 2, 2), dtype='uint8')
    write('a.sft', [(labels, {}, 'labels'), (image, {}, 'image')])
    np.testing.assert_array_equal(written['quality_map'], [[75, 0], [50, 100]])
    assert written['quality_map'].dtype == np.float32


def test_unpainted_labels_are_no_map(written):
    layers = [
        (np.zeros((4, 6)), {}, 'image'),
        (np.zeros((4, 6), dtype=int), {}, 'labels'),
    ]
    write('a.sft', layers)
    assert written['quality_map'] is None


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
    }
    write('a.sft', [(np.zeros((4, 6)), meta, 'image')])
    assert written['name'] == 'cells'
    assert written['scale'] == (2.0, 0.5)
    assert not {'translate', 'units'} & written.keys()


def test_lost_rotation_is_warned_about(written):
    meta = {'rotate': [[0.0, -1.0], [1.0, 0.0]], 'affine': np.eye(3)}
    with pytest.warns(UserWarning, match='rotate of'):
        write('a.sft', [(np.zeros((4, 6)), meta, 'image')])
    assert written


def test_imwrite_takes_every_argument_of_the_writer(written):
    from napari_sft.api import imwrite

    meta = {
        'scale': [2.0, 0.5],
        'translate': [1.0, 0.0],
        'units': ('mm', 'mm'),
    }
    write('a.sft', [(np.zeros((4, 6)), meta, 'image')])
    assert written.keys() <= inspect.signature(imwrite).parameters.keys()


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
