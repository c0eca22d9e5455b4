"""Runs that go on where they were: what their JSON holds already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from napari_sft.codec.errors import SftError

Found = TypeVar('Found')


def earlier(
    path: Path | None,
    about: dict[str, Any],
    read: Callable[[dict[str, Any]], Found],
) -> Found | None:
    """What a run before this one has measured; None if there was none.

    Parameters
    ----------
    path : Path, optional
        Its JSON, an object whose 'about' says what was measured.
    about : dict
        What this run measures.
    read : callable
        Makes results of the object.

    Raises
    ------
    SftError
        The file is of something else, and would be overwritten.
    """
    if path is None or not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if content['about'] == about:
            return read(content)
    except (ValueError, KeyError, TypeError):
        pass  # told below
    raise SftError(f'{path} is of another run: move it, or name another file')
