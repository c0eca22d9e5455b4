"""Keep torch's optimisers from crashing a process that draws by Mesa.

The first optimiser imports `torch._dynamo`, and with it Triton where that is
installed. Triton brings an LLVM of its own, and importing it beside Mesa's
(OpenGL in software or on a Radeon, as napari may draw with) ends the process
with a segmentation fault.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MAPS = Path('/proc/self/maps')  # libraries of this process, on Linux


def import_dynamo() -> None:
    """Import `torch._dynamo`, without Triton where that would crash."""
    if not {'triton', 'torch._dynamo'} & sys.modules.keys() and _has_llvm():
        modules: dict[str, Any] = sys.modules
        modules['triton'] = None  # as if it were not installed
        try:
            import_module('torch._dynamo')
        finally:
            del modules['triton']


def _has_llvm() -> bool:
    try:
        return 'libLLVM' in MAPS.read_text()
    except OSError:
        return False
