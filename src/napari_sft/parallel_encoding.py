"""Encoding many files and stacks at once, by threads or on a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from napari_sft.codec.colour_choice import telling_plane
from napari_sft.codec.container import Calibration, Reader
from napari_sft.codec.image import Image
from napari_sft.codec.layout import Layout
from napari_sft.codec.merging import Stack, merge_planes
from napari_sft.codec.windows import Window
from napari_sft.cores import cores, share_cores
from napari_sft.encoding_tasks import (
    WHOLE_STACK,
    Request,
    StackPlan,
    begin,
    encode_plane,
    encode_whole,
    plane_extremes,
    read,
)
from napari_sft.image_files import whole_file

Progress = Callable[[int, int], None]
Prepare = Callable[[], Request]


class Encoder(Protocol):
    """Encodes files one after another, in the order it was given them."""

    def next_file(self, progress: Progress | None = None) -> Path:
        """Finish the next file, and return its path.

        Parameters
        ----------
        progress : callable, optional
            Called with (done, total) units of work; may raise to cancel.

        Raises
        ------
        SftError
            The file can't be encoded or written; the others can still.
        """
        ...


@contextmanager
def encoder_for(
    prepare: Sequence[Prepare], workers: int = 0, scheduler: str | None = None
) -> Iterator[Encoder]:
    """What encodes some files fastest.

    Parameters
    ----------
    prepare : sequence of callable
        Each gives the request for a file when its turn comes; what it raises
        is raised by `Encoder.next_file`.
    workers : int
        Files or planes that threads encode at once; 0 for as many as there
        are cores.
    scheduler : str, optional
        Address of a `dask.distributed` scheduler, whose workers do it.

    Raises
    ------
    SftError
        The cluster can't be used.
    """
    if scheduler is not None:
        from napari_sft.dask_cluster import cluster

        with cluster(scheduler) as executor:
            count = executor.workers
            yield ParallelEncoder(executor, prepare, workers=count)
        return
    if not workers:
        several = len(prepare) > 1
        most = len(prepare) if several else _planes(prepare[0])
        workers = min(cores(), most)
    if workers == 1:
        yield SerialEncoder(prepare)
        return
    with threads(workers) as pool:
        yield ParallelEncoder(pool, prepare, workers=workers)


class SerialEncoder:
    """Encodes in the calling thread; the parameter is `encoder_for`'s."""

    def __init__(self, prepare: Sequence[Prepare]) -> None:
        self._waiting = deque(prepare)

    def next_file(self, progress: Progress | None = None) -> Path:
        """See `Encoder`."""
        request = self._waiting.popleft()()
        encode_whole(request, request.target, progress)
        return request.target


class ParallelEncoder:
    """Encodes on an executor, working ahead on the next files.

    Files are the same whoever encoded them. Where there are few of them, the
    planes of stacks are encoded apart; otherwise only those of large ones.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        What runs the tasks of `encoding_tasks`.
    prepare : sequence of callable
        As for `encoder_for`.
    workers : int
        How many tasks the executor runs at once.
    """

    def __init__(
        self, executor: Executor, prepare: Sequence[Prepare], workers: int
    ) -> None:
        self._executor = executor
        self._waiting = deque(prepare)
        self._ahead = 2 * workers
        self._largest = WHOLE_STACK if len(prepare) > 2 * workers else 0
        self._begun: deque[_Begun] = deque()

    def next_file(self, progress: Progress | None = None) -> Path:
        """See `Encoder`."""
        while self._waiting and len(self._begun) < self._ahead:
            self._begun.append(self._begin(self._waiting.popleft()))
        return self._begun.popleft()(progress or _ignore)

    def _begin(self, prepare: Prepare) -> _Begun:
        try:
            request = prepare()
            future = self._executor.submit(begin, request, self._largest)
        # Whatever it is belongs to this file, whose turn comes later.
        except Exception as error:  # noqa: BLE001
            return _Failed(error)
        return lambda progress: self._finish(request, future, progress)

    def _finish(
        self,
        request: Request,
        future: Future[bytes | StackPlan],
        progress: Progress,
    ) -> Path:
        result = future.result()
        if isinstance(result, bytes):
            with whole_file(request.target) as part:
                part.write_bytes(result)
            return request.target
        numbers = range(result.layout.plane_count)
        windows = result.windows
        if windows is None:
            extremes = self._each(plane_extremes, request, numbers)
            image = Image(None, result.layout, result.layout.axes)
            windows = image.windows_from(extremes)
        about = Calibration(**result.about)
        known = None if about == Calibration() else about
        stack = Stack(result.layout, windows, known)
        planes = self._coded_planes(request, result.layout, windows)
        merge_planes(
            request.target, stack, _counted(planes, len(numbers), progress)
        )
        return request.target

    def _coded_planes(
        self, request: Request, layout: Layout, windows: tuple[Window, ...]
    ) -> Iterator[bytes]:
        """The file of each plane, in order; all turn their colours alike."""
        numbers = range(layout.plane_count)
        if not layout.rgb:
            yield from self._each(encode_plane, request, numbers, windows)
            return
        telling = telling_plane(layout)
        first = self._executor.submit(encode_plane, request, telling, windows)
        known = first.result()
        colours = Reader(known).header.colours
        others = [number for number in numbers if number != telling]
        rest = self._each(encode_plane, request, others, windows, colours)
        with closing(rest):
            for number in numbers:
                yield known if number == telling else next(rest)

    def _each(
        self,
        task: Callable[..., Any],
        request: Request,
        numbers: Iterable[int],
        *more: Any,
    ) -> Generator[Any, None, None]:
        """Results of a task for each plane, in order."""
        futures = deque(
            self._executor.submit(task, request, number, *more)
            for number in numbers
        )
        try:
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()


_Begun = Callable[[Progress], Path]


def _planes(prepare: Prepare) -> int:
    """How many planes of a file can be encoded apart."""
    try:
        request = prepare()
        opened = read(request)
    except Exception:  # noqa: BLE001
        return 1  # it is raised again when the file's turn comes
    return opened.image.layout.plane_count if opened.splits(request) else 1


class _Failed:
    """A file that could not be begun."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, _: Progress) -> Path:
        raise self._error


@contextmanager
def threads(count: int) -> Iterator[Executor]:
    """An executor of threads that share the cores among them."""
    import torch

    before = torch.get_num_threads()
    executor = ThreadPoolExecutor(
        count,
        thread_name_prefix='napari-sft',
        initializer=share_cores,
        initargs=(count,),
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _counted(
    planes: Iterator[bytes], total: int, progress: Progress
) -> Iterator[bytes]:
    progress(0, total)
    for done, plane in enumerate(planes, 1):
        yield plane
        progress(done, total)


def _ignore(_done: int, _total: int) -> None:
    """Nobody wants to know how far it is."""
