"""The networks of `compact`: g_a, g_s, h_a and the mean context.

h_s, whose result must be exact, is in `scale_network`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models.entropy import LEVELS
from napari_sft.models.sft import (
    SLOPE,
    ConditionNetwork,
    SFTBlock,
    condition_pyramid,
    conv1x1,
    conv3x3,
    scaled,
    sft_stage,
)

BLOCK = 16
FINEST = 4  # pixels along the side of the finest features' positions
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
        Features at 1/4, 1/8 and 1/16 of the image's height and width.
    encoder_blocks, decoder_blocks : tuple of int
        SFT blocks at these scales.
    feedback_channels : int
        Width of the feedback that corrects y; 0 for none.
    """

    latent_channels: int = 384
    hyper_channels: int = 64
    condition_channels: int = 16
    context_channels: int = 128
    channels: tuple[int, ...] = (96, 128, 192)
    encoder_blocks: tuple[int, ...] = (1, 4, 4)
    decoder_blocks: tuple[int, ...] = (4, 6, 4)
    feedback_channels: int = 256


class AnalysisTransform(nn.Module):
    """g_a: principal components of 16x16 blocks plus an SFT network.

    The network also sees the components and their fractions of a step:
    what is worth its bits depends on these.

    ::

        x - unshuffle 16 - 1x1 (KLT) - gain -- softsign - 1x1 --------- + -> y
                                                           |            |
        x - unshuffle 4 - 3x3 - blocks 1/4 - blocks 1/8 - blocks 1/16 - 3x3
    """

    def __init__(self, c: CompactConfig) -> None:
        super().__init__()
        self.condition = ConditionNetwork(c.condition_channels)
        self.linear = nn.Conv2d(3 * BLOCK**2, c.latent_channels, 1)
        self.stem = conv3x3(3 * FINEST**2, c.channels[0])
        self.stages = nn.ModuleList(
            sft_stage(width, count, c.condition_channels)
            for width, count in zip(c.channels, c.encoder_blocks, strict=True)
        )
        self.components = nn.Conv2d(c.latent_channels, c.channels[-1], 1)
        self.downs = nn.ModuleList(
            conv3x3(fine, coarse, stride=2)
            for fine, coarse in pairwise(c.channels)
        )
        self.out = conv3x3(c.channels[-1], c.latent_channels, gain=0.01)

    def forward(self, x: Tensor, q: Tensor, gain: Tensor) -> Tensor:
        """y in symbols: (B, M, H/16, W/16), of x, q and the gain there."""
        conditions = condition_pyramid(self.condition(q), len(self.stages))
        with torch.autocast(x.device.type, enabled=False):
            linear = gain * self.linear(F.pixel_unshuffle(x - 0.5, BLOCK))
        h = self.stem(4 * F.pixel_unshuffle(x - 0.5, FINEST))
        for number, stage in enumerate(self.stages):
            if number:
                h = self.downs[number - 1](F.leaky_relu(h, SLOPE))
            if number == len(self.downs):
                h = h + self.components(F.softsign(linear))
            for block in stage.children():
                h = block(h, conditions[number])
        return linear + self.out(F.leaky_relu(h, SLOPE)).float()


