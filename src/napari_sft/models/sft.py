"""Spatial feature transform (SFT): networks conditioned on a quality map.

Source: Song, Choi, Han, "Variable-Rate Deep Image Compression through
Spatially-Adaptive Feature Transform", ICCV 2021, section 3.2, equation 5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1


def conv3x3(
    inputs: int, outputs: int, stride: int = 1, gain: float = 1.0
) -> nn.Conv2d:
    """3x3 convolution that keeps the variance of activations, times gain."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
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


class SFTBlock(nn.Module):
    """Residual block of two 3x3 convolutions with an SFT between them."""

    def __init__(self, channels: int, condition_channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.sft = SFT(channels, condition_channels)
        # near the identity, so that depth costs nothing
        self.conv2 = conv3x3(channels, channels, gain=0.3)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        features = self.sft(self.conv1(x), condition)
        return x + self.conv2(F.leaky_relu(features, SLOPE))


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
