"""Which colours to turn before a picture is coded, by trying it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.colours import (
    ColourTurn,
    TurnedModel,
    TurnedRefiner,
)
from napari_sft.codec.job import Job
from napari_sft.codec.layout import Layout
from napari_sft.codec.model import CodecModel
from napari_sft.codec.pipeline import (
    Plane,
    reconstruct_plane,
    symbol_bits,
    symbolise,
)
from napari_sft.codec.pixels import PlanePixels
from napari_sft.codec.quality import lambda_of, plane_map
from napari_sft.codec.tiles import Box, map_under

SIDE = 256  # pixels of a sample
ALONG = 4  # samples along each axis that are looked at
TRIED = 4  # those with most detail are coded
# Columns: along which colours detail varies least, more and most in
# photographs (green against magenta, red against blue, gray).
USUAL = np.array(
    [
        [0.3079, -0.7575, 0.5757],
        [-0.7947, 0.1279, 0.5933],
        [0.5231, 0.6402, 0.5626],
    ]
)
# Of the variances' product, in nepers: of 24 held-out photographs all that
# gain by turning are above, and two thirds of the others below.
WORTH_TRYING = 0.4
WORTH_TURNING = 0.995  # of the cost as it is
NOISE = 1 / 12 / 255**2  # variance of rounding to 8 bits


@dataclass(frozen=True)
class Sample:
    """Some pixels (Y, X, 3) of a picture in 0..1, and where they lie."""

    pixels: Plane
    box: Box

    @cached_property
    def detail(self) -> NDArray[np.float64]:
        """Sum of products of colours (3, 3), less their local means."""
        means = uniform_filter(self.pixels, (5, 5, 1), mode='nearest')
        rest = (self.pixels - means).reshape(-1, 3).astype(np.float64)
        return rest.T @ rest


def with_turned_colours(
    job: Job, check: Callable[[], None] = lambda: None
) -> Job:
    """The job with its RGB colours turned, if that makes a smaller file.

    Without a refiner, when time is what counts, they stay. All planes of a
    stack are turned as is best for one of them, see `telling_plane`.

    Parameters
    ----------
    job : Job
        What is to be encoded.
    check : callable
        Called before each trial; may raise to cancel.
    """
    layout = job.image.layout
    if not layout.rgb or job.refiner is None:
        return job
    plane = telling_plane(layout)
    samples = _samples(job.pixels(plane), layout.plane_shape)
    candidates = _candidates(samples)
    if not candidates:
        return job
    coded_map = plane_map(job.quality, layout, plane)
    tried = sorted(samples, key=lambda s: -np.trace(s.detail))[:TRIED]

    def cost(model: CodecModel) -> float:
        check()
        return sum(_cost(model, sample, coded_map) for sample in tried)

    usual = WORTH_TURNING * cost(job.model)
    costs = [cost(TurnedModel(job.model, turn)) for turn in candidates]
    best = int(np.argmin(costs))
    return turned(job, candidates[best]) if costs[best] < usual else job


def turned(job: Job, colours: ColourTurn) -> Job:
    """The job with its colours turned."""
    refiner = job.refiner
    return replace(
        job,
        model=TurnedModel(job.model, colours),
        refiner=None if refiner is None else TurnedRefiner(refiner, colours),
    )


def telling_plane(layout: Layout) -> int:
    """The number of the plane by which a stack's colours are chosen."""
    return layout.plane_count // 2


def _samples(pixels: PlanePixels, shape: tuple[int, ...]) -> list[Sample]:
    """Pixels from all over a plane."""
    rows, columns = map(_places, shape[:2])
    boxes = (Box(*y, *x) for y, x in product(rows, columns))
    return [Sample(pixels.read(box), box) for box in boxes]


def _places(size: int) -> list[tuple[int, int]]:
    """Where samples start and end along an axis, in whole cells."""
    count = min(-(-size // SIDE), ALONG)
    starts = np.linspace(0, max(size - SIDE, 0), count) // CELL * CELL
    return [(int(n), min(int(n) + SIDE, size)) for n in starts]


def _candidates(samples: Sequence[Sample]) -> list[ColourTurn]:
    """Turns of the colours of detail onto the usual ones."""
    count = sum(sample.box.area for sample in samples)
    products = sum(sample.detail for sample in samples) / count
    variances, axes = np.linalg.eigh(products)
    usual = np.diag(USUAL.T @ products @ USUAL)
    if np.log((usual + NOISE) / (variances + NOISE)).sum() < WORTH_TRYING:
        return []
    axes *= np.where((axes * USUAL).sum(0) < 0, -1, 1)
    # where that is a mirror, the weakest axis turns round
    axes[:, 0] *= np.sign(np.linalg.det(USUAL @ axes.T))
    matrix = USUAL @ axes.T
    mean = np.mean([sample.pixels.mean((0, 1)) for sample in samples], 0)
    return [ColourTurn.of_matrix(matrix, at) for at in (np.zeros(3), mean)]


def _cost(model: CodecModel, sample: Sample, whole: CodedMap) -> float:
    """Bits plus what the errors weigh."""
    pixels, coded_map = sample.pixels, map_under(sample.box, whole)
    symbols = symbolise(model, pixels, coded_map)
    decoded = reconstruct_plane(model, symbols, coded_map, pixels.shape)
    error = np.square(decoded - pixels).mean(2) * 255**2
    weight = lambda_of(coded_map.pixels(sample.box.shape))
    return symbol_bits(model, symbols) + float((weight * error).sum())
