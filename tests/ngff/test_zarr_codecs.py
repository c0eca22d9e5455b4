"""Zarr arrays whose chunks are .sft files, in formats 2 and 3."""

from __future__ import annotations

import json

import numpy as np
import pytest

import napari_sft
from napari_sft.ngff.array_writing import write
from napari_sft.ngff.chunks import ChunkCoder, installed_weights

zarr = pytest.importorskip('zarr')
numcodecs = pytest.importorskip('numcodecs')
pytest.importorskip('zarr.abc.codec', reason='zarr before 3')

from napari_sft.ngff import zarr_v2_codec, zarr_v3_codec  # noqa: E402

pytestmark = pytest.mark.usefixtures('tiny_model')
FORMATS = (2, 3)


def create(store, shape, dtype, chunks, zarr_format, *, path='image', **how):
    """An empty array with the codec."""
    settings = {'chunks': chunks, 'zarr_format': zarr_format}
    if zarr_format == 3:
        settings['serializer'] = zarr_v3_codec.SftCodec(**how)
        settings['compressors'] = None
    else:
        settings['compressors'] = zarr_v2_codec.SftCodec(**how)
    return zarr.create_array(
        store, name=path, shape=shape, dtype=dtype, fill_value=0, **settings
    )


def stack_of(make_picture, count=2, dtype=np.uint16):
    """A stack (count, 64, 96) with values up to 4095."""
    planes = [make_picture(rgb=False, seed=n) for n in range(count)]
    return (np.stack(planes).astype(np.float64) * 16).astype(dtype)


@pytest.mark.parametrize('zarr_format', FORMATS)
@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32'])
def test_an_array_keeps_shape_dtype_and_picture(
    make_picture, zarr_format, dtype
):
    stack = stack_of(make_picture, dtype=np.float64)
    stack = (stack / 16 if dtype == 'uint8' else stack).astype(dtype)
    array = create(
        {}, stack.shape, dtype, (1, 64, 64), zarr_format, quality=90
    )
    array[:] = stack
    back = array[:]
    assert back.dtype == stack.dtype
    error = np.abs(back.astype(float) - stack)
    assert 0 < error.mean() < 0.03 * stack.max()


@pytest.mark.parametrize('zarr_format', FORMATS)
def test_each_chunk_is_a_whole_file(make_picture, zarr_format):
    store = {}
    stack = stack_of(make_picture)
    array = create(store, stack.shape, 'uint16', (1, 64, 96), zarr_format)
    array[:] = stack
    (key,) = [k for k in store if k.endswith(('1/0/0', '1.0.0'))]
    chunk = napari_sft.decode(store[key].to_bytes())
    np.testing.assert_array_equal(chunk[0], array[1])


@pytest.mark.parametrize('zarr_format', FORMATS)
def test_metadata_are_json_that_names_model_and_weights(
    make_picture, tmp_path, zarr_format
):
    how = {'quality': 40, 'windows': (0, 4095)}
    create(tmp_path, (2, 64, 96), 'uint16', (1, 64, 96), zarr_format, **how)
    if zarr_format == 3:
        metadata = json.loads((tmp_path / 'image/zarr.json').read_text())
        (codec,) = metadata['codecs']
        assert codec['name'] == 'napari_sft'
        configuration = codec['configuration']
        assert configuration['axes'] == 'ZYX'
    else:
        metadata = json.loads((tmp_path / 'image/.zarray').read_text())
        configuration = metadata['compressor']
        assert configuration['id'] == 'napari_sft'
    assert configuration['quality'] == 40
    assert configuration['windows'] == [[0, 4095]]
    assert configuration['model'] == 'compact'
    assert configuration['weights'] == installed_weights('compact')


@pytest.mark.parametrize('zarr_format', FORMATS)
def test_zarr_finds_the_codec_by_its_name(
    make_picture, tmp_path, fresh_python, zarr_format
):
    stack = stack_of(make_picture)
    array = create(tmp_path, stack.shape, 'uint16', (1, 64, 96), zarr_format)
    array[:] = stack
    code = (
        f'import zarr; print(zarr.open({str(tmp_path)!r})["image"][:].sum())'
    )
    assert int(fresh_python(code)) == array[:].sum()


def test_numcodecs_finds_the_codec_by_its_id(make_picture):
    codec = numcodecs.get_codec({'id': 'napari_sft', 'quality': 30})
    assert codec == zarr_v2_codec.SftCodec(quality=30)
    assert codec == numcodecs.get_codec(codec.get_config())
    stack = stack_of(make_picture)
    room = np.empty_like(stack)
    codec.decode(codec.encode(stack), out=room)
    np.testing.assert_array_equal(room, codec.decode(codec.encode(stack)))


