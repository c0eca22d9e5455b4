"""Networks and settings that tests of the models share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch

VARIANTS = [
    (threads, onednn, layout)
    for threads in (1, 2)
    for onednn in (True, False)
    for layout in (torch.contiguous_format, torch.channels_last)
]


@contextmanager
def _settings(threads: int, onednn: bool) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.mkldnn.flags(enabled=onednn):
            yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(
    params=VARIANTS, ids=lambda v: f'{v[0]}-{v[1]}-{str(v[2])[6:]}'
)
def variant(
    request: pytest.FixtureRequest,
) -> tuple[Callable[[], AbstractContextManager[None]], torch.memory_format]:
    """A way to run torch, and a memory layout of tensors."""
    threads, onednn, layout = request.param
    return (lambda: _settings(threads, onednn)), layout
