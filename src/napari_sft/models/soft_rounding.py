"""Rounding that gradients pass: to a random neighbour, or nearly so.

Stochastic Gumbel annealing (Yang, Bamler, Mandt, "Improving inference for
neural image compression", NeurIPS 2020, arXiv 2006.04240), with
probabilities linear in the fraction at temperature 1 (SGA+, Perugachi-Diaz
et al., arXiv 2401.17789).
"""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 1e-4  # of the probabilities of rounding up


def logistic_noise(
    like: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Noise of the logistic distribution: the difference of two Gumbels."""
    uniform = torch.empty_like(like).uniform_(generator=generator)
    return torch.logit(uniform, 1e-6)


def soft_round(x: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """Between the neighbouring integers, near a random one of them.

    Parameters
    ----------
    x : Tensor
        What to round.
    temperature : float
        Above 0; low ones take the nearest integer almost always.
    noise : Tensor
        As `logistic_noise` gives it, of x's shape.
    """
    below = x.detach().floor()
    logit = torch.logit((x - below).clamp(EDGE, 1 - EDGE))
    return below + torch.sigmoid((logit / temperature + noise) / temperature)


def rounding_slope(x: Tensor, temperature: float) -> Tensor:
    """How fast the probability of the integer above grows with x.

    Parameters
    ----------
    x : Tensor
        What is rounded as `soft_round` does.
    temperature : float
        Above 0; at low ones the slope is high half way between two
        integers, and 0 elsewhere. Its integral over a unit is 1.
    """
    share = (x - x.floor()).clamp(EDGE, 1 - EDGE)
    above = torch.sigmoid(torch.logit(share) / temperature)
    return above * (1 - above) / (temperature * share * (1 - share))
