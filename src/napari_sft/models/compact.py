"""`compact`: the model whose weights ship with the package.

Principal components of pixel blocks, known gains and a coded quality map
make a variable-rate transform codec before any training; residual SFT
networks, conditioned on the map, learn the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models.entropy import (
    LEVELS,
    SKIPPED_LEVELS,
    SymbolDistribution,
    bound,
    round_through,
)
from napari_sft.models.scale_network import ScaleNetwork
from napari_sft.models.sft import (
    SLOPE,
    ConditionNetwork,
    SFTBlock,
    condition_pyramid,
    conv3x3,
    scaled,
    sft_stage,
)

BLOCK = 16
HYPER_BLOCK = 64
STEPS = 4  # of the mean context


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of the networks; what a weights file stores beside weights.

    Attributes
    ----------
    latent_channels, hyper_channels : int
        Channels of y and of z.
    condition_channels : int
        Channels of the features of the quality map.
    context_channels : int
        Width of the hyper-analysis and of the mean context.
    channels : tuple of int
        Features at 1/2, 1/4, 1/8 and 1/16 of the image's height and width.
    encoder_blocks, decoder_blocks : tuple of int
        SFT blocks at these four scales.
    """

    latent_channels: int = 320
    hyper_channels: int = 64
    condition_channels: int = 16
    context_channels: int = 128
    channels: tuple[int, ...] = (32, 64, 128, 192)
    encoder_blocks: tuple[int, ...] = (1, 2, 1, 1)
    decoder_blocks: tuple[int, ...] = (3, 2, 1, 1)


@dataclass
class CompactOutput:
    """What a forward pass gives; shapes for an image (B, 3, H, W).

    Attributes
    ----------
    x_hat : Tensor
        Reconstruction (B, 3, H, W), unclamped.
    y_bits, z_bits : Tensor
        Estimated bits of each symbol, (B, M, H/16, W/16), (B, N, H/64, W/64).
    """

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor


class AnalysisTransform(nn.Module):
    """g_a: principal components of 16x16 blocks plus an SFT network.

    ::

        x - unshuffle 16 - 1x1 (KLT) -------------------------------- + -> y
        x - unshuffle 2 - 3x3 - blocks 1/2 - ... - blocks 1/16 - 3x3 -'
    """

    def __init__(self, c: CompactConfig) -> None:
        super().__init__()
        self.condition = ConditionNetwork(c.condition_channels)
        self.linear = nn.Conv2d(3 * BLOCK**2, c.latent_channels, 1)
        self.stem = conv3x3(12, c.channels[0])
        self.stages = nn.ModuleList(
            sft_stage(width, count, c.condition_channels)
            for width, count in zip(c.channels, c.encoder_blocks, strict=True)
        )
        self.downs = nn.ModuleList(
            conv3x3(fine, coarse, stride=2)
            for fine, coarse in pairwise(c.channels)
        )
        self.out = conv3x3(c.channels[-1], c.latent_channels, gain=0.01)

    def forward(self, x: Tensor, q: Tensor) -> Tensor:
        conditions = condition_pyramid(self.condition(q))
        h = self.stem(4 * F.pixel_unshuffle(x - 0.5, 2))
        for number, stage in enumerate(self.stages):
            if number:
                h = self.downs[number - 1](F.leaky_relu(h, SLOPE))
            for block in stage.children():
                h = block(h, conditions[number])
        residual = self.out(F.leaky_relu(h, SLOPE)).float()
        with torch.autocast(x.device.type, enabled=False):
            linear = self.linear(F.pixel_unshuffle(x - 0.5, BLOCK))
            return linear + 0.3 * residual


class SynthesisTransform(nn.Module):
    """g_s: the transposed principal components, corrected by a network.

    Every scale sees the linear reconstruction at its resolution: what a
    correction needs, block edges above all, lies in the pixels.

    ::

        y - 1x1 (KLT) - shuffle 16 --- x_linear ------------------- + -> x
        y - 3x3 - blocks 1/16 - up - + - blocks 1/8 - ... - 1/2 - 3x3
        x_linear - unshuffle - 3x3 --'
    """

    def __init__(self, c: CompactConfig) -> None:
        super().__init__()
        self.linear = nn.Conv2d(c.latent_channels, 3 * BLOCK**2, 1)
        self.stages = nn.ModuleList(
            sft_stage(width, count, c.condition_channels)
            for width, count in zip(c.channels, c.decoder_blocks, strict=True)
        )
        sides = [2 ** (n + 1) for n in range(len(c.channels) - 1)]
        inputs = [3 * side**2 for side in sides] + [c.latent_channels]
        self.stems = nn.ModuleList(
            conv3x3(wide, width)
            for wide, width in zip(inputs, c.channels, strict=True)
        )
        self.ups = nn.ModuleList(
            nn.Conv2d(coarse, 4 * fine, 1)
            for fine, coarse in pairwise(c.channels)
        )
        self.out = conv3x3(c.channels[0], 12, gain=0.01)

    def forward(
        self, y_hat: Tensor, y_scaled: Tensor, condition: Tensor
    ) -> Tensor:
        conditions = condition_pyramid(condition)
        with torch.autocast(y_hat.device.type, enabled=False):
            x_linear = F.pixel_shuffle(self.linear(y_hat), BLOCK)
        last = len(self.stages) - 1
        h = self.stems[last](y_scaled)
        for number in range(last, -1, -1):
            if number < last:
                up = self.ups[number](F.leaky_relu(h, SLOPE))
                pixels = F.pixel_unshuffle(4 * x_linear, 2 ** (number + 1))
                h = self.stems[number](pixels) + F.pixel_shuffle(up, 2)
            for block in self.stages[number].children():
                h = block(h, conditions[number])
        residual = self.out(F.leaky_relu(h, SLOPE)).float()
        return x_linear + 0.1 * F.pixel_shuffle(residual, 2) + 0.5


