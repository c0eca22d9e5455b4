"""The same work on many things, in several processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from napari_sft_training.lists import DataError

Task = TypeVar('Task')
Result = TypeVar('Result')


def each_done(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    chunk: int = 1,
) -> Iterator[Result]:
    """Do the same work on all tasks; results in their order, as they come.

    Parameters
    ----------
    work : callable
        What other processes can find: of a module, or a `partial` of that.
    tasks : sequence
        What it gets.
    workers : int
        Processes; 1 for none beside this one.
    chunk : int
        Tasks sent to a process at once.

    Raises
    ------
    DataError
        A process was ended from outside.
    """
    if workers == 1:
        yield from map(work, tasks)
        return
    # Forked processes would share the locks of this one's threads.
    executor = ProcessPoolExecutor(workers, get_context('spawn'), _ignore_stop)
    try:
        yield from executor.map(work, tasks, chunksize=chunk)
    except BrokenProcessPool:
        raise DataError(
            'a process ended before its time, perhaps for lack of memory; '
            'run this again with fewer --workers, it goes on'
        ) from None
    finally:
        # When stopped, what is being done is finished and nothing begun.
        executor.shutdown(cancel_futures=True)


def _ignore_stop() -> None:
    """Leave Ctrl-C to the first process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
