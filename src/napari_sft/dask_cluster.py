"""Encoding on an existing cluster of `dask.distributed`.

Workers need this package in the same version, and see the sources under the
same paths. The client writes the files. What a lost worker was doing, and
what it had done but not handed over, is done again by the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import napari_sft
from napari_sft.codec.errors import SftError
from napari_sft.cores import share_cores

TIMEOUT = 20  # seconds to wait for a scheduler


class ClusterExecutor(Executor):
    """Runs tasks on a cluster, each with its share of a machine's cores.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    """

    def __init__(self, client: Any) -> None:
        self._executor = client.get_executor(pure=False)
        workers = client.scheduler_info(n_workers=-1)['workers']
        slots: Counter[str] = Counter()
        for address, about in workers.items():
            slots[_host(address)] += about['nthreads']
        self._slots = dict(slots)
        self.workers = sum(slots.values())

    def submit(
        self, task: Callable[..., Any], /, *args: Any, **settings: Any
    ) -> Future[Any]:
        """Run a task on some worker."""
        future: Future[Any] = self._executor.submit(
            on_worker, self._slots, task, *args, **settings
        )
        return future

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False
    ) -> None:
        """Take no more tasks; dask forgets those nobody waits for."""
        self._executor.shutdown(wait=wait and not cancel_futures)


@contextmanager
def cluster(address: str) -> Iterator[ClusterExecutor]:
    """An executor on the cluster of a scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler, such as 'tcp://10.0.0.1:8786'.

    Raises
    ------
    SftError
        dask.distributed is not installed, nobody answers, or the workers
        can't do the work.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise SftError(
            'a cluster needs dask.distributed: pip install "napari-sft[large]"'
        ) from None
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SftError(
            f'no dask scheduler answers at {address}: {error}'
        ) from None
    with client:
        check_workers(client, address)
        yield ClusterExecutor(client)


def check_workers(client: Any, address: str) -> None:
    """Raise SftError unless every worker has this version of the package."""
    try:
        versions = client.run(version)
    except ModuleNotFoundError:
        versions = {'': None}
    if not versions:
        raise SftError(f'the cluster at {address} has no workers')
    others = {str(v) for v in versions.values() if v != version()}
    if others:
        raise SftError(
            f'the workers of {address} have napari-sft '
            f'{", ".join(sorted(others))}; install {version()} there'
        )


def version() -> str:
    """Version of this package, where it is called."""
    return napari_sft.__version__


def on_worker(
    slots: dict[str, int], task: Callable[..., Any], *args: Any, **more: Any
) -> Any:
    """Run a task in a worker's thread, with its share of the cores.

    Parameters
    ----------
    slots : dict
        How many tasks run at once on each machine of the cluster.
    """
    from distributed import get_worker

    worker = get_worker()
    share_cores(slots.get(_host(worker.address), worker.state.nthreads))
    return task(*args, **more)


def _host(address: str) -> str:
    return urlsplit(address).hostname or address