class HyperAnalysis(nn.Module):
    """h_a: linear part from log magnitudes, plus an SFT network."""

    def __init__(self, c: CompactConfig) -> None:
        super().__init__()
        width = c.context_channels
        self.linear = nn.Conv2d(16 * c.latent_channels, c.hyper_channels, 1)
        self.stem = nn.Conv2d(2 * c.latent_channels, width, 1)
        self.block = SFTBlock(width, c.condition_channels)
        self.down1 = conv3x3(width, width, stride=2)
        self.down2 = conv3x3(width, width, stride=2)
        self.out = nn.Conv2d(width, c.hyper_channels, 1)
        scaled(self.out, 0.03)

    def forward(
        self, y_scaled: Tensor, log_magnitude: Tensor, condition: Tensor
    ) -> Tensor:
        h = self.stem(torch.cat([y_scaled, log_magnitude], 1))
        h = F.leaky_relu(self.block(h, condition), SLOPE)
        h = F.leaky_relu(self.down1(h), SLOPE)
        h = F.leaky_relu(self.down2(h), SLOPE)
        residual = self.out(h).float()
        with torch.autocast(y_scaled.device.type, enabled=False):
            return self.linear(F.pixel_unshuffle(log_magnitude, 4)) + residual


class MeanContext(nn.Module):
    """Means of y from z, the scales and what is known of y so far.

    The four channel groups of y take the four positions of every 2x2 cell
    in turn, so that each step codes one group at every position; one
    network serves the four steps.
    """

    def __init__(self, c: CompactConfig) -> None:
        super().__init__()
        width = c.context_channels
        self.from_z = nn.Conv2d(c.hyper_channels, 16 * 64, 1)
        self.static = nn.Conv2d(64 + c.latent_channels, width, 1)
        self.known = conv3x3(c.latent_channels, width)
        self.sft = SFTBlock(width, c.condition_channels)
        self.out = nn.Conv2d(width, c.latent_channels, 1)
        scaled(self.out, 0.03)

    def prepare(self, z_hat: Tensor, index: Tensor) -> Tensor:
        """Features that are the same in every step."""
        z_features = F.pixel_shuffle(self.from_z(z_hat), 4)
        return self.static(torch.cat([z_features, index / LEVELS], 1))

    def forward(
        self, known: Tensor, static: Tensor, condition: Tensor
    ) -> Tensor:
        """Means, in units of the latent scale, of all channels."""
        h = F.leaky_relu(self.known(known) + static, SLOPE)
        h = F.leaky_relu(self.sft(h, condition), SLOPE)
        with torch.autocast(h.device.type, enabled=False):
            return self.out(h.float())  # means are large: bf16 is too coarse


def step_masks(y: Tensor) -> list[Tensor]:
    """Masks (1, M, h, w) of what each context step codes."""
    channels, height, width = y.shape[1:]
    rows = torch.arange(height, device=y.device).view(-1, 1)
    columns = torch.arange(width, device=y.device).view(1, -1)
    # diagonal neighbours are one step apart, as in a quincunx
    position = 2 * (rows % 2) + (rows + columns) % 2
    group = torch.arange(channels, device=y.device) * STEPS // channels
    turn = (position[None] + group[:, None, None]) % STEPS
    return [(turn == step)[None].to(y.dtype) for step in range(STEPS)]


