"""Memory of tensors on the CPU: what one step frees, the next one takes."""

from __future__ import annotations

import ctypes
import os

# Options of glibc's mallopt, and what we set them to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT, LARGEST = 256 << 20, 32 << 20


def keep_freed_memory() -> bool:
    """Let glibc's malloc keep freed tensors for the next ones.

    By default it gives memory of several megabytes back to the system, and
    every tensor then starts with pages that the system must clear: up to a
    third of the time of decoding. From now on this process keeps at most
    256 MB, and single tensors above 32 MB still go back at once. What the
    user's environment sets (``MALLOC_TRIM_THRESHOLD_``) is left alone.

    Returns
    -------
    bool
        Whether it was done; elsewhere than with glibc there is no need.
    """
    if 'MALLOC_TRIM_THRESHOLD_' in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False  # another C library
    return bool(
        mallopt(_TRIM_THRESHOLD, KEPT) and mallopt(_MMAP_THRESHOLD, LARGEST)
    )


def give_back_freed_memory() -> bool:
    """Give the system what glibc's malloc keeps of freed memory.

    Returns
    -------
    bool
        Whether there was some; elsewhere than with glibc nothing is done.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False  # another C library
