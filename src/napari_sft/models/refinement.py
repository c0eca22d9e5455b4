"""Encoder effort: y of `compact`, improved for the picture at hand.

The analysis transform gives y at once for any picture; gradient steps
through the decoder find better ones for this picture. Rounding is relaxed
as in stochastic Gumbel annealing (Yang, Bamler, Mandt, "Improving inference
for neural image compression", NeurIPS 2020, arXiv 2006.04240), with
probabilities linear in the fraction at temperature 1 (SGA+, Perugachi-Diaz
et al., arXiv 2401.17789). Files are as ever, decoders do not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import CELL, MAX_FINE
from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import CodecModel
from napari_sft.codec.quality import lambda_of
from napari_sft.codec.refinement import (
    DEFAULT_EFFORT,
    EFFORTS,
    Refiner,
    check_effort,
)
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.entropy import SKIPPED_LEVELS, scale_of_index

# Gradient steps of each effort: twice as many from one to the next.
STEPS = {effort: 1 << (effort - 1) for effort in EFFORTS[1:]}
WARM, COLD = 0.35, 0.25  # temperatures of the first step and of the last
# Share of a Newton step, and the longest step in symbols, by their number.
RATE, FEWER = 0.17, 0.35
LAST = 0.3  # of the rate, at the last step
MOMENTUM = 0.8
EDGE = 1e-4  # of the probabilities of rounding up


def refiner_for(model: CodecModel, effort: int) -> Refiner | None:
    """What refines the latents of a model at an effort.

    Parameters
    ----------
    model : CodecModel
        The codec model.
    effort : int
        1 to 9; 1 refines nothing.

    Raises
    ------
    SftError
        The effort is no whole number from 1 to 9.
    ModelError
        The model's latents can't be refined.
    """
    if check_effort(effort) == DEFAULT_EFFORT:
        return None
    if not isinstance(model, CompactCodec):
        raise ModelError(
            f'model {model.name!r} has no efforts above {DEFAULT_EFFORT}: '
            f'leave the effort at {DEFAULT_EFFORT}, or use compact'
        )
    return LatentRefiner(model, STEPS[effort])


@dataclass(frozen=True)
class LatentRefiner:
    """Refines y by gradient steps; see `napari_sft.codec.refinement`.

    The cost is that of the coder, ``bits + 255**2 * sum(lambda * mean error
    squared over samples)``, and never grows.

    Parameters
    ----------
    codec : CompactCodec
        The model.
    steps : int
        Gradient steps, at least 1.
    """

    codec: CompactCodec
    steps: int

    def __call__(
        self,
        x: NDArray[np.float32],
        y: Tensor,
        fine: NDArray[np.integer],
        step: Callable[[], None],
    ) -> Tensor:
        """See `Refiner`."""
        block = _Block(self.codec, x, fine)
        start = y.float().clone()
        refined = block.descend(start, self.steps, step)
        return min(start, refined, key=block.cost)


class _Block:
    """Some cells of a plane: what their latents cost, and better ones."""

    def __init__(
        self,
        codec: CompactCodec,
        x: NDArray[np.float32],
        fine: NDArray[np.integer],
    ) -> None:
        self._codec = codec
        self._network = codec.network
        self._fine = fine
        self._x = x
        self._q = codec._q(fine)
        with torch.no_grad(), self._autocast():
            self._condition = self._network.condition(self._q)
        weight = 255**2 * lambda_of(100 * fine / MAX_FINE)
        for axis in (0, 1):
            weight = weight.repeat(CELL, axis)
        self._pixel_weight = weight[: x.shape[0], : x.shape[1]]
        self._wanted = self._tensor(x if x.ndim == 3 else x[..., None])
        self._weight = self._tensor(self._pixel_weight[..., None])

    def cost(self, y: Tensor) -> float:
        """Bits and weighted error of y as the coder rounds it."""
        codec, fine = self._codec, self._fine
        z, indices = self._scales(y)
        symbols, latents = codec.quantise(y, z, indices, fine)
        bits = codec.tables.bits(z, codec.z_indices(fine)).sum()
        bits += codec.tables.bits(symbols, indices).sum()
        height, width = self._x.shape[:2]
        picture = codec.synthesise(latents, fine)[:height, :width]
        if self._x.ndim == 2:
            picture = picture.mean(2)
        squares = (np.clip(picture, 0, 1) - self._x) ** 2
        squares = squares.reshape(height, width, -1).mean(2)
        return float(bits + (self._pixel_weight * squares).sum())

    def descend(
        self, y: Tensor, steps: int, step: Callable[[], None]
    ) -> Tensor:
        """Go down the relaxed cost, the temperature falling."""
        # z and the scales stay: to follow y at each step does it no good
        z, index = (self._tensor(array) for array in self._scales(y))
        # that of the rate, were the distributions Gaussian
        curvature = 1 / (math.log(2) * scale_of_index(index) ** 2)
        curvature = curvature + self._distortion_curvature()
        generator = torch.Generator(y.device).manual_seed(0)
        mean_slope = torch.zeros_like(y)
        longest = RATE * steps**-FEWER
        for number in range(steps):
            step()
            share = number / max(steps - 1, 1)
            temperature = WARM * (COLD / WARM) ** share
            noise = _logistic(y, generator)
            slope = self._slope(y, z, index, temperature, noise)
            mean_slope.lerp_(slope, 1 - MOMENTUM)
            unbiased = mean_slope / (1 - MOMENTUM ** (number + 1))
            rate = longest * (1 + share * (LAST - 1))
            change = rate * unbiased / curvature
            y = y - change.clamp_(-longest, longest)
        return y

    def _slope(
        self,
        y: Tensor,
        z: Tensor,
        index: Tensor,
        temperature: float,
        noise: Tensor,
    ) -> Tensor:
        """Gradient of the relaxed cost."""
        network = self._network
        coded = index >= SKIPPED_LEVELS

        def residual_of(mean: Tensor) -> Tensor:
            # A symbol makes up for what its mean changes. y_hat stays, the
            # rate does not; half of that slope is worth most, as it is
            # rough.
            fixed = mean.detach()
            soft = _soft_round(y - fixed, temperature, noise)
            return (soft + (fixed - mean) / 2) * coded

        with torch.enable_grad(), self._autocast():
            y.requires_grad_()
            y_hat, symbols = network.run_context(
                z, index, self._q, self._condition, residual_of
            )
            bits = network.distribution.bits(symbols, index) * coded
            x_hat = network.synthesise(y_hat, self._q, self._condition)
            cost = bits.sum() + self._distortion(x_hat.float())
            (slope,) = torch.autograd.grad(cost, y)
        y.requires_grad_(False)
        return slope

    def _distortion(self, x_hat: Tensor) -> Tensor:
        height, width = self._x.shape[:2]
        x_hat = x_hat[..., :height, :width]
        if self._x.ndim == 2:
            x_hat = x_hat.mean(1, keepdim=True)
        squares = (x_hat - self._wanted).square().mean(1, keepdim=True)
        return (self._weight * squares).sum()

    def _distortion_curvature(self) -> Tensor:
        """Of each latent, as the linear part of synthesis has it."""
        columns = self._network.g_s.linear.weight.float()
        norm = columns.square().sum((0, 2, 3)).view(-1, 1, 1)
        weight = 255**2 * lambda_of(100 * self._fine / MAX_FINE)
        per_cell = self._tensor(weight[..., None])
        return 2 / 3 * per_cell * norm / self._network.gain(self._q) ** 2

    def _scales(
        self, y: Tensor
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        z = self._codec.hyper_symbols(y, self._fine)
        return z, self._codec.y_indices(z, self._fine)

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        """(1, C, h, w) of symbols (C, h, w) or of pixels (h, w, C)."""
        if array.dtype.kind == 'f':
            array = array.transpose(2, 0, 1)
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor[None].to(self._codec.device, torch.float32)

    def _autocast(self) -> torch.autocast:
        dtype = self._codec.dtype
        enabled = dtype != torch.float32
        return torch.autocast(
            self._codec.device.type,
            dtype if enabled else None,
            enabled=enabled,
        )


def _logistic(like: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of the logistic distribution: the difference of two Gumbels."""
    uniform = torch.empty_like(like).uniform_(generator=generator)
    return torch.logit(uniform, 1e-6)


def _soft_round(x: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """Between the neighbouring integers, near a random one of them."""
    below = x.detach().floor()
    logit = torch.logit((x - below).clamp(EDGE, 1 - EDGE))
    return below + torch.sigmoid((logit / temperature + noise) / temperature)