class SynthesisTransform(nn.Module):
    """g_s: the transposed principal components, corrected by a network.

    Every scale sees the linear reconstruction at its resolution: what a
    correction needs, block edges above all, lies in the pixels.

    ::

        y - 1x1 (KLT) - shuffle 16 --- x_linear ------------------- + -> x
        y - 1x1 - blocks 1/16 - up - + - blocks 1/8 - ... - 1/4 - 3x3
        x_linear - unshuffle - 1x1 --'
    """

    def __init__(self, c: CompactConfig) -> None:
        super().__init__()
        self.linear = nn.Conv2d(c.latent_channels, 3 * BLOCK**2, 1)
        self.stages = nn.ModuleList(
            sft_stage(width, count, c.condition_channels)
            for width, count in zip(c.channels, c.decoder_blocks, strict=True)
        )
        sides = [FINEST << n for n in range(len(c.channels) - 1)]
        inputs = [3 * side**2 for side in sides] + [c.latent_channels]
        self.stems = nn.ModuleList(
            conv1x1(wide, width)
            for wide, width in zip(inputs, c.channels, strict=True)
        )
        self.ups = nn.ModuleList(
            nn.Conv2d(coarse, 4 * fine, 1)
            for fine, coarse in pairwise(c.channels)
        )
        self.out = conv3x3(c.channels[0], 3 * FINEST**2, gain=0.01)

    def forward(
        self, y_hat: Tensor, y_scaled: Tensor, condition: Tensor, step: Tensor
    ) -> Tensor:
        """Image (B, 3, H, W).

        Parameters
        ----------
        y_hat, y_scaled : Tensor
            y (B, M, h, w) in units of pixel values, and of its own scale.
        condition : Tensor
            Features of the map (B, C, h, w).
        step : Tensor
            Typical size of corrections (B, 1, h, w).
        """
        conditions = condition_pyramid(condition, len(self.stages))
        with torch.autocast(y_hat.device.type, enabled=False):
            blocks = self.linear(y_hat)
        last = len(self.stages) - 1
        h = self.stems[last](y_scaled)
        for number in range(last, -1, -1):
            if number < last:
                up = self.ups[number](F.leaky_relu(h, SLOPE))
                pixels = regrouped(blocks, FINEST << number)
                h = self.stems[number](4 * pixels) + F.pixel_shuffle(up, 2)
            for block in self.stages[number].children():
                h = block(h, conditions[number])
        residual = self.out(F.leaky_relu(h, SLOPE)).float()
        step = condition_pyramid(step, len(self.stages))[0]
        pixels = torch.addcmul(pixels, step, residual)
        return F.pixel_shuffle(pixels, FINEST) + 0.5


def regrouped(blocks: Tensor, side: int) -> Tensor:
    """Pixels of 16x16 blocks, as channels of smaller blocks.

    Parameters
    ----------
    blocks : Tensor
        (B, 3 * 256, h, w), ordered as `pixel_shuffle` expects them.
    side : int
        2, 4 or 8 pixels.

    Returns
    -------
    Tensor
        (B, 3 * side**2, 16 * h / side, 16 * w / side); what shuffling by 16
        and unshuffling by `side` gives, in one copy.
    """
    batch, _, height, width = blocks.shape
    more = BLOCK // side
    parts = blocks.view(batch, 3, more, side, more, side, height, width)
    parts = parts.permute(0, 6, 2, 7, 4, 1, 3, 5)
    shape = batch, more * height, more * width, 3 * side**2
    return parts.reshape(shape).permute(0, 3, 1, 2)


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
        self, known: Tensor | None, static: Tensor, condition: Tensor
    ) -> Tensor:
        """Means, in units of the latent scale, of all channels.

        Nothing is known in the first step: that is known to be 0.
        """
        if known is None:
            assert self.known.bias is not None
            h = static + self.known.bias.view(-1, 1, 1)
        else:
            h = static + self.known(known)
        h = F.leaky_relu(h, SLOPE)
        h = F.leaky_relu(self.sft(h, condition), SLOPE)
        with torch.autocast(h.device.type, enabled=False):
            return self.out(h.float())  # means are large: bf16 is too coarse


def step_masks(y: Tensor) -> list[Tensor]:
    """Masks (1, M, h, w), bool, of what each context step codes."""
    channels, height, width = y.shape[1:]
    rows = torch.arange(height, device=y.device).view(-1, 1)
    columns = torch.arange(width, device=y.device).view(1, -1)
    # diagonal neighbours are one step apart, as in a quincunx
    position = 2 * (rows % 2) + (rows + columns) % 2
    group = torch.arange(channels, device=y.device) * STEPS // channels
    step = torch.arange(STEPS, device=y.device).view(-1, 1, 1, 1)
    own = (step - group[:, None, None]) % STEPS  # position of a group's turn
    return list((position == own)[:, None].unbind())
