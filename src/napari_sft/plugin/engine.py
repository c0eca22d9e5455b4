"""Work off the main thread: the newest request wins, and all can be cancelled.

An engine owns one thread, which it keeps: PyTorch makes a team of helpers for
each thread that calls it. Jobs are plain functions. They are not
`thread_worker`s because those swallow RuntimeError, which PyTorch raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal

Job = Callable[['Task'], Any]


class Cancelled(Exception):  # noqa: N818
    """Ends a job whose result nobody waits for any more."""


class Task:
    """What a job sees of the engine, from the engine's thread."""

    def __init__(self, engine: Engine, job: Job) -> None:
        self._engine = engine
        self._job = job
        self.cancelled = threading.Event()

    def progress(self, done: int, total: int) -> None:
        """Tell how far the job is; raises `Cancelled` if it is to end."""
        self.check()
        self._engine._progressed.emit(self, done, total)

    def report(self, value: Any) -> None:
        """Hand over a part of the result; raises `Cancelled` likewise."""
        self.check()
        self._engine._reported.emit(self, value)

    def check(self) -> None:
        """Wait until more urgent work is done; raises `Cancelled`."""
        urgent = self._engine.gives_way_to
        while urgent is not None and not self.cancelled.is_set():
            if urgent.idle.wait(0.05):
                break
        if self.cancelled.is_set():
            raise Cancelled

    def run(self) -> None:
        """Run the job and tell the engine how it ended."""
        result, error = None, None
        try:
            self.check()
            result = self._job(self)
        except Cancelled:
            self.cancelled.set()
        except Exception as caught:  # noqa: BLE001 - shown to the user
            error = caught
        self._engine._ended.emit(self, result, error)


class Engine(QObject):
    """Runs one job at a time; all its methods belong to the main thread.

    Parameters
    ----------
    parent : QObject, optional
        As in Qt.
    gives_way_to : Engine, optional
        Jobs pause, where they tell their progress, while this one is busy.

    Attributes
    ----------
    idle : threading.Event
        Set while nothing runs or waits.
    """

    started = Signal()
    progressed = Signal(int, int)
    reported = Signal(object)
    finished = Signal(object)
    failed = Signal(object)  # the exception
    cancelled = Signal()

    _progressed = Signal(object, int, int)
    _reported = Signal(object, object)
    _ended = Signal(object, object, object)

    def __init__(
        self,
        parent: QObject | None = None,
        gives_way_to: Engine | None = None,
    ) -> None:
        super().__init__(parent)
        self.gives_way_to = gives_way_to
        self.idle = threading.Event()
        self.idle.set()
        self._executor: ThreadPoolExecutor | None = None
        self._running: Task | None = None
        self._waiting: Task | None = None
        queued = Qt.ConnectionType.QueuedConnection
        self._progressed.connect(self._on_progress, queued)
        self._reported.connect(self._on_report, queued)
        self._ended.connect(self._on_end, queued)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return not self.idle.is_set()

    def request(self, job: Job) -> None:
        """Run a job, called with a `Task`, instead of all asked before."""
        self._waiting = Task(self, job)
        self.idle.clear()
        if self._running is not None:
            self._running.cancelled.set()  # its end starts the other
        else:
            self._start()

    def cancel(self) -> None:
        """Forget what waits and end what runs, at its next sign of life."""
        self._waiting = None
        if self._running is not None:
            self._running.cancelled.set()

    def stop(self) -> None:
        """Cancel everything and wait until the thread has ended."""
        busy = self.busy
        self.cancel()
        self._running = None
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None
        self.idle.set()
        if busy:  # the task's own end comes too late to be told
            self.cancelled.emit()

    def _start(self) -> None:
        """Start what waits."""
        self._running, self._waiting = self._waiting, None
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, 'napari-sft')
        self._executor.submit(self._running.run)
        self.started.emit()

    def _on_progress(self, task: Task, done: int, total: int) -> None:
        if task is self._running and not task.cancelled.is_set():
            self.progressed.emit(done, total)

    def _on_report(self, task: Task, value: Any) -> None:
        if task is self._running and not task.cancelled.is_set():
            self.reported.emit(value)

    def _on_end(
        self, task: Task, result: Any, error: Exception | None
    ) -> None:
        if task is not self._running:  # stopped meanwhile
            return
        self._running = None
        superseded = self._waiting is not None
        if not superseded:
            self.idle.set()
        if task.cancelled.is_set():
            if not superseded:
                self.cancelled.emit()
        elif error is not None:
            self.failed.emit(error)
        else:
            self.finished.emit(result)
        if superseded:
            self._start()
