"""`compact` with its feedback: code, look at that, correct y, code again.

Training goes through the last correction, so that all that comes after it,
and the feedback, learn together what to make of each other. What y comes from
stays as it is: the feedback would undo what is learnt there, and both would
drift away.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_sft.codec.quality import lambda_of
from napari_sft.models.compact import (
    BLOCK,
    KAPPA,
    CompactModel,
    CompactOutput,
    Prior,
)
from napari_sft.models.soft_rounding import rounding_slope

# Of the rounding that the feedback learns through. Warmer, symbols far from
# the next one count, and pull all together away from what rounding gives.
TEMPERATURE = 0.1
BITS_OF_ERROR = float(255**2 * lambda_of(50))  # squared, at quality 50
# Of that of g_s's linear part: its network takes back most of what a symbol
# half way to the next one changes.
CURVATURE = 0.4


def error_in_symbols(
    model: CompactModel,
    y_hat: Tensor,
    q: Tensor,
    condition: Tensor,
    x: Tensor,
    weight: Tensor,
) -> Tensor:
    """What the decoder's error asks of every latent alone.

    Parameters
    ----------
    model : CompactModel
        Gives the decoder.
    y_hat : Tensor
        Latents (B, M, h, w) to decode.
    q, condition : Tensor
        Coded map (B, 1, h, w) and its features.
    x : Tensor
        Image (B, 3, H, W) in 0..1, or (B, 1, H, W) if it is gray.
    weight : Tensor
        Of the squared error of every pixel, (B, 1, H, W), as
        `relative_lambda` tells it; 0 for padding.

    Returns
    -------
    Tensor
        (B, M, h, w) in symbols: Newton's step down the weighted squared
        error, of the curvature that the linear part of g_s has.
    """
    q, condition = q.detach(), condition.detach()
    with torch.enable_grad():
        y_hat = y_hat.detach().requires_grad_()
        error = model.synthesise(y_hat, q, condition).float() - x
        if x.shape[1] == 1:
            error = error.mean(1, keepdim=True).expand_as(error)
        cost = (weight * error.square()).sum()
        (slope,) = torch.autograd.grad(cost, y_hat)
    with torch.no_grad():
        return -slope / distortion_curvature(model, q, 2 * relative_lambda(q))


def distortion_curvature(
    model: CompactModel, q: Tensor, weight: Tensor
) -> Tensor:
    """Weight times that of each latent, as the linear part of g_s has it."""
    columns = model.g_s.linear.weight.float()
    norm = columns.square().sum((0, 2, 3)).view(-1, 1, 1)
    return weight * norm / model.gain(q) ** 2


def relative_lambda(q: Tensor) -> Tensor:
    """Lambda over that of quality 50, of qualities in 0..1."""
    return torch.exp(2 * KAPPA * (q - 0.5))


def closed_loop(
    model: CompactModel, x: Tensor, q: Tensor, corrections: int = 1
) -> CompactOutput:
    """Code x, correct y, and code it again around the same z.

    Parameters
    ----------
    model : CompactModel
        With a feedback network.
    x : Tensor
        Image (B, 3, H, W) in 0..1; H and W multiples of 64.
    q : Tensor
        Coded quality map (B, 1, H/16, W/16) in 0..1.
    corrections : int
        How often y is corrected, 1 or more; gradients go through the last
        correction alone.
    """
    with torch.no_grad():
        y = model.analyse(x, q)
    prior = model.prior(y, q)
    for _ in range(corrections - 1):
        with torch.no_grad():
            y = y + _correction(model, x, q, y, prior)
    change = _correction(model, x, q, y, prior)
    code = _code_in_training if model.training else _code
    y_hat, y_bits = code(model, q, y, change, prior)
    x_hat = model.synthesise(y_hat, q, prior.condition)
    return CompactOutput(x_hat, y_bits, prior.z_bits)


def _correction(
    model: CompactModel, x: Tensor, q: Tensor, y: Tensor, prior: Prior
) -> Tensor:
    """What the feedback, which alone learns from it, adds to y."""
    condition, whole = prior.condition.detach(), prior.whole.detach()
    with torch.no_grad():
        y_hat, symbols = _rounded(model, q, y, prior)
        weight = relative_lambda(q)
        for axis in (2, 3):
            weight = weight.repeat_interleave(BLOCK, axis)
    error = error_in_symbols(model, y_hat, q, condition, x, weight)
    rounding = (y - y_hat).detach()
    change = model.feedback(rounding, error, symbols, whole, condition)
    return change * prior.coded


def _code(
    model: CompactModel, q: Tensor, y: Tensor, change: Tensor, prior: Prior
) -> tuple[Tensor, Tensor]:
    """y_hat and bits of the corrected y."""
    y_hat, symbols = _rounded(model, q, y + change, prior)
    return y_hat, model.distribution.bits(symbols, prior.whole) * prior.coded


def _rounded(
    model: CompactModel, q: Tensor, y: Tensor, prior: Prior
) -> tuple[Tensor, Tensor]:
    """y_hat and symbols of y."""
    return model.run_context(
        prior.z_hat,
        prior.whole,
        q,
        prior.condition,
        lambda mean: (y - mean).round() * prior.coded,
    )


def _code_in_training(
    model: CompactModel, q: Tensor, y: Tensor, change: Tensor, prior: Prior
) -> tuple[Tensor, Tensor]:
    """The same symbols, with gradients.

    Those of the feedback are what the next symbol would change, as likely as
    a small change of y brings it about: rounded softly instead, symbols that
    no file has would train all other parts. Scales and means get those of
    the rate of the symbols as they are.
    """
    fixed, moved = change.detach(), change - change.detach()

    def rounded(exact: Tensor) -> Tensor:
        wanted = exact.detach() + fixed
        symbols = wanted.round() + rounding_slope(wanted, TEMPERATURE) * moved
        return symbols + exact - exact.detach()

    y_hat, symbols = model.run_context(
        prior.z_hat,
        prior.whole,
        q,
        prior.condition,
        lambda mean: rounded(y - mean) * prior.coded,
    )
    mean, bits = y_hat - symbols, model.distribution.bits
    with torch.autocast(y.device.type, enabled=False):
        wanted = (y - mean).detach() + fixed
        whole = wanted.round() - (mean - mean.detach())
        slope = _bits_of_the_next(model, q, wanted, prior.index)
        y_bits = bits(whole, prior.index) + slope * moved
    return y_hat, y_bits * prior.coded


@torch.no_grad()
def _bits_of_the_next(
    model: CompactModel, q: Tensor, wanted: Tensor, index: Tensor
) -> Tensor:
    """By how much the cost, but for the error's slope, grows with y."""
    low = wanted.floor()
    bits = model.distribution.bits
    growth = bits(low + 1, index) - bits(low, index)
    # the error's slope is that at the symbol, not half way to the next
    weight = 2 / 3 * BITS_OF_ERROR * relative_lambda(q)
    curvature = CURVATURE * distortion_curvature(model, q, weight)
    growth = growth + curvature * (low + 0.5 - wanted.round())
    return rounding_slope(wanted, TEMPERATURE) * growth
