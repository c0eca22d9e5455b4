"""Many files and stacks at once, in threads."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
import torch

import napari_sft
from napari_sft import encoding_tasks, parallel_encoding
from napari_sft.codec import colour_choice
from napari_sft.encoding_tasks import MapFile, Request
from napari_sft.image_files import write_picture
from napari_sft.parallel_encoding import (
    ParallelEncoder,
    SerialEncoder,
    encoder_for,
    threads,
)

pytestmark = pytest.mark.usefixtures('tiny_model')


@pytest.fixture
def sources(tmp_path, make_picture):
    """Two pictures in colour and a calibrated stack (T 2, C 2, 40, 50)."""
    for n in range(2):
        write_picture(
            tmp_path / f'{n}.png', make_picture(40, 50, seed=n), 'YXS'
        )
    planes = [make_picture(40, 50, rgb=False, seed=n) for n in range(4)]
    stack = np.stack(planes).reshape(2, 2, 40, 50).astype(np.uint16) * 16
    stack[:, 1] += 9000
    write_picture(
        tmp_path / '2.tif',
        stack,
        'TCYX',
        scale={'T': 2.0, 'Y': 0.5, 'X': 0.25},
        units={'T': 's', 'Y': 'µm', 'X': 'µm'},
        name='a stack',
    )
    return [tmp_path / name for name in ('0.png', '1.png', '2.tif')]


def requests_for(sources, **settings):
    """What gives a request for each source, to be written beside it."""
    settings = {'quality': 60, 'provenance': False, 'device': 'cpu'} | settings
    return [
        partial(Request, source, source.with_suffix('.sft'), settings)
        for source in sources
    ]


def encoded(encoder, count):
    """The bytes of each file."""
    return [encoder.next_file().read_bytes() for _ in range(count)]


def told(data):
    """What a file says about itself, but for rounding of its errors."""
    info = napari_sft.info(data)
    statistics = info.pop('statistics')
    return info, pytest.approx(statistics['psnr'], abs=1e-4)


@pytest.mark.parametrize('workers', [1, 3])
def test_files_are_the_same_whoever_encodes_them(sources, workers):
    requests = requests_for(sources)
    alone = encoded(SerialEncoder(requests), 3)
    with threads(workers) as pool:
        shared = encoded(ParallelEncoder(pool, requests, workers), 3)
    assert shared[:2] == alone[:2]
    assert told(shared[2]) == told(alone[2])
    np.testing.assert_array_equal(
        napari_sft.decode(shared[2]), napari_sft.decode(alone[2])
    )


def test_planes_of_a_stack_are_encoded_apart(sources, monkeypatch):
    names = set()
    encode_plane = encoding_tasks.encode_plane

    def watched(*arguments):
        names.add(threading.current_thread().name)
        return encode_plane(*arguments)

    monkeypatch.setattr(parallel_encoding, 'encode_plane', watched)
    steps = []
    with threads(2) as pool:
        encoder = ParallelEncoder(pool, requests_for(sources[2:]), 2)
        path = encoder.next_file(lambda *step: steps.append(step))
    assert steps == [(n, 4) for n in range(5)]
    assert all(name.startswith('napari-sft') for name in names)
    info = napari_sft.info(path)
    assert info['axes'] == 'TCYX'
    assert len(info['windows']) == 2
    assert info['calibration']['scale'] == [2.0, 1.0, 0.5, 0.25]
    assert info['calibration']['units'] == ['s', 'pixel', 'µm', 'µm']
    assert info['calibration']['name'] == 'a stack'


def test_planes_encoded_apart_turn_their_colours_alike(
    tmp_path, make_picture, monkeypatch
):
    monkeypatch.setattr(colour_choice, 'WORTH_TURNING', 10)
    planes = np.stack([make_picture(64, 64, seed=n) for n in range(3)])
    planes[..., 1:] = 0
    source = tmp_path / 'dye.tif'
    write_picture(source, planes, 'ZYXS')
    requests = requests_for([source], effort=2)
    (alone,) = encoded(SerialEncoder(requests), 1)
    with threads(2) as pool:
        (shared,) = encoded(ParallelEncoder(pool, requests, 2), 1)
    assert napari_sft.info(alone)['colours_turned'] > 10
    assert told(shared) == told(alone)
    np.testing.assert_array_equal(
        napari_sft.decode(shared), napari_sft.decode(alone)
    )


def test_small_stacks_of_many_files_stay_in_one_piece(sources, monkeypatch):
    monkeypatch.delattr(parallel_encoding, 'encode_plane')
    with threads(1) as pool:
        encoded(ParallelEncoder(pool, requests_for(sources), 1), 3)


def test_a_size_is_met_by_the_whole_stack(sources):
    with threads(2) as pool:
        requests = requests_for(sources[2:], target_bpp=0.8)
        (data,) = encoded(ParallelEncoder(pool, requests, 2), 1)
    assert 0.75 < napari_sft.info(data)['bpp'] <= 0.8


def test_a_map_holds_for_every_plane(sources, tmp_path):
    gray = np.zeros((20, 25), np.uint8)
    gray[:, 12:] = 255
    write_picture(tmp_path / 'map.png', gray, 'YX')
    how = MapFile(tmp_path / 'map.png', stretch=True)
    requests = [
        partial(request, quality_map=how) for request in requests_for(sources)
    ]
    alone = encoded(SerialEncoder(requests), 3)
    with threads(2) as pool:
        shared = encoded(ParallelEncoder(pool, requests, 2), 3)
    assert [told(data) for data in shared] == [told(data) for data in alone]
    assert napari_sft.info(shared[2])['map'] == 'shared'


def test_others_go_on_when_one_fails(sources, tmp_path):
    (tmp_path / '1.png').write_bytes(b'no picture')

    def refuse():
        raise napari_sft.SftError('not this one')

    requests = requests_for(sources)
    requests.insert(1, refuse)
    with threads(2) as pool:
        encoder = ParallelEncoder(pool, requests, 2)
        assert encoder.next_file().name == '0.sft'
        with pytest.raises(napari_sft.SftError, match='not this one'):
            encoder.next_file()
        with pytest.raises(napari_sft.ImageError, match='1.png'):
            encoder.next_file()
        assert encoder.next_file().name == '2.sft'
    assert sorted(p.name for p in tmp_path.glob('*.sft')) == ['0.sft', '2.sft']


def test_a_plane_that_fails_leaves_no_file(tmp_path, make_picture):
    stack = np.stack([make_picture(40, 50, rgb=False)] * 3).astype(np.float32)
    stack[2, 5, 5] = np.nan
    write_picture(tmp_path / 'a.tif', stack, 'ZYX')
    requests = requests_for([tmp_path / 'a.tif'], windows=(0, 255))
    with threads(2) as pool:
        encoder = ParallelEncoder(pool, requests, 2)
        with pytest.raises(napari_sft.ImageError, match='NaN'):
            encoder.next_file()
    assert [p.name for p in tmp_path.iterdir()] == ['a.tif']


def test_threads_share_the_cores(monkeypatch):
    monkeypatch.setattr('napari_sft.cores.cores', lambda: 8)
    before = torch.get_num_threads()
    with threads(3) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ('names', 'workers', 'kind'),
    [
        (['0.png'], 0, SerialEncoder),
        (['2.tif'], 0, ParallelEncoder),
        (['none.tif'], 0, SerialEncoder),
        (['0.png', '1.png'], 0, ParallelEncoder),
        (['0.png', '1.png'], 1, SerialEncoder),
        (['0.png'], 2, ParallelEncoder),
    ],
)
def test_threads_are_used_where_there_is_more_than_one_thing_to_do(
    sources, monkeypatch, names, workers, kind
):
    monkeypatch.setattr(parallel_encoding, 'cores', lambda: 2)
    folder = sources[0].parent
    requests = requests_for([folder / name for name in names])
    with encoder_for(requests, workers) as encoder:
        assert isinstance(encoder, kind)
