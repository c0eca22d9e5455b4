"""A task's maps against uniform ones, in files of the same size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import napari_sft
from napari_sft.codec.errors import ImageError, TargetError
from napari_sft.codec.image import Image
from napari_sft.image_files import find_pictures, read_picture
from napari_sft.models.registry import load_model
from napari_sft.tasks.measurements import Measurements

QUALITIES = (2, 10, 20, 30, 45, 60)
Scores = dict[str, float]


class Trial(Protocol):
    """A task on pictures: its maps, and what decoded pictures are worth."""

    settings: dict[str, Any]
    by_quality: bool  # whether each quality of uniform maps has its own map

    def find_map(
        self, path: Path, plane: np.ndarray, quality: float
    ) -> np.ndarray:
        """The map of a picture, qualities 0..100 (Y, X).

        `quality` is that of the uniform map it will be compared with.
        """
        ...

    def score(
        self, path: Path, original: np.ndarray, decoded: np.ndarray
    ) -> Scores:
        """Sums over the picture, from which `figures` are made."""
        ...

    def figures(self, scores: Sequence[Scores]) -> Scores:
        """Figures of a folder from the scores of its pictures."""
        ...


@dataclass(frozen=True)
class Row:
    """Both maps at one rate, over all pictures.

    Attributes
    ----------
    quality : float or None
        Of the uniform maps; None for the originals.
    uniform_bpp, task_bpp : float
        Mean real bits per pixel.
    uniform, task : dict of str to float
        The trial's figures.
    """

    quality: float | None
    uniform_bpp: float
    task_bpp: float
    uniform: Scores
    task: Scores


@dataclass
class EqualRate:
    """Compares maps over a folder, picture by picture at equal real bpp.

    Every picture is encoded at a uniform quality, and then with the task's
    map shifted as a whole until its file is not larger and within 1 % of
    that size. Where the map's own bytes make that impossible, the uniform
    file stands for both.

    Parameters
    ----------
    folder : Path
        Pictures; of a stack, the plane in the middle.
    trial : Trial
        The task.
    out : Path
        Folder of the measurements, with which a run goes on.
    qualities : sequence of float
        Of the uniform maps.
    model, device : str
        As for `napari_sft.encode`.
    limit : int, optional
        Take only the first so many pictures.
    on_step : callable
        Called after each picture at each quality.

    Raises
    ------
    ImageError
        The folder has no pictures.
    """

    folder: Path
    trial: Trial
    out: Path
    qualities: Sequence[float] = QUALITIES
    model: str = 'compact'
    device: str = 'auto'
    limit: int | None = None
    on_step: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ImageError(f'{self.folder} is no folder')
        self.paths = find_pictures(self.folder)[: self.limit]
        if not self.paths:
            raise ImageError(f'{self.folder} has no pictures')

    @property
    def steps(self) -> int:
        """How often `on_step` will be called."""
        return len(self.paths) * (1 + len(self.qualities))

    def run(self) -> list[Row]:
        """Measure everything that is not yet measured."""
        about = {
            'folder': str(self.folder.resolve()),
            'weights': load_model(self.model, self.device).weights_hash.hex(),
            **self.trial.settings,
        }
        kept = Measurements(self.out, about)
        results = [self._picture(path, kept) for path in self.paths]
        rows = []
        for number, quality in enumerate((None, *self.qualities)):
            level = [picture[number] for picture in results]
            rows.append(self._row(quality, level))
        return rows

    def _picture(self, path: Path, kept: Measurements) -> list[Any]:
        """Results of the original and of each quality."""

        @cache
        def plane() -> np.ndarray:
            return read_plane(path)

        @cache
        def map_of(quality: float) -> np.ndarray:
            return self.trial.find_map(path, plane(), quality)

        def quality_map(quality: float) -> np.ndarray:
            one_for_all = not self.trial.by_quality
            return map_of(self.qualities[0] if one_for_all else quality)

        def original() -> Any:
            scores = self.trial.score(path, plane(), plane())
            return {'bpp': 8.0 * plane().nbytes / _pixels(plane()), **scores}

        results = [kept.get(f'{path.name} original', original)]
        self.on_step()
        for quality in self.qualities:
            results.append(
                kept.get(
                    f'{path.name} {quality:g}',
                    lambda q=quality: self._pair(
                        path, plane(), quality_map(q), q
                    ),
                )
            )
            self.on_step()
        return results

    def _pair(
        self,
        path: Path,
        plane: np.ndarray,
        quality_map: np.ndarray,
        quality: float,
    ) -> dict[str, Any]:
        uniform = self._encode(plane, quality=quality)
        try:
            task = self._encode(
                plane, quality_map=quality_map, target_bytes=len(uniform)
            )
        except TargetError:  # the map itself takes more than there is
            task = uniform
        return {
            name: {
                'bpp': 8 * len(data) / _pixels(plane),
                **self.trial.score(
                    path, plane, napari_sft.decode(data, device=self.device)
                ),
            }
            for name, data in (('uniform', uniform), ('task', task))
        }

    def _encode(self, plane: np.ndarray, **how: Any) -> bytes:
        return napari_sft.encode(
            plane,
            model=self.model,
            device=self.device,
            rgb=plane.ndim == 3,
            statistics=False,
            provenance=False,
            **how,
        )

    def _row(self, quality: float | None, level: list[Any]) -> Row:
        if quality is None:
            level = [{'uniform': one, 'task': one} for one in level]
        bpp, figures = {}, {}
        for name in ('uniform', 'task'):
            scores = [one[name] for one in level]
            bpp[name] = math.fsum(s['bpp'] for s in scores) / len(scores)
            figures[name] = self.trial.figures(scores)
        return Row(
            quality,
            bpp['uniform'],
            bpp['task'],
            figures['uniform'],
            figures['task'],
        )


def read_plane(path: Path) -> np.ndarray:
    """One plane of a file, (Y, X) or (Y, X, 3): a stack's in the middle."""
    picture = read_picture(path, alpha='drop')
    image = Image.from_array(picture.data, picture.axes)
    return image.plane(image.layout.plane_count // 2)


def as_dict(rows: Sequence[Row], about: dict[str, Any]) -> dict[str, Any]:
    """Everything, for JSON."""
    return {**about, 'rows': [asdict(row) for row in rows]}


def _pixels(plane: np.ndarray) -> int:
    return plane.shape[0] * plane.shape[1]
