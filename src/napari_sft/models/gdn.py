"""GDN1: divisive normalisation by a weighted sum of magnitudes.

Source: Balle, Laparra, Simoncelli, "Density Modeling of Images using a
Generalized Normalization Transformation", ICLR 2016; the form without
squares and roots is that of Johnston, Eban, Gordon, Balle, "Computationally
Efficient Neural Image Compression", 2019.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REPARAMETRISATION_OFFSET = 2.0**-18
BETA_MIN = 1e-6
GAMMA_INIT = 0.1
DIVISOR_MIN = 1e-4  # keeps the division finite


class _LowerBound(torch.autograd.Function):
    """Maximum that lets gradients through when they lead back inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: Tensor) -> Tensor:
        ctx.save_for_backward(x, limit)
        return torch.maximum(x, limit)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, limit = ctx.saved_tensors
        (gradient,) = gradients
        return gradient * ((x >= limit) | (gradient < 0)), None


class LowerBound(nn.Module):
    """Largest of the input and a constant, which the state dict holds."""

    bound: Tensor

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.register_buffer('bound', torch.tensor([bound]))

    def forward(self, x: Tensor) -> Tensor:
        return _LowerBound.apply(x, self.bound)


class NonNegative(nn.Module):
    """A parameter held at or above a minimum by learning its square root.

    Parameters
    ----------
    minimum : float
        Smallest value, at least 0.
    """

    pedestal: Tensor

    def __init__(self, minimum: float = 0.0) -> None:
        super().__init__()
        pedestal = REPARAMETRISATION_OFFSET**2
        self.register_buffer('pedestal', torch.tensor([pedestal]))
        self.lower_bound = LowerBound((minimum + pedestal) ** 0.5)

    def inverse(self, value: Tensor) -> Tensor:
        """What is to be learned for a parameter of this value."""
        return torch.sqrt(torch.maximum(value + self.pedestal, self.pedestal))

    def forward(self, learned: Tensor) -> Tensor:
        return self.lower_bound(learned) ** 2 - self.pedestal


class GDN1(nn.Module):
    """``x / (beta + gamma |x| + 1e-4)``, or ``x * (beta + gamma |x|)``.

    Gamma mixes the channels of one position; beta and gamma are at least 0.

    Parameters
    ----------
    channels : int
        Channels of the features.
    inverse : bool
        Whether to multiply, as the decoder does.
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta_reparam = NonNegative(BETA_MIN)
        self.gamma_reparam = NonNegative()
        self.beta = nn.Parameter(
            self.beta_reparam.inverse(torch.ones(channels))
        )
        self.gamma = nn.Parameter(
            self.gamma_reparam.inverse(GAMMA_INIT * torch.eye(channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        beta = self.beta_reparam(self.beta)
        gamma = self.gamma_reparam(self.gamma)
        norm = F.conv2d(x.abs(), gamma[:, :, None, None], beta)
        return x * norm if self.inverse else x * (1 / (norm + DIVISOR_MIN))
