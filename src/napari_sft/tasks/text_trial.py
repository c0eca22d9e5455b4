"""What text-aware maps are worth: characters read from decoded pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from napari_sft.tasks.equal_rate import Scores
from napari_sft.tasks.planes import bytes_of, plane_of
from napari_sft.tasks.registry import TaskError
from napari_sft.tasks.text import (
    Box,
    Reader,
    character_errors,
    reader,
    text_map,
)

IGNORED = '###'  # as the ICDAR data sets mark what can't be read
CORNERS = 8  # numbers before the text of a line
# Where the ground truth of a picture may lie, beside it.
PLACES = ('gt_{}.txt', '{}.txt', '{}.csv', 'box/{}.csv')

Written = tuple[Box, str]


@dataclass
class TextTrial:
    """Character error rates, read in the boxes of the ground truth.

    A picture without ground truth is judged by what is read in the original,
    in the boxes found there.

    Parameters
    ----------
    text, rest : float
        Qualities of the map before it is shifted.
    truth : Path, optional
        Folder of the ground truth, if not that of the pictures.
    """

    text: float = 80
    rest: float = 10
    truth: Path | None = None
    by_quality: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.settings: dict[str, Any] = {
            'task': 'text',
            'text': self.text,
            'rest': self.rest,
            'truth': self.truth and str(self.truth.resolve()),
        }
        self._written: dict[Path, list[Written]] = {}

    def find_map(
        self, path: Path, plane: np.ndarray, quality: float
    ) -> np.ndarray:
        """The text map, from the detector alone."""
        return text_map(plane, text=self.text, rest=self.rest)

    def score(
        self, path: Path, original: np.ndarray, decoded: np.ndarray
    ) -> Scores:
        """Wrong and all characters."""
        engine = reader()
        written = self._truth_of(path, original, engine)
        picture = bytes_of(plane_of(decoded))
        wrong = total = 0
        texts = engine.read(picture, (box for box, _ in written))
        for text, (_, true) in zip(texts, written, strict=True):
            errors, length = character_errors(text, true)
            wrong, total = wrong + errors, total + length
        return {'wrong': wrong, 'characters': total}

    def figures(self, scores: Sequence[Scores]) -> Scores:
        """The character error rate of a folder."""
        total = sum(s['characters'] for s in scores)
        wrong = sum(s['wrong'] for s in scores)
        return {'character error rate': wrong / max(total, 1)}

    def _truth_of(
        self, path: Path, original: np.ndarray, engine: Reader
    ) -> list[Written]:
        if path not in self._written:
            file = find_truth(path, self.truth)
            if file is not None:
                written = read_truth(file)
            else:
                picture = bytes_of(plane_of(original))
                boxes = engine.find(picture)
                texts = engine.read(picture, boxes)
                written = list(zip(boxes, texts, strict=True))
            self._written[path] = written
        return self._written[path]


def find_truth(picture: Path, folder: Path | None = None) -> Path | None:
    """The file that says what is written in a picture, if there is one."""
    folder = folder or picture.parent
    for place in PLACES:
        path = folder / place.format(picture.stem)
        if path.is_file():
            return path
    return None


def read_truth(path: Path) -> list[Written]:
    """Boxes and their text, as ICDAR's data sets give them.

    Parameters
    ----------
    path : Path
        A line for each: x1,y1,x2,y2,x3,y3,x4,y4,text, from the top left
        corner; the text may hold commas, and is ### where nobody can read.

    Raises
    ------
    TaskError
        A line is something else.
    """
    written = []
    text = path.read_text(encoding='utf-8-sig', errors='replace')
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        fields = line.split(',', CORNERS)
        try:
            corners = np.array([float(f) for f in fields[:CORNERS]])
            box = corners.reshape(4, 2)
            word = fields[CORNERS].strip()
        except (ValueError, IndexError):
            raise TaskError(
                f'{path}, line {number}: expected x1,y1,x2,y2,x3,y3,x4,y4,text'
            ) from None
        if word != IGNORED:
            written.append((box, word))
    return written
