"""Files mapped to memory: reading them should not seem to take memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


def give_back_pages(data: Any) -> None:
    """Let the system take back what was read of a mapped file.

    Such pages count as memory of the process until something else needs it;
    they would add up to the whole image. They are read again when needed. A
    private mapping is left alone: it may hold changes.

    Parameters
    ----------
    data : array
        Nothing happens unless it is a `numpy.memmap`.
    """
    if isinstance(data, np.memmap) and data.mode != 'c':
        mapped: Any = getattr(data, '_mmap', None)
        advice = getattr(mmap, 'MADV_DONTNEED', None)
        if advice is not None and hasattr(mapped, 'madvise'):
            mapped.madvise(advice)
