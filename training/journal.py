"""The record of a run: log.jsonl, and TensorBoard where it is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Figures of a run, a line of JSON at a time.

    Parameters
    ----------
    folder : Path
        Gets log.jsonl, and TensorBoard's files in logs/.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._board: Any = None

    def open(self, step: int) -> None:
        """Begin (or go on) at a step; later steps of the board are dropped."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print(
                'no TensorBoard logs: pip install napari-sft[training]',
                flush=True,
            )
            return
        self._board = SummaryWriter(
            str(self.folder / 'logs'), purge_step=step, flush_secs=30
        )

    def write(self, step: int, **figures: Any) -> None:
        """Append a line, print it, and send its numbers to TensorBoard."""
        line = json.dumps({'step': step, **figures})
        with (self.folder / 'log.jsonl').open('a') as file:
            file.write(line + '\n')
        print(line, flush=True)
        if self._board is not None:
            for tag, value in scalars(figures):
                self._board.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()
            self._board = None


def scalars(figures: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Tags and values of a line; `rows` give one a quality and figure.

    A measurement of several qualities is ``{name: mean, 'rows': [...]}``;
    its rows are tagged ``name/figure/quality``.
    """
    name = next(iter(figures), '')
    for key, value in figures.items():
        if isinstance(value, int | float):
            yield key, value
    for row in figures.get('rows', []):
        for figure, value in row.items():
            if figure != 'quality':
                yield f'{name}/{figure}/{row["quality"]:g}', value
