"""Latents of some cells of a picture: their cost, and ways to lower it.

Gradient steps relax the rounding as in stochastic Gumbel annealing; see
`soft_rounding`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import CELL, MAX_FINE
from napari_sft.codec.quality import lambda_of
from napari_sft.models.closed_loop import (
    BITS_OF_ERROR,
    CURVATURE,
    distortion_curvature,
    error_in_symbols,
)
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.entropy import SKIPPED_LEVELS, scale_of_index
from napari_sft.models.soft_rounding import logistic_noise, soft_round

WARM, COLD = 0.35, 0.25  # temperatures of the first step and of the last
# Share of a Newton step, and the longest step in symbols, by their number.
RATE, FEWER = 0.12, 0.35
LAST = 0.3  # of the rate, at the last step
MOMENTUM = 0.8


class LatentBlock:
    """Some cells of a plane: what their latents cost, and better ones.

    Parameters
    ----------
    codec : CompactCodec
        The model.
    x : ndarray of float32, (H, W) or (H, W, 3)
        Pixels in 0..1, padding left out.
    y : Tensor, (1, M, h, w)
        As the analysis gives it; z comes from it, and stays as y gets better.
    fine : ndarray of int, (h, w)
        The map in fine units, a cell of 16x16 pixels each.
    """

    def __init__(
        self,
        codec: CompactCodec,
        x: NDArray[np.float32],
        y: Tensor,
        fine: NDArray[np.integer],
    ) -> None:
        self._codec = codec
        self._network = codec.network
        self._fine = fine
        self._x = x
        self._q = codec._q(fine)
        self._z = codec.hyper_symbols(y, fine)
        self._indices = codec.y_indices(self._z, fine)
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
        z, indices = self._z, self._indices
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

    def corrected(
        self, y: Tensor, times: int, step: Callable[[], None]
    ) -> Tensor:
        """y as the feedback network wants it, after some corrections."""
        index, padded = self._tensor(self._indices), self._padded(y)
        for _ in range(times):
            step()
            symbols, (latents,) = self._codec.quantise(
                y, self._z, self._indices, self._fine
            )
            y_hat = latents.clone()  # gradients must not know its origin
            change = self._change(
                y, y_hat, self._tensor(symbols), index, padded
            )
            y = y + change * (index >= SKIPPED_LEVELS)
        return y

    def _change(
        self,
        y: Tensor,
        y_hat: Tensor,
        symbols: Tensor,
        index: Tensor,
        padded: tuple[Tensor, Tensor],
    ) -> Tensor:
        """What the feedback network adds to y."""
        network, condition = self._network, self._condition
        with self._autocast():
            error = error_in_symbols(
                network, y_hat, self._q, condition, *padded
            )
            with torch.no_grad():
                change: Tensor = network.feedback(
                    y - y_hat, error, symbols, index, condition
                )
        return change

    def descend(
        self, y: Tensor, steps: int, step: Callable[[], None]
    ) -> Tensor:
        """Go down the relaxed cost, the temperature falling."""
        z, index = self._tensor(self._z), self._tensor(self._indices)
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
            noise = logistic_noise(y, generator)
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
            soft = soft_round(y - fixed, temperature, noise)
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

    def _padded(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels, and weights as `error_in_symbols` has them, of all cells."""
        height, width = (CELL * size for size in y.shape[2:])
        rows, columns = self._x.shape[:2]
        padding = 0, width - columns, 0, height - rows
        weight = self._weight / BITS_OF_ERROR
        return F.pad(self._wanted, padding), F.pad(weight, padding)

    def _distortion_curvature(self) -> Tensor:
        """Of each latent, by the weights of its cell."""
        weight = 255**2 * lambda_of(100 * self._fine / MAX_FINE)
        per_cell = self._tensor(weight[..., None])
        share = CURVATURE * 2 / 3
        return distortion_curvature(self._network, self._q, share * per_cell)

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
