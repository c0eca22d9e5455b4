"""What segmentation-aware maps are worth: objects counted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sft.image_files import TIFF, read_picture
from napari_sft.tasks.counting import counting_map, measured
from napari_sft.tasks.equal_rate import Scores
from napari_sft.tasks.registry import TaskError
from napari_sft.tasks.segmentation import (
    METHODS,
    Method,
    find_objects,
    segmentation_map,
    unknown_method,
)

FIGURES = 'count', 'area'


@dataclass
class SegmentationTrial:
    """Errors of number and mean area of objects against the original's.

    The same method segments original and decoded picture, each by its own
    threshold. A picture in whose original it finds nothing doesn't count.
    The method that the map was not found with judges too: a map must not be
    good for its own method alone.

    Parameters
    ----------
    kind : {'counting', 'edges', 'otsu', 'watershed'}
        `counting_map`, or the method of `segmentation_map`.
    method : {'otsu', 'watershed'}
        How objects are found.
    iterations : int
        Of `counting_map`.
    foreground, background : float
        Qualities of the other maps before they are shifted.
    masks : Path, optional
        Folder of label images with the names of the pictures, to which the
        other maps are confined.
    model, device : str
        As for `napari_sft.encode`.
    """

    kind: Literal['counting', 'edges', 'otsu', 'watershed'] = 'counting'
    method: Method = 'watershed'
    iterations: int = 8
    foreground: float = 70
    background: float = 10
    masks: Path | None = None
    model: str = 'compact'
    device: str = 'auto'

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown_method(self.method)
        self.by_quality = self.kind == 'counting'
        self.settings: dict[str, Any] = {
            'task': 'segmentation',
            'foreground': self.foreground,
            'background': self.background,
            'masks': self.masks and str(self.masks.resolve()),
            'method': self.method,
            'kind': self.kind,
            'iterations': self.iterations,
        }
        self._found: dict[tuple[Path, Method], np.ndarray] = {}

    def find_map(
        self, path: Path, plane: np.ndarray, quality: float
    ) -> np.ndarray:
        """The map; flat if nothing stands out."""
        if not self._objects(path, plane, self.method).any():
            return np.full(plane.shape[:2], quality, np.float32)
        if self.kind == 'counting':
            return counting_map(
                plane,
                quality=quality,
                iterations=self.iterations,
                method=self.method,
                model=self.model,
                device=self.device,
            )
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
        scores: Scores = {}
        for method, suffix in self._judges():
            before = measured(self._objects(path, original, method))
            after = measured(find_objects(decoded, method))
            for what, *values in zip(FIGURES, before, after, strict=True):
                scores[f'original {what}{suffix}'] = values[0]
                scores[f'{what}{suffix}'] = values[1]
        return scores

    def figures(self, scores: Sequence[Scores]) -> Scores:
        """Mean relative errors of the pictures that show something.

        Where nothing is left of an original's objects, both are 100 %.
        """
        figures = {}
        for _, suffix in self._judges():
            for what in FIGURES:
                pairs = [
                    (s[f'{what}{suffix}'], s[f'original {what}{suffix}'])
                    for s in scores
                ]
                errors = [abs(new / old - 1) for new, old in pairs if old]
                mean = float(np.mean(errors)) if errors else 0.0
                figures[f'{what} error{suffix}'] = mean
        return figures

    def _judges(self) -> list[tuple[Method, str]]:
        """The map's method and the other one, with what names it."""
        other = METHODS[1 - METHODS.index(self.method)]
        return [(self.method, ''), (other, f' ({other})')]

    def _objects(
        self, path: Path, plane: np.ndarray, method: Method
    ) -> np.ndarray:
        key = path, method
        if key not in self._found:
            # one picture after the other, so only its own are kept
            self._found = {
                k: v for k, v in self._found.items() if k[0] == path
            }
            self._found[key] = find_objects(plane, method)
        return self._found[key]

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
