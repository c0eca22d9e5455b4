"""The paper's experiment: what a classifier sees at the same real bpp.

Source: Song, Choi, Han, ICCV 2021, section 5.2, figure 8, and their public
classification_aware.py: pictures of 256x256; one network estimates the maps,
another one judges the decoded pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_sft
from napari_sft.codec.coded_map import CELL
from napari_sft.models.registry import load_model
from napari_sft.tasks.classification import grad_cam_map, predicted
from napari_sft.tasks.classification_results import (
    GRAD_CAM,
    ORIGINAL,
    UNIFORM,
    Point,
    mean_point,
    optimised,
)
from napari_sft.tasks.classifiers import ESTIMATOR, JUDGE, load_classifier
from napari_sft.tasks.differentiable import DifferentiableCodec
from napari_sft.tasks.labelled import Labelled, find_labelled, read_square
from napari_sft.tasks.map_search import MapSearch
from napari_sft.tasks.measurements import Measurements

ITERATIONS = (3, 5)
WEIGHTS = (1e-4, 1e-3, 4e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)
STEPS = 11  # uniform qualities, and factors of Grad-CAM
# Qualities by which the maps of the largest weight are raised, for rates at
# which nothing is left to find.
RAISES = (20, 40, 60)


@dataclass
class ClassificationStudy:
    """Encodes labelled pictures with uniform, Grad-CAM and optimised maps.

    Parameters
    ----------
    source : Path
        As `find_labelled` takes it. Where there are no labels, what the
        judge sees in the original is right.
    out : Path
        Folder of the measurements, with which a run goes on.
    iterations, weights : sequence
        Of the search for maps.
    steps : int
        Uniform qualities from 0 to 100 and factors of Grad-CAM from 0 to 1.
    estimator, judge : str
        As `load_classifier` takes them.
    predicted : bool
        Whether maps keep what the estimator sees in the original even where
        a label is given. The paper's maps are made for the given one.
    shorter, side : int
        As `read_square` takes them.
    model, device : str
        As for `napari_sft.encode`.
    limit : int, optional
        Take only the first so many pictures.
    on_step : callable
        Called after each picture with each setting.
    """

    source: Path
    out: Path
    iterations: Sequence[int] = ITERATIONS
    weights: Sequence[float] = WEIGHTS
    steps: int = STEPS
    estimator: str = ESTIMATOR
    judge: str = JUDGE
    predicted: bool = False
    shorter: int = 280
    side: int = 256
    model: str = 'compact'
    device: str = 'auto'
    limit: int | None = None
    on_step: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.pictures = find_labelled(self.source)[: self.limit]
        self._codec = load_model(self.model, self.device)
        place = str(getattr(self._codec, 'device', 'cpu'))
        self._estimator = load_classifier(self.estimator, place)
        self._judge = load_classifier(self.judge, place)
        self._place = place

    @property
    def total(self) -> int:
        """How often `on_step` will be called."""
        return len(self.pictures) * (2 * self.steps + len(self.weights) + 1)

    @property
    def about(self) -> dict[str, Any]:
        """What the measurements depend on."""
        return {
            'task': 'classification',
            'source': str(self.source.resolve()),
            'weights': self._codec.weights_hash.hex(),
            'estimator': self.estimator,
            'judge': self.judge,
            'predicted': self.predicted,
            'iterations': sorted(self.iterations),
            'size': [self.shorter, self.side],
        }

    def run(self) -> list[Point]:
        """Measure everything that is not yet measured."""
        kept = Measurements(self.out, self.about)
        found: dict[tuple[Any, ...], list[Any]] = {}
        for labelled in self.pictures:
            for *setting, result in self._picture(labelled, kept):
                found.setdefault(tuple(setting), []).append(result)
        order = [ORIGINAL, UNIFORM, GRAD_CAM]
        order += [optimised(n) for n in sorted(self.iterations)]
        return sorted(
            (mean_point(*key, results) for key, results in found.items()),
            key=lambda p: (order.index(p.method), p.setting or 0, p.raised),
        )

    def _picture(self, labelled: Labelled, kept: Measurements) -> list[Any]:
        """(method, setting, raise, result) of everything about a picture."""
        pixels = read_square(labelled.path, self.shorter, self.side)
        truth = labelled.label
        if truth is None:
            truth = predicted(self._judge, self._tensor(pixels))
        given = None if self.predicted else labelled.label
        name = labelled.path.as_posix()

        def rank() -> dict[str, Any]:
            return {'bpp': None, 'rank': self._rank(pixels, truth)}

        @cache
        def cam() -> np.ndarray:
            return grad_cam_map(
                pixels,
                label=given,
                classifier=self._estimator,
                device=self._place,
            )

        results = [
            (ORIGINAL, None, 0, kept.get(f'{name} original', rank)),
        ]
        for step in range(self.steps):
            share = step / (self.steps - 1)
            results.append(
                (
                    UNIFORM,
                    100 * share,
                    0,
                    kept.get(
                        f'{name} uniform {100 * share:g}',
                        lambda q=100 * share: self._file(pixels, q, truth),
                    ),
                )
            )
            self.on_step()
            results.append(
                (
                    GRAD_CAM,
                    share,
                    0,
                    kept.get(
                        f'{name} grad-cam {share:g}',
                        lambda a=share: self._file(pixels, a * cam(), truth),
                    ),
                )
            )
            self.on_step()

        @cache
        def search(weight: float) -> tuple[list[np.ndarray], list[float]]:
            return self._search(pixels, weight, given)

        def optimised_files(weight: float, more: float) -> dict[str, Any]:
            maps, moments = search(weight)
            files = {}
            for count in self.iterations:
                quality = _raised(maps[count - 1], more, pixels.shape[:2])
                file = self._file(pixels, quality, truth)
                files[str(count)] = {**file, 'seconds': moments[count]}
            return files

        for weight in self.weights:
            several = kept.get(
                f'{name} optimised {weight:g}',
                lambda w=weight: optimised_files(w, 0),
            )
            self.on_step()
            results += [
                (optimised(n), weight, 0, several[str(n)])
                for n in self.iterations
            ]
        weight = max(self.weights)
        by = ','.join(map(str, RAISES))
        raised = kept.get(
            f'{name} optimised {weight:g} raised by {by}',
            lambda: [optimised_files(weight, more) for more in RAISES],
        )
        self.on_step()
        return results + [
            (optimised(n), weight, more, several[str(n)])
            for more, several in zip(RAISES, raised, strict=True)
            for n in self.iterations
        ]

    def _search(
        self, pixels: np.ndarray, weight: float, given: int | None
    ) -> tuple[list[np.ndarray], list[float]]:
        """Maps after each iteration, in cells, and seconds until each."""
        start = time.perf_counter()
        codec = DifferentiableCodec(
            self._codec, pixels.astype(np.float32) / 255
        )
        label = given
        if label is None:
            label = predicted(self._estimator, codec.x)
        moments: list[float] = []
        found = MapSearch(codec, self._estimator, label, weight).run(
            max(self.iterations),
            lambda done, total: moments.append(time.perf_counter() - start),
        )
        return found, moments

    def _file(
        self, pixels: np.ndarray, quality: float | np.ndarray, truth: int
    ) -> dict[str, Any]:
        uniform = np.ndim(quality) == 0
        data = napari_sft.encode(
            pixels,
            quality=float(quality) if uniform else 0,
            quality_map=None if uniform else quality,
            model=self.model,
            device=self.device,
            rgb=True,
            statistics=False,
            provenance=False,
        )
        decoded = napari_sft.decode(data, device=self.device)
        bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
        return {'bpp': bpp, 'rank': self._rank(decoded, truth)}

    @torch.no_grad()
    def _rank(self, pixels: np.ndarray, truth: int) -> int:
        """How many classes the judge finds likelier than the true one."""
        logits = self._judge(self._tensor(pixels))[0]
        return int((logits > logits[truth]).sum())

    def _tensor(self, pixels: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(pixels.astype(np.float32) / 255)
        return x.permute(2, 0, 1)[None].to(self._place)


def _raised(cells: np.ndarray, more: float, size: Sequence[int]) -> np.ndarray:
    """A map in cells as one in pixels (H, W), each quality raised."""
    quality = cells.repeat(CELL, 0).repeat(CELL, 1)[: size[0], : size[1]]
    return (quality + more).clip(0, 100)


def as_dict(study: ClassificationStudy, points: Sequence[Point]) -> Any:
    """Everything, for JSON."""
    return {
        **study.about,
        'pictures': len(study.pictures),
        'points': [asdict(point) for point in points],
    }
