"""`compact` with its feedback: code, look at that, correct y, code again.

Training goes through the corrected y, so that feedback and decoder learn
together what to make of each other. What y and its scales and means come from
should stay as it is then: the feedback would undo what is learnt there, and
both would drift away.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_sft.models.compact import (
    BLOCK,
    KAPPA,
    CompactModel,
    CompactOutput,
    Prior,
)
from napari_sft.models.soft_rounding import logistic_noise, soft_round

TEMPERATURE = 0.3  # of the rounding that the feedback learns through


@torch.compiler.disable  # gradients inside of what is compiled
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
        y_hat, symbols = model.run_context(
            prior.z_hat,
            whole,
            q,
            condition,
            lambda mean: (y - mean).round() * prior.coded,
        )
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
    y_hat, symbols = model.run_context(
        prior.z_hat,
        prior.whole,
        q,
        prior.condition,
        lambda mean: (y + change - mean).round() * prior.coded,
    )
    return y_hat, model.distribution.bits(symbols, prior.whole) * prior.coded


def _code_in_training(
    model: CompactModel, q: Tensor, y: Tensor, change: Tensor, prior: Prior
) -> tuple[Tensor, Tensor]:
    """The same with softly rounded symbols.

    Gradients reach the feedback through the soft rounding: what the next
    symbol would cost and gain. The means get them straight through: those of
    soft rounding are too rough for them.
    """
    noise = logistic_noise(y)

    def rounded(exact: Tensor) -> Tensor:
        fixed = exact.detach()
        return soft_round(fixed + change, TEMPERATURE, noise) + exact - fixed

    y_hat, symbols = model.run_context(
        prior.z_hat,
        prior.whole,
        q,
        prior.condition,
        lambda mean: rounded(y - mean) * prior.coded,
    )
    residual = (y - (y_hat - symbols)).detach()
    with torch.autocast(y.device.type, enabled=False):
        soft = soft_round(residual + change, TEMPERATURE, noise)
        return y_hat, model.distribution.bits(soft, prior.index) * prior.coded
