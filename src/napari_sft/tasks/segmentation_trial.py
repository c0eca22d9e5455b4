"""What segmentation-aware maps are worth: objects counted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sft.image_files import TIFF, read_picture
from napari_sft.tasks.equal_rate import Scores
from napari_sft.tasks.registry import TaskError
from napari_sft.tasks.segmentation import (
    Method,
    find_objects,
    segmentation_map,
)


@dataclass
class SegmentationTrial:
    """Errors of number and mean area of objects against the original's.

    The same method segments original and decoded picture, each by its own
    threshold. A picture in whose original it finds nothing doesn't count.

    Parameters
    ----------
    foreground, background : float
        Qualities of the map before it is shifted.
    masks : Path, optional
        Folder of label images with the names of the pictures, to which the
        maps are confined.
    method : {'otsu', 'watershed'}
        How objects are found.
    kind : {'edges', 'otsu', 'watershed'}
        The method of `segmentation_map`.
    """

    foreground: float = 70
    background: float = 10
    masks: Path | None = None
    method: Method = 'watershed'
    kind: Literal['edges', 'otsu', 'watershed'] = 'edges'

    def __post_init__(self) -> None:
        self.settings: dict[str, Any] = {
            'task': 'segmentation',
            'foreground': self.foreground,
            'background': self.background,
            'masks': self.masks and str(self.masks.resolve()),
            'method': self.method,
            'kind': self.kind,
        }
        self._found: dict[Path, np.ndarray] = {}

    def find_map(self, path: Path, plane: np.ndarray) -> np.ndarray:
        """The segmentation map; flat if nothing stands out."""
        if not self._objects(path, plane).any():
            return np.full(plane.shape[:2], self.background, np.float32)
        return segmentation_map(
            plane,
            self._mask_of(path),
            foreground=self.foreground,
            background=self.background,
            method=self.kind,
        )

    def score(
        self, path: Path, original: np.ndarray, decoded: np.ndarray
    ) -> Scores:
        """Number and mean area, of the original and of what is decoded."""
        before = _measured(self._objects(path, original))
        after = _measured(find_objects(decoded, self.method))
        return {
            'count': after[0],
            'area': after[1],
            'original count': before[0],
            'original area': before[1],
        }

    def figures(self, scores: Sequence[Scores]) -> Scores:
        """Mean relative errors of the pictures that show something.

        Where nothing is left of an original's objects, both are 100 %.
        """
        shown = [s for s in scores if s['original count']]
        return {
            f'{what} error': float(
                np.mean(
                    [abs(s[what] / s[f'original {what}'] - 1) for s in shown]
                )
                if shown
                else 0.0
            )
            for what in ('count', 'area')
        }

    def _objects(self, path: Path, plane: np.ndarray) -> np.ndarray:
        if path not in self._found:
            # one picture after the other, so one is enough
            self._found = {path: find_objects(plane, self.method)}
        return self._found[path]

    def _mask_of(self, path: Path) -> np.ndarray | None:
        if self.masks is None:
            return None
        for suffix in (*TIFF, '.png'):
            mask = self.masks / f'{path.stem}{suffix}'
            if mask.is_file():
                labels = read_picture(mask).data
                if labels.ndim != 2:
                    raise TaskError(f'{mask} is no label image (Y, X)')
                return labels
        return None


def _measured(objects: np.ndarray) -> tuple[int, float]:
    """Number and mean area in pixels."""
    count = int(objects.max())
    return count, float((objects > 0).sum() / count) if count else 0.0
