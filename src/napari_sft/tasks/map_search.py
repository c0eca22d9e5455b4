"""The search for a map by gradients: a start in closed form, then L-BFGS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import LEVELS
from napari_sft.codec.quality import lambda_of
from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.differentiable import CELL, DifferentiableCodec
from napari_sft.tasks.registry import Progress, TaskError

# The start keeps away from the ends, where the sigmoid is flat.
LOWEST, HIGHEST = 0.03, 0.97
CLASSES = 3  # the most likely ones, whose gradients tell the sensitivity
LOW, BETWEEN = 0.1, 0.5  # a map's q; how far from that picture to the original
_SLOPE = math.log(float(lambda_of(100) / lambda_of(0)))


class _Enough(Exception):
    """As many evaluations as were asked for."""


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
        """Of the label, for a decoded picture (1, 3, Y, X)."""
        return F.cross_entropy(self.classifier(x_hat).float(), self._label)

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
        start = torch.logit(self.start())
        # One step of L-BFGS starts with a length of 1 over all variables;
        # in these units that is 1 a cell.
        unit = start.numel()
        best: list[NDArray[np.float32]] = []
        least = math.inf
        moved = torch.zeros_like(start).requires_grad_()

        def evaluate() -> Tensor:
            nonlocal least
            if len(best) == iterations:
                raise _Enough
            moved.grad = None
            with torch.enable_grad():
                q = torch.sigmoid(smoothed(start + unit * moved))
                loss = self.loss(q)
                loss.backward()
            if loss.item() < least or not best:
                least = loss.item()
                best.append(_qualities(q.detach()))
            else:
                best.append(best[-1])
            progress(len(best), iterations)
            return loss

        try:
            while True:
                optimiser = torch.optim.LBFGS(
                    [moved],
                    max_iter=iterations,
                    tolerance_grad=0,
                    tolerance_change=0,
                    line_search_fn='strong_wolfe',
                )
                optimiser.step(evaluate)
        except _Enough:
            return best

    def start(self) -> Tensor:
        """A first map (1, 1, rows, columns) in 0..1.

        To second order, an error of variance v in a pixel's sample costs
        the classifier v / 2 times the Fisher information there, while the
        codec trades squared errors against bits by a weight that grows
        exponentially with q: each cell gets the q whose weight is the
        cell's information.
        """
        information = smoothed(self.sensitivity())
        pixels = self.codec.x.shape[2] * self.codec.x.shape[3]
        wanted = self.weight * information * pixels / 2 / 255**2
        q = torch.log(wanted / float(lambda_of(0)) + 1e-30) / _SLOPE
        return q.clamp(LOWEST, HIGHEST)

    def sensitivity(self) -> Tensor:
        """Fisher information of each cell's pixels (1, 1, rows, columns).

        The mean over the cell of the squared gradients of the most likely
        classes' log-probabilities, weighed by the probabilities; also the
        mean over the original, a low quality and the picture between them.
        """
        x = self.codec.x
        with torch.no_grad():
            low, _ = self.codec(x.new_full((1, 1, *self.codec.cells), LOW))
        pictures = (x, low, torch.lerp(low, x, BETWEEN))
        return sum(self._information(p) for p in pictures) / len(pictures)

    def _information(self, picture: Tensor) -> Tensor:
        picture = picture.detach().clone().requires_grad_()
        with torch.enable_grad():
            logs = F.log_softmax(self.classifier(picture).float()[0], 0)
            likely = logs.topk(min(CLASSES, len(logs)))
            total = torch.zeros_like(picture[:, :1])
            for value in likely.values:
                (slope,) = torch.autograd.grad(
                    value, picture, retain_graph=True
                )
                square = slope.square().sum(1, keepdim=True)
                total = total + value.detach().exp() * square
        height, width = total.shape[2:]
        margin = (0, -width % CELL, 0, -height % CELL)
        return F.avg_pool2d(F.pad(total, margin, 'replicate'), CELL)


def smoothed(grid: Tensor) -> Tensor:
    """A grid (1, 1, h, w) averaged over 3x3 by the weights 1, 2, 1.

    A smooth map takes fewer bits, and is fitted less to one classifier.
    """
    line = grid.new_tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).view(1, 1, 3, 3)
    return F.conv2d(F.pad(grid, (1, 1, 1, 1), 'replicate'), kernel)


def _qualities(q: Tensor) -> NDArray[np.float32]:
    """The map as the codec rounds it, so that files hold just that."""
    steps = LEVELS - 1
    levels = (q[0, 0] * steps).round()
    return (100 * levels / steps).cpu().numpy().astype(np.float32)
