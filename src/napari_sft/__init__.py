"""Paint where an image matters; napari-sft spends the bits there.

Importing this package is cheap: every public name is loaded on first use
(PEP 562), so neither torch nor Qt is imported before they are needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sft import tasks
    from napari_sft.api import (
        decode,
        encode,
        imread,
        imwrite,
        info,
        open,  # noqa: A004
    )
    from napari_sft.codec.errors import (
        FormatError,
        ImageError,
        MapError,
        ModelError,
        SftError,
        StreamError,
        TargetError,
        VersionError,
    )
    from napari_sft.verification import verify

__version__ = '0.1.0'

__all__ = [
    'FormatError',
    'ImageError',
    'MapError',
    'ModelError',
    'SftError',
    'StreamError',
    'TargetError',
    'VersionError',
    '__version__',
    'decode',
    'encode',
    'imread',
    'imwrite',
    'info',
    'open',
    'tasks',
    'verify',
]

_MODULES = {
    'verify': 'verification',
    **dict.fromkeys(
        ('decode', 'encode', 'imread', 'imwrite', 'info', 'open'), 'api'
    ),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    if name == 'tasks':
        return import_module(f'{__name__}.tasks')
    module = _MODULES.get(name, 'codec.errors')
    value = getattr(import_module(f'{__name__}.{module}'), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
