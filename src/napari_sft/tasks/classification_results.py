"""Results of the paper's experiment: points of its curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LOSS = 0.05  # of accuracy, from which on a uniform map is said to lose
ORIGINAL, UNIFORM, GRAD_CAM = 'original', 'uniform', 'Grad-CAM'
OPTIMISED = 'optimised'


@dataclass(frozen=True)
class Point:
    """A kind of map with one setting, over all pictures.

    Attributes
    ----------
    method : str
        'original', 'uniform', 'Grad-CAM' or 'optimised in N'.
    setting : float or None
        Quality, alpha or weight.
    bpp : float or None
        Mean real bits per pixel.
    top1, top5 : float
        Accuracies, 0..1.
    seconds : float
        To find a map, at the mean.
    raised : float
        By how much the maps' qualities were raised, as a whole.
    """

    method: str
    setting: float | None
    bpp: float | None
    top1: float
    top5: float
    seconds: float = 0.0
    raised: float = 0.0

    @property
    def name(self) -> str:
        """The setting in words; '-' for none."""
        if self.setting is None:
            return '-'
        raised = f', raised by {self.raised:g}' if self.raised else ''
        return f'{self.setting:g}{raised}'


def mean_point(
    method: str, setting: float | None, raised: float, results: Sequence[Any]
) -> Point:
    """The mean of what was measured of each picture."""

    def mean(values: list[float]) -> float:
        return math.fsum(values) / len(values)

    sizes = [r['bpp'] for r in results]
    return Point(
        method,
        setting,
        None if None in sizes else mean(sizes),
        mean([r['rank'] < 1 for r in results]),
        mean([r['rank'] < 5 for r in results]),
        mean([r.get('seconds', 0.0) for r in results]),
        raised,
    )


def optimised(iterations: int) -> str:
    """The name of a search's maps."""
    return f'{OPTIMISED} in {iterations}'


def at_rates(points: Sequence[Point], method: str) -> list[float | None]:
    """Top-1 accuracy of a method at the rates of the uniform maps.

    Linear between the method's own rates; None beyond them.
    """
    curve = sorted(
        (p.bpp, p.top1)
        for p in points
        if p.method == method and p.bpp is not None
    )
    rates = [bpp for bpp, _ in curve]
    wanted = [p.bpp for p in points if p.method == UNIFORM]
    return [
        float(np.interp(bpp, rates, [a for _, a in curve]))
        if rates and bpp is not None and rates[0] <= bpp <= rates[-1]
        else None
        for bpp in wanted
    ]


def verdicts(points: Sequence[Point]) -> list[str]:
    """A line for each optimised method: where it is above uniform maps."""
    original = points[0].top1
    uniform = [p for p in points if p.method == UNIFORM]
    lines = []
    for method in dict.fromkeys(p.method for p in points):
        if not method.startswith(OPTIMISED):
            continue
        pairs = [
            (p.top1, top1)
            for p, top1 in zip(uniform, at_rates(points, method), strict=True)
            if top1 is not None and original - p.top1 >= LOSS
        ]
        above = sum(top1 > flat for flat, top1 in pairs)
        lines.append(
            f'{method}: above uniform maps at {above} of {len(pairs)} rates '
            'at which those lose 5 points or more'
        )
    return lines
