"""The search for a map by gradients: few steps of L-BFGS from a flat map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import LEVELS
from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.differentiable import DifferentiableCodec
from napari_sft.tasks.llvm_clash import import_dynamo
from napari_sft.tasks.registry import Progress, TaskError

STARTS = (0.03, 0.12, 0.3, 0.6, 0.9)  # q of the flat maps to start from
STEP = 0.6  # of that argument, in the first step
LEAP = 1.0  # the longest step of a cell
HISTORY = 3  # steps that L-BFGS looks back
EDGE = 21  # of what part of a side the middle lacks on each end
FLATTEST = 1e-3  # of the steepest cell's slope, for the units of others


@dataclass
class MapSearch:
    """Finds the map of one picture.

    Parameters
    ----------
    codec : DifferentiableCodec
        The codec and the picture.
    classifier : Classifier
        What is to see the same in the decoded picture.
    label : int
        The class it is to see.
    weight : float
        Of the cross-entropy against bits per pixel, above 0.

    Raises
    ------
    TaskError
        The weight is not above 0.
    """

    codec: DifferentiableCodec
    classifier: Classifier
    label: int
    weight: float

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise TaskError(f'weight of {self.weight} is not above 0')
        self._label = torch.tensor([self.label], device=self.codec.x.device)

    def loss(self, q: Tensor) -> Tensor:
        """weight * cross-entropy + estimated bits per pixel."""
        x_hat, bpp = self.codec(q)
        return self.weight * self.cross_entropy(x_hat) + bpp

    def cross_entropy(self, x_hat: Tensor) -> Tensor:
        """Of the label, for some views of a decoded picture (1, 3, Y, X)."""
        seen = self.classifier(views(x_hat)).float()
        return F.cross_entropy(seen, self._label.expand(len(seen)))

    def run(
        self, iterations: int, progress: Progress | None = None
    ) -> list[NDArray[np.float32]]:
        """Search, and keep the best map at each moment.

        Parameters
        ----------
        iterations : int
            Evaluations of the loss and its gradient, at least 1.
        progress : callable, optional
            Called with (done, total) evaluations; may raise to cancel.

        Returns
        -------
        list of ndarray of float32
            After each evaluation, the map with the least loss so far:
            qualities 0..100 of the cells.

        Raises
        ------
        TaskError
            If there is to be no iteration.
        """
        if iterations < 1:
            raise TaskError(f'{iterations} iterations; give 1 or more')
        progress = progress or (lambda done, total: None)
        progress(0, iterations)
        start = self.start()
        best: list[NDArray[np.float32]] = []
        least = math.inf
        scale, unit = torch.ones_like(start), 1.0
        moved = torch.zeros_like(start)

        def evaluate() -> Tensor:
            nonlocal least, scale, unit
            with torch.enable_grad():
                at = (start + scale * moved).requires_grad_()
                q = torch.sigmoid(smoothed(at))
                loss = self.loss(q)
                (slope,) = torch.autograd.grad(loss, at)
            if not best:
                scale, unit = _units(slope)
            moved.grad = unit * scale * slope
            if loss.item() < least or not best:
                least = loss.item()
                best.append(_qualities(q.detach()))
            else:
                best.append(best[-1])
            return unit * loss.detach()

        # One evaluation a step and no line search, as in the public code:
        # rounding makes the loss too rough for one.
        import_dynamo()
        optimiser = torch.optim.LBFGS(
            [moved],
            max_iter=1,
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
        )
        for done in range(1, iterations + 1):
            before = moved.clone()
            optimiser.step(evaluate)
            # L-BFGS leaps where the slope happens to be the same twice.
            change = (scale * (moved - before)).clamp(-LEAP, LEAP)
            moved.copy_(before + change / scale)
            progress(done, iterations)
        return best

    @torch.no_grad()
    def start(self) -> Tensor:
        """The flat map with the least loss, as the sigmoid's argument.

        One picture is recognised at the lowest quality, another one needs a
        high one throughout.
        """
        shape = 1, 1, *self.codec.cells
        flat = [self.codec.x.new_full(shape, q) for q in STARTS]
        return torch.logit(min(flat, key=lambda q: float(self.loss(q))))


def views(x: Tensor) -> Tensor:
    """A picture, its middle enlarged, and their mirror images.

    What a classifier sees in all of them, another one is likelier to see
    too: after the same steps a network that judges the decoded pictures has
    a tenth less cross-entropy than if there is one view.

    Parameters
    ----------
    x : Tensor
        (1, 3, Y, X).

    Returns
    -------
    Tensor
        (4, 3, Y, X).
    """
    height, width = x.shape[2:]
    top, left = height // EDGE, width // EDGE
    middle = F.interpolate(
        x[..., top : height - top, left : width - left],
        (height, width),
        mode='bilinear',
    )
    both = torch.cat([x, middle])
    return torch.cat([both, both.flip(3)])


def smoothed(grid: Tensor) -> Tensor:
    """A grid (1, 1, h, w) averaged over 3x3 by the weights 1, 2, 1.

    A smooth map takes fewer bits, and is fitted less to one classifier.
    """
    line = grid.new_tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).view(1, 1, 3, 3)
    return F.conv2d(F.pad(grid, (1, 1, 1, 1), 'replicate'), kernel)


def _units(slope: Tensor) -> tuple[Tensor, float]:
    """Units of the cells and of the loss that suit a first gradient.

    In them the first step of L-BFGS, along the gradient and as long as 1 by
    the sum over all cells, changes each cell by `STEP`, whatever its slope.
    """
    size = slope.abs()
    size = (size + FLATTEST * size.max()).clamp(min=1e-12)
    total = size.sqrt().sum()
    unit = 1 / (STEP * float(total) ** 2)
    return (STEP / (unit * size)).sqrt(), unit


def _qualities(q: Tensor) -> NDArray[np.float32]:
    """The map as the codec rounds it, so that files hold just that."""
    steps = LEVELS - 1
    levels = (q[0, 0] * steps).round()
    return (100 * levels / steps).cpu().numpy().astype(np.float32)
