"""The same on a cluster of worker processes, some of which die."""

from __future__ import annotations

import os
import signal
from functools import partial

import numpy as np
import pytest

import napari_sft
from napari_sft.encoding_tasks import Request
from napari_sft.image_files import write_picture
from napari_sft.parallel_encoding import SerialEncoder, encoder_for

distributed = pytest.importorskip('distributed')
dask = pytest.importorskip('dask')


@pytest.fixture(scope='module')
def local_cluster(tiny_weights):
    """Two worker processes of one thread, which know the tiny model.

    Their environment asks for more OpenMP threads than they should use.
    """
    environment = {'NAPARI_SFT_WEIGHTS': str(tiny_weights)}
    spawn = 'distributed.nanny.pre-spawn-environ'
    wild = {f'{spawn}.{v}_NUM_THREADS': 7 for v in ('OMP', 'MKL')}
    with (
        dask.config.set({'distributed.nanny.environ': environment, **wild}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(2)
        yield cluster, client


@pytest.fixture
def stack(tmp_path, make_picture):
    """A stack of 12 planes in a file of its own folder."""
    planes = [make_picture(128, 160, rgb=False, seed=n) for n in range(12)]
    data = np.stack(planes).astype(np.uint16) * 16
    write_picture(tmp_path / 'stack.tif', data, 'ZYX')
    return tmp_path / 'stack.tif'


def request_for(source, target):
    settings = {'quality': 60, 'device': 'cpu', 'provenance': False}
    return partial(Request, source, target, settings)


def test_a_worker_killed_half_way_loses_nothing(
    local_cluster, stack, tiny_model
):
    cluster, client = local_cluster
    alone = stack.with_name('alone.sft')
    SerialEncoder([request_for(stack, alone)]).next_file()
    target = stack.with_name('shared.sft')
    worker, victim = next(iter(client.run(os.getpid).items()))
    undone = []

    def kill(done, _total):
        if done == 2:
            undone.extend(client.processing()[worker])
            os.kill(victim, signal.SIGKILL)

    address = cluster.scheduler_address
    with encoder_for(
        [request_for(stack, target)], scheduler=address
    ) as encoder:
        encoder.next_file(kill)
    assert undone
    np.testing.assert_array_equal(
        napari_sft.imread(target), napari_sft.imread(alone)
    )
    names = {path.name for path in stack.parent.iterdir()}
    assert names == {'stack.tif', 'alone.sft', 'shared.sft'}
    client.wait_for_workers(2)
    assert victim not in client.run(os.getpid).values()


def test_workers_use_no_more_threads_than_there_are_cores(
    local_cluster, stack
):
    import torch

    cluster, client = local_cluster
    with encoder_for(
        [request_for(stack, stack.with_suffix('.sft'))],
        scheduler=cluster.scheduler_address,
    ) as encoder:
        encoder.next_file()
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    for worker in client.run(os.getpid):
        used = client.submit(
            torch.get_num_threads, workers=[worker], pure=False
        )
        assert used.result() == share


def test_errors_of_workers_are_those_of_the_codec(local_cluster, tmp_path):
    cluster, _ = local_cluster
    request = request_for(tmp_path / 'none.tif', tmp_path / 'none.sft')
    with (
        encoder_for([request], scheduler=cluster.scheduler_address) as encoder,
        pytest.raises(napari_sft.ImageError, match=r'none\.tif'),
    ):
        encoder.next_file()


def test_the_command_line_gives_a_folder_to_a_cluster(
    local_cluster, stack, make_picture
):
    zarr = pytest.importorskip('zarr', minversion='3')
    from typer.testing import CliRunner

    from napari_sft.cli import app

    cluster, _ = local_cluster
    folder = stack.parent
    write_picture(folder / 'a.png', make_picture(64, 80), 'YXS')
    planes = [make_picture(64, 80, rgb=False, seed=n) for n in range(3)]
    zarr.create_array(
        folder / 'b.zarr',
        data=np.stack(planes),
        chunks=(1, 64, 80),
        dimension_names=['z', 'y', 'x'],
    )
    result = CliRunner().invoke(
        app,
        [
            *('encode', str(folder), '--out-dir', str(folder / 'out')),
            *('--scheduler', cluster.scheduler_address),
        ],
    )
    assert result.exit_code == 0, result.output
    made = {
        path.name: tuple(napari_sft.info(path)['shape'])
        for path in (folder / 'out').iterdir()
    }
    assert made == {
        'a.sft': (64, 80, 3),
        'b.sft': (3, 64, 80),
        'stack.sft': (12, 128, 160),
    }


def test_nobody_at_the_address_is_one_line(stack, monkeypatch):
    from napari_sft import dask_cluster

    monkeypatch.setattr(dask_cluster, 'TIMEOUT', 0.2)
    with (
        pytest.raises(napari_sft.SftError, match='no dask scheduler answers'),
        dask_cluster.cluster('tcp://127.0.0.1:9'),
    ):
        pass


def test_workers_of_another_version_are_refused():
    from napari_sft.dask_cluster import check_workers

    class Fake:
        def __init__(self, *versions):
            self.versions = versions

        def run(self, _):
            return dict(enumerate(self.versions))

    check_workers(Fake(napari_sft.__version__), 'tcp://a:1')
    with pytest.raises(napari_sft.SftError, match='no workers'):
        check_workers(Fake(), 'tcp://a:1')
    with pytest.raises(napari_sft.SftError, match=r'0\.0\.9'):
        check_workers(Fake(napari_sft.__version__, '0.0.9'), 'tcp://a:1')
