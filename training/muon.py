"""Muon: momentum whose matrices are made orthogonal.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural
networks", 2024; step sizes as in Liu et al., "Muon is scalable for LLM
training", arXiv 2502.16982, equation 4, which makes Adam's rates fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from napari_sft.models.device import convolution_dtype

# Narrower matrices have too few directions to be worth it.
SMALLEST_SIDE = 32
# Quintic iteration: singular values go to about 1, fast rather than exact.
LINEAR, CUBIC, QUINTIC, ITERATIONS = 3.4445, -4.7750, 2.0315, 5
ADAM_RMS = 0.2  # what Adam's updates have, as a share of its rate


def is_wide(parameter: nn.Parameter) -> bool:
    """Whether a parameter is the weight of a convolution with many channels.

    Seen as a matrix (outputs, inputs times kernel), both of its sides count.
    """
    if parameter.ndim != 4:
        return False
    return min(parameter.shape[0], parameter[0].numel()) >= SMALLEST_SIDE


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices with their singular values made about 1 (0.7 to 1.2).

    Parameters
    ----------
    matrices : Tensor
        (..., m, n), of any scales.

    Returns
    -------
    Tensor
        (..., m, n), in bfloat16 where the hardware multiplies it faster.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = (matrices if wide else matrices.mT).to(
        convolution_dtype(matrices.device)
    )
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    shape, x = x.shape, x.reshape(-1, *x.shape[-2:])
    for _ in range(ITERATIONS):
        square = x @ x.mT
        factor = torch.baddbmm(
            square, square, square, beta=CUBIC, alpha=QUINTIC
        )
        x = torch.baddbmm(x, factor, x, beta=LINEAR)
    x = x.view(shape)
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Optimiser of convolutions' weights (O, I, k, k).

    Parameters
    ----------
    groups : iterable of dict
        Parameter groups with `params`, and more that is kept.
    momentum : float
        Share of the running mean that each step keeps.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], momentum: float = 0.95
    ) -> None:
        super().__init__(groups, {'lr': 1e-3, 'momentum': momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Follow the gradients, each matrix's directions equally far."""
        for group in self.param_groups:
            # one after the other, a GPU would wait for these small products
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group['params']:
                if weight.grad is not None:
                    shape = weight.flatten(1).shape
                    alike.setdefault(shape, []).append(weight)
            for shape, weights in alike.items():
                size = ADAM_RMS * max(shape) ** 0.5
                self._follow(weights, group['lr'] * size, group['momentum'])

    def _follow(
        self, weights: list[nn.Parameter], size: float, momentum: float
    ) -> None:
        directions = torch.stack(
            [self._direction(weight, momentum) for weight in weights]
        )
        updates = orthogonal(directions).float()
        for weight, update in zip(weights, updates, strict=True):
            weight.add_(update.reshape(weight.shape), alpha=-size)

    def _direction(self, weight: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[weight]
        if not state:
            state['momentum'] = torch.zeros_like(weight)
        mean, gradient = state['momentum'], weight.grad
        assert gradient is not None
        mean.lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum).flatten(1)