class CompactModel(nn.Module):
    """The compact codec model, ready for training.

    Parameters
    ----------
    config : CompactConfig
        Sizes of the networks.
    """

    latent_scale: Tensor

    def __init__(self, config: CompactConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or CompactConfig()
        self.g_a = AnalysisTransform(c)
        self.g_s = SynthesisTransform(c)
        self.h_a = HyperAnalysis(c)
        self.h_s = ScaleNetwork(c.latent_channels, c.hyper_channels)
        self.context = MeanContext(c)
        self.condition = ConditionNetwork(c.condition_channels)
        self.distribution = SymbolDistribution()
        self.log_gain = nn.Parameter(torch.full((c.latent_channels,), 1.554))
        self.kappa = nn.Parameter(torch.full((c.latent_channels,), 2.191))
        self.z_index = nn.Conv2d(1, c.hyper_channels, 1)
        self.register_buffer('latent_scale', torch.ones(c.latent_channels))

    def gain(self, q: Tensor) -> Tensor:
        """Symbols per unit of y, (B, M, h, w), for a map q (B, 1, h, w)."""
        log_gain = self.log_gain.view(-1, 1, 1)
        kappa = self.kappa.view(-1, 1, 1)
        return torch.exp(log_gain + kappa * (q - 0.5))

    def unit(self, q: Tensor) -> Tensor:
        """Typical magnitude of the symbols, (B, M, h, w)."""
        return self.gain(q) * self.latent_scale.view(-1, 1, 1)

    def analyse(self, x: Tensor, q: Tensor) -> Tensor:
        """y (B, M, H/16, W/16), in units of symbols."""
        return self.g_a(x, q) * self.gain(q)

    def hyper_analyse(self, y: Tensor, q: Tensor, condition: Tensor) -> Tensor:
        """z (B, N, H/64, W/64), unrounded."""
        unit = self.unit(q)
        log_magnitude = torch.log2((y.abs() + 0.5) / unit)
        return self.h_a(y / unit, log_magnitude, condition)

    def z_indices(self, q: Tensor) -> Tensor:
        """Fractional scale indices of z (B, N, H/64, W/64)."""
        return self.z_index(F.avg_pool2d(q, 4))

    def synthesise(
        self, y_hat: Tensor, q: Tensor, condition: Tensor
    ) -> Tensor:
        """Image (B, 3, H, W) from symbols plus means."""
        y = y_hat / self.gain(q)
        scaled = y / self.latent_scale.view(-1, 1, 1)
        return self.g_s(y, scaled, condition)

    def run_context(
        self,
        z_hat: Tensor,
        index: Tensor,
        q: Tensor,
        condition: Tensor,
        residual_of: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Go through the context steps.

        Parameters
        ----------
        z_hat : Tensor
            Rounded hyper-latents (B, N, h/4, w/4).
        index : Tensor
            Whole scale indices (B, M, h, w).
        q, condition : Tensor
            Coded map (B, 1, h, w) and its features.
        residual_of : callable
            Gives the symbols (B, M, h, w) for predicted means; only those
            of the current step are used.

        Returns
        -------
        y_hat, symbols : Tensor
            (B, M, h, w); ``y_hat - symbols`` are the means.
        """
        unit = self.unit(q)
        static = self.context.prepare(z_hat, index)
        y_hat = torch.zeros_like(unit.expand_as(index))
        symbols = torch.zeros_like(y_hat)
        for mask in step_masks(y_hat):
            mean = self.context(y_hat / unit, static, condition) * unit
            residual = residual_of(mean) * mask
            symbols = symbols + residual
            y_hat = y_hat + mean * mask + residual
        return y_hat, symbols

    def forward(self, x: Tensor, q: Tensor) -> CompactOutput:
        """Training pass: noise for the rates, rounding for the decoder.

        Parameters
        ----------
        x : Tensor
            Image (B, 3, H, W) in 0..1; H and W multiples of 64.
        q : Tensor
            Coded quality map (B, 1, H/16, W/16) in 0..1.
        """
        condition = self.condition(q)
        y = self.analyse(x, q)
        z = self.hyper_analyse(y, q, condition)
        z_bits = self.distribution.bits(self._perturb(z), self.z_indices(q))
        z_hat = round_through(z)
        with torch.autocast(x.device.type, enabled=False):
            index = bound(self.h_s(z_hat, q), 0.0, LEVELS - 1.0)
        whole = round_through(index)
        coded = (whole.detach() >= SKIPPED_LEVELS).to(y.dtype)
        y_hat, symbols = self.run_context(
            z_hat,
            whole,
            q,
            condition,
            lambda mean: round_through(y - mean) * coded,
        )
        y_bits = self._symbol_bits(y - (y_hat - symbols), index)
        return CompactOutput(
            self.synthesise(y_hat, q, condition), y_bits, z_bits
        )

    def _symbol_bits(self, residual: Tensor, index: Tensor) -> Tensor:
        if self.training:
            return self.distribution.bits(self._perturb(residual), index)
        index = index.round()
        bits = self.distribution.bits(residual.round(), index)
        return bits * (index >= SKIPPED_LEVELS)

    def _perturb(self, symbols: Tensor) -> Tensor:
        if self.training:
            return symbols + torch.rand_like(symbols) - 0.5
        return symbols.round()
