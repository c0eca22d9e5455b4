"""Rates of symbols: one family of distributions, indexed by scale.

Every symbol of y and of z is coded with one of 64 zero-mean distributions.
Distribution `i` is a mixture of two Gaussians of scales ``s`` and
``tail * s``, ``s = scale_of_index(i)``: residuals whose scale is only
roughly known have heavier tails than a Gaussian.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

LEVELS = 64
SCALE_MIN, SCALE_MAX = 0.04, 160.0
LOG_STEP = math.log(SCALE_MAX / SCALE_MIN) / (LEVELS - 1)
# Scales under 0.13 predict zero so surely that the symbol is not coded.
SKIPPED_LEVELS = math.ceil(math.log(0.13 / SCALE_MIN) / LOG_STEP)
PROBABILITY_MIN = 1e-9


def scale_of_index(index: Tensor) -> Tensor:
    """Scale of a (possibly fractional) index in 0..63."""
    return SCALE_MIN * torch.exp(index * LOG_STEP)


def index_of_scale(scale: Tensor) -> Tensor:
    """Fractional index of a scale, unclamped."""
    return torch.log(scale / SCALE_MIN) / LOG_STEP


class _Bound(torch.autograd.Function):
    """Clamp that lets gradients through when they lead back inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        low, high = ctx.bounds
        keep = ((x >= low) | (gradient < 0)) & ((x <= high) | (gradient > 0))
        return gradient * keep, None, None


def bound(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp to low..high with gradients that can lead back inside."""
    return _Bound.apply(x, low, high)


def round_through(x: Tensor) -> Tensor:
    """Round to integers; the gradient passes straight through."""
    return x + (x.detach().round() - x.detach())


class SymbolDistribution(nn.Module):
    """The indexed family of distributions; two parameters are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.tail_logit = nn.Parameter(torch.tensor(-2.0))
        self.tail_log_ratio = nn.Parameter(torch.tensor(0.9))

    @property
    def tail_weight(self) -> Tensor:
        """Weight of the wide Gaussian, 0..1."""
        return torch.sigmoid(self.tail_logit)

    @property
    def tail_ratio(self) -> Tensor:
        """Scale of the wide Gaussian over that of the narrow one, > 1."""
        return 1 + torch.exp(self.tail_log_ratio)

    def probability(self, symbol: Tensor, index: Tensor) -> Tensor:
        """Probability of the unit interval around each symbol.

        Parameters
        ----------
        symbol, index : Tensor
            Real values of one shape (or broadcastable).

        Returns
        -------
        Tensor
            Float32 probabilities.
        """
        scale = scale_of_index(bound(index, 0.0, LEVELS - 1.0))
        weight = self.tail_weight
        distance = symbol.abs()
        upper, lower = 0.5 - distance, -0.5 - distance
        narrow = _normal_cdf(upper / scale) - _normal_cdf(lower / scale)
        wide_scale = scale * self.tail_ratio
        wide = _normal_cdf(upper / wide_scale) - _normal_cdf(
            lower / wide_scale
        )
        return narrow + weight * (wide - narrow)

    def bits(self, symbol: Tensor, index: Tensor) -> Tensor:
        """Ideal code length of each symbol in bits."""
        probability = bound(
            self.probability(symbol, index), PROBABILITY_MIN, 2.0
        )
        return -torch.log2(probability)


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(x * -(0.5**0.5))
