"""Figures of single pictures, kept in a file as they come.

A comparison over a folder takes long; begun again with the same settings, it
goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_sft.image_files import whole_file
from napari_sft.tasks.registry import TaskError

NAME = 'measurements.jsonl'


class Measurements:
    """Results by key, in a file of JSON lines.

    Parameters
    ----------
    folder : Path
        Gets measurements.jsonl, whose first line is `about`; made if new.
    about : dict
        What the results depend on.

    Raises
    ------
    TaskError
        The folder holds results of other settings, or another file of that
        name.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self._path = folder / NAME
        self._results: dict[str, Any] = {}
        # What JSON makes of tuples and the like is what it will be read as.
        about = json.loads(json.dumps(about))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._path.exists():
                self._read(about)
            else:
                self._path.write_text(_line(about), encoding='utf-8')
        except OSError as error:
            reason = error.strerror or error
            raise TaskError(f"can't use {self._path}: {reason}") from error

    def _read(self, about: dict[str, Any]) -> None:
        text = self._path.read_text(encoding='utf-8')
        # An interrupted run may leave the beginning of a line.
        whole = text[: text.rfind('\n') + 1]
        try:
            before, *lines = [json.loads(x) for x in whole.splitlines()]
            self._results = {line['key']: line['result'] for line in lines}
        except (ValueError, KeyError, TypeError):
            raise TaskError(
                f'{self._path} holds no measurements; choose another folder'
            ) from None
        other = [n for n in about if before.get(n) != about[n]]
        if other:
            raise TaskError(
                f'{self._path} was made with other settings '
                f'({", ".join(other)}); choose another folder, or remove it'
            )
        if whole != text:
            self._path.write_text(whole, encoding='utf-8')

    def get(self, key: str, measure: Callable[[], Any]) -> Any:
        """The result of a key, measured and written if it is new."""
        if key not in self._results:
            result = json.loads(json.dumps(measure()))
            with self._path.open('a', encoding='utf-8') as file:
                file.write(_line({'key': key, 'result': result}))
            self._results[key] = result
        return self._results[key]


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, whole or not at all."""
    with whole_file(path) as part:
        text = json.dumps(value, indent=1, ensure_ascii=False)
        part.write_text(f'{text}\n', encoding='utf-8')


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + '\n'
