"""Spatial feature transform (SFT): networks conditioned on a quality map.

Source: Song, Choi, Han, "Variable-Rate Deep Image Compression through
Spatially-Adaptive Feature Transform", ICCV 2021, section 3.2, equation 5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1
GROUP = 16  # channels that a block's 3x3 convolution sees together


def conv3x3(
    inputs: int, outputs: int, stride: int = 1, gain: float = 1.0
) -> nn.Conv2d:
    """3x3 convolution that keeps the variance of activations, times gain."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return scaled(conv, gain)


def conv1x1(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """1x1 convolution, its start as that of `conv3x3`."""
    conv = nn.Conv2d(inputs, outputs, 1)
    nn.init.kaiming_normal_(conv.weight, a=SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return scaled(conv, gain)


@torch.no_grad()
def scaled(conv: nn.Conv2d, gain: float) -> nn.Conv2d:
    """Scale a layer's weights in place."""
    conv.weight.mul_(gain)
    return conv


class SFT(nn.Module):
    """Affine transform of features, its parameters read from conditions.

    ``x * (1 + gamma) + beta`` with gamma and beta a linear function of the
    condition features at the same position. Starts as the identity.

    Parameters
    ----------
    channels : int
        Channels of the features.
    condition_channels : int
        Channels of the condition features.
    """

    def __init__(self, channels: int, condition_channels: int) -> None:
        super().__init__()
        self.affine = nn.Conv2d(condition_channels, 2 * channels, 1)
        nn.init.normal_(self.affine.weight, std=0.02)
        assert self.affine.bias is not None
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gamma, beta = self.affine(condition).chunk(2, 1)
        return torch.addcmul(x + beta, x, gamma)

    def after(self, conv: nn.Conv2d, x: Tensor, condition: Tensor) -> Tensor:
        """The transform of ``conv(x)``.

        Where the condition is the same everywhere it scales the
        convolution's weights instead: features are passed over once.
        """
        if condition.numel() > condition.shape[1] or conv.training:
            return self(conv(x), condition)
        assert conv.bias is not None
        gamma, beta = self.affine(condition).float().view(2, -1)
        weight = conv.weight * (1 + gamma).view(-1, 1, 1, 1)
        bias = conv.bias * (1 + gamma) + beta
        return F.conv2d(
            x,
            weight.to(conv.weight),
            bias.to(conv.bias),
            padding=conv.padding,
            groups=conv.groups,
        )


class SFTBlock(nn.Module):
    """Residual block: looks around, is modulated by the map, then mixes.

    A grouped 3x3 convolution starts as the identity and a little of its
    neighbourhood; two 1x1 convolutions mix channels, twice as many between
    them. A third of the multiplications of two full 3x3 convolutions, and
    better at the same number of steps.
    """

    def __init__(self, channels: int, condition_channels: int) -> None:
        super().__init__()
        groups = 1 if channels % GROUP else channels // GROUP
        self.spatial = nn.Conv2d(
            channels, channels, 3, padding=1, groups=groups
        )
        _start_as_identity(self.spatial)
        self.sft = SFT(channels, condition_channels)
        self.expand = conv1x1(channels, 2 * channels)
        # near the identity, so that depth costs nothing
        self.project = conv1x1(2 * channels, channels, gain=0.3)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        # in place where no gradient needs the values: large new tensors
        # cost as much time as arithmetic
        h = self.expand(self.sft.after(self.spatial, x, condition))
        return self.project(F.leaky_relu(h, SLOPE, inplace=True)).add_(x)


@torch.no_grad()
def _start_as_identity(conv: nn.Conv2d) -> None:
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    conv.weight.mul_(0.3)
    group = conv.weight.shape[1]
    for channel in range(conv.out_channels):
        conv.weight[channel, channel % group, 1, 1] += 1


class ConditionNetwork(nn.Module):
    """Condition features of the coded quality map, at 1/16 and finer.

    Parameters
    ----------
    channels : int
        Channels of the condition features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1, padding_mode='replicate'),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 1),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, q: Tensor) -> Tensor:
        """Features (B, C, h, w) of a map q in 0..1 of shape (B, 1, h, w)."""
        return self.layers(2 * q - 1)


def sft_stage(
    channels: int, count: int, condition_channels: int
) -> nn.ModuleList:
    """The SFT blocks of one scale."""
    return nn.ModuleList(
        SFTBlock(channels, condition_channels) for _ in range(count)
    )


def condition_pyramid(condition: Tensor, scales: int) -> list[Tensor]:
    """Condition features at some scales, each twice the next, down to 1/16.

    Those of a uniform map may come as one position (B, C, 1, 1), which
    serves every scale.
    """
    if condition.shape[-2:] == (1, 1):
        return [condition] * scales
    pyramid = [condition]
    for _ in range(scales - 1):
        finer = F.interpolate(
            pyramid[0], scale_factor=2, mode='bilinear', align_corners=False
        )
        pyramid.insert(0, finer)
    return pyramid
