"""A cache of what was made last, shared by threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar('Value')


class _Entry(Generic[Value]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Value | None = None
        self.nbytes = 0


class Cache(Generic[Value]):
    """Keeps what was used last, up to a number of bytes.

    A value that several threads ask for at once is made once. Makers may ask
    other caches, but not their own.

    Parameters
    ----------
    limit : int
        Bytes to keep; the value used last is kept in any case.
    size_of : callable
        Bytes of a value.
    """

    def __init__(self, limit: int, size_of: Callable[[Value], int]) -> None:
        self._limit = limit
        self._size_of = size_of
        self._entries: OrderedDict[Hashable, _Entry[Value]] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        return self._nbytes

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made now unless it is kept."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        with entry.lock:
            if entry.value is None:
                entry.value = make()
                self._add(key, entry)
            return entry.value

    def peek(self, key: Hashable) -> Value | None:
        """The value of a key if it is kept."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.value is None:
                return None
            self._entries.move_to_end(key)
            return entry.value

    def _add(self, key: Hashable, entry: _Entry[Value]) -> None:
        assert entry.value is not None
        with self._lock:
            # it may have been dropped while it was made
            if self._entries.get(key) is not entry:
                return
            entry.nbytes = self._size_of(entry.value)
            self._nbytes += entry.nbytes
            for old in list(self._entries):
                if self._nbytes <= self._limit or len(self._entries) == 1:
                    break
                if old != key:
                    self._nbytes -= self._entries.pop(old).nbytes
