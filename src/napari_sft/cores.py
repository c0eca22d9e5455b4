"""The cores of this machine, shared out among tasks that run at once."""

from __future__ import annotations

import os
from contextlib import suppress


def cores() -> int:
    """Number of processor cores that this process may use."""
    with suppress(AttributeError):  # it is not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_cores(tasks: int) -> None:
    """Let torch use in this thread its share of the cores.

    Parameters
    ----------
    tasks : int
        How many tasks run at once on this machine.
    """
    import torch

    torch.set_num_threads(max(1, cores() // max(1, tasks)))