def test_chunks_inside_shards(make_picture):
    stack = stack_of(make_picture)
    array = zarr.create_array(
        {},
        data=stack,
        chunks=(1, 64, 64),
        shards=(2, 64, 128),
        serializer=zarr_v3_codec.SftCodec(quality=90),
        compressors=None,
    )
    error = np.abs(array[:].astype(float) - stack)
    assert error.mean() < 0.03 * stack.max()


def test_each_chunk_inside_a_shard_is_encoded_once(make_picture, monkeypatch):
    stack = stack_of(make_picture)
    array = zarr.create_array(
        {},
        shape=stack.shape,
        dtype='uint16',
        chunks=(1, 64, 64),
        shards=(2, 64, 128),
        serializer=zarr_v3_codec.SftCodec(quality=90),
        compressors=None,
    )
    calls = []
    encode = napari_sft.encode
    monkeypatch.setattr(
        napari_sft,
        'encode',
        lambda *a, **k: (
            calls.append(k['quality_map'].mean()) or encode(*a, **k)
        ),
    )
    quality = np.zeros(stack.shape)
    quality[1] = 70
    write(array, stack, quality_map=quality)
    assert sorted(calls) == [0, 0, 70, 70]
    alone = create({}, stack.shape, 'uint16', (1, 64, 64), 3, quality=90)
    write(alone, stack, quality_map=quality)
    np.testing.assert_array_equal(array[:], alone[:])


@pytest.mark.parametrize('zarr_format', FORMATS)
@pytest.mark.parametrize('axes', ['YXS', 'SYX', 'CYX'])
def test_samples_are_rgb_where_they_are_said_to_be(
    make_picture, zarr_format, axes
):
    picture = make_picture()
    if axes != 'YXS':
        picture = picture.transpose(2, 0, 1)
    store = {}
    array = create(
        store, picture.shape, 'uint8', picture.shape, zarr_format, axes=axes
    )
    array[:] = picture
    (chunk,) = [
        store[key].to_bytes()
        for key in store
        if not key.endswith(('.json', '.zarray', '.zattrs', '.zgroup'))
    ]
    stored = napari_sft.info(chunk)
    assert stored['axes'] == ('CYX' if axes == 'CYX' else 'YXS')
    error = np.abs(array[:].astype(float) - picture)
    assert error.mean() < 8


def test_chunks_that_cut_through_a_pixel_are_refused():
    with pytest.raises(napari_sft.ImageError, match='all 3 samples'):
        create({}, (64, 96, 3), 'uint8', (64, 64, 1), 3)


def maps_in(store):
    """The quality maps in the files of an array's chunks, by chunk."""
    maps = {}
    for key, data in store.items():
        place = key.removeprefix('image/').removeprefix('c/')
        if place != key and place[0].isdigit():
            with napari_sft.open(data.to_bytes()) as chunk:
                number = tuple(map(int, place.replace('.', '/').split('/')))
                maps[number] = chunk.quality_map
    return maps


@pytest.mark.parametrize('zarr_format', FORMATS)
def test_qualities_come_from_the_sibling_map(make_picture, zarr_format):
    stack = stack_of(make_picture)
    quality = np.zeros((64, 96), np.uint8)
    quality[:, 48:] = 100
    quality[48:, 64:] = 50
    store = {}
    zarr.create_array(store, name='quality', data=quality)
    how = {'quality_map': 'quality', 'windows': (0, 4095)}
    array = create(
        store, stack.shape, 'uint16', (1, 48, 48), zarr_format, **how
    )
    write(array, stack)
    maps = maps_in(store)
    assert len(maps) == 8
    for (_, row, column), coded in maps.items():
        top, left = 48 * row, 48 * column
        wanted = quality[top : top + 48, left : left + 48]
        inside = coded[: wanted.shape[0], : wanted.shape[1]]
        np.testing.assert_allclose(inside, wanted, atol=2)


def test_a_map_can_differ_from_plane_to_plane(make_picture):
    stack = stack_of(make_picture).transpose(1, 0, 2)
    quality = np.zeros(stack.shape, np.float32)
    quality[:, 1] = 100
    store = {}
    array = create(store, stack.shape, 'uint16', (64, 1, 96), 3, axes='YZX')
    write(array, stack, quality_map=quality)
    means = {place: coded.mean() for place, coded in maps_in(store).items()}
    assert means == {(0, 0, 0): 0, (0, 1, 0): 100}


def test_an_array_with_a_map_is_not_written_without_it(make_picture):
    stack = stack_of(make_picture)
    array = create(
        {}, stack.shape, 'uint16', stack.shape, 3, quality_map='quality'
    )
    with pytest.raises(napari_sft.MapError, match='array_writing.write'):
        array[:] = stack
    with pytest.raises(napari_sft.MapError, match="no quality map 'quality'"):
        write(array, stack)


def test_channels_keep_their_windows_in_chunks_of_their_own(make_picture):
    channels = stack_of(make_picture, 3)
    channels[1] //= 100
    channels[2] += 30000
    windows = [(0, 4095), (0, 40), (30000, 34095)]
    how = {'axes': 'CYX', 'windows': windows, 'quality': 90}
    array = create({}, channels.shape, 'uint16', (2, 64, 96), 3, **how)
    write(array, channels)
    back = array[:]
    for (lo, hi), channel, coded in zip(windows, channels, back, strict=True):
        assert coded.min() >= lo
        assert coded.max() <= hi
        error = np.abs(coded.astype(float) - channel).mean()
        assert error < 0.03 * (hi - lo)


def test_what_lies_outside_the_array_costs_little(make_picture):
    sizes = []
    for shape in ((128, 128), (80, 80)):
        store = {}
        array = create(store, shape, 'uint8', (128, 128), 3)
        write(array, np.full(shape, 200, np.uint8))
        sizes.append(len(store['image/c/0/0'].to_bytes()))
    assert sizes[0] == sizes[1]


def test_writing_reads_one_chunk_at_a_time_and_tells_how_far_it_is(
    make_picture,
):
    class Watched:
        def __init__(self, data):
            self.data, self.shape, self.regions = data, data.shape, []

        def __getitem__(self, region):
            self.regions.append(region)
            return self.data[region]

    watched = Watched(stack_of(make_picture))
    array = create({}, watched.shape, 'uint16', (1, 64, 64), 3)
    steps = []
    write(array, watched, progress=lambda *step: steps.append(step))
    assert len(watched.regions) == 4
    assert steps == [(n, 4) for n in range(5)]


def test_an_array_in_order_f_is_refused(make_picture):
    stack = stack_of(make_picture)
    array = zarr.create_array(
        {},
        shape=stack.shape,
        dtype='uint16',
        chunks=stack.shape,
        zarr_format=2,
        order='F',
        compressors=zarr_v2_codec.SftCodec(),
    )
    with pytest.raises(napari_sft.ImageError, match='order C'):
        array[:] = stack


def test_empty_chunks_are_not_coded(make_picture):
    store = {}
    array = create(store, (2, 64, 64), 'uint16', (1, 64, 64), 3)
    array[1] = stack_of(make_picture)[0, :, :64]
    assert [k for k in store if '/c/' in k] == ['image/c/1/0/0']
    assert not array[0].any()


def test_other_weights_than_those_named_do_not_write(make_picture):
    stack = stack_of(make_picture)
    array = create({}, stack.shape, 'uint16', stack.shape, 3, weights='0' * 16)
    with pytest.raises(napari_sft.ModelError, match='coded with weights 000'):
        array[:] = stack


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'quality': 101}, 'from 0 to 100'),
        ({'windows': 'narrow'}, 'value window'),
        ({'windows': (1, 2, 3)}, 'value window'),
        ({'windows': (2, 1)}, 'upside down'),
        ({'model': 'other'}, 'other'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(napari_sft.SftError, match=message):
        ChunkCoder(**settings)


def test_unknown_settings_ask_for_a_newer_version():
    codec = {'name': 'napari_sft', 'configuration': {'tomorrow': 1}}
    with pytest.raises(napari_sft.SftError, match='newer napari-sft'):
        zarr_v3_codec.SftCodec.from_dict(codec)


def test_a_chunk_of_another_shape_is_refused(make_picture):
    store = {}
    stack = stack_of(make_picture)
    array = create(store, stack.shape, 'uint16', (1, 64, 96), 3)
    array[:] = stack
    other = ChunkCoder(axes='ZYX').encode(stack[:1, :32])
    store['image/c/0/0/0'] = type(store['image/c/0/0/0']).from_bytes(other)
    with pytest.raises(napari_sft.FormatError, match='the array has'):
        array[0]


def test_write_names_what_does_not_fit(make_picture):
    stack = stack_of(make_picture)
    array = create({}, stack.shape, 'uint16', stack.shape, 3)
    with pytest.raises(napari_sft.ImageError, match='the array'):
        write(array, stack[:1])
    with pytest.raises(napari_sft.MapError, match='quality map'):
        write(array, stack, quality_map=np.zeros((3, 3)))
    plain = zarr.create_array({}, data=stack)
    with pytest.raises(napari_sft.SftError, match='not coded by'):
        write(plain, stack)
