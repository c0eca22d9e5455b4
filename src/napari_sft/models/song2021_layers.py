"""Layers of the paper's network, with the public code's parameter names.

Source: Song, Choi, Han, "Variable-Rate Deep Image Compression through
Spatially-Adaptive Feature Transform", ICCV 2021, section 3.2 and figure 3.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONDITION_SLOPE = 0.1
BLOCK_SLOPE = 0.2


class WithCondition:
    """Marks the layers that take features and condition features."""


class _Concatenated(WithCondition):
    """Sees the condition features as further channels, before its own."""

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return super().forward(torch.cat([condition, x], 1))  # type: ignore[misc]


class ConcatenatedConv2d(_Concatenated, nn.Conv2d):  # type: ignore[misc]
    """What stands in for the SFT in the ablation without it."""


class ConcatenatedConvTranspose2d(  # type: ignore[misc]
    _Concatenated, nn.ConvTranspose2d
):
    """The same of a transposed convolution."""


def conv(
    inputs: int,
    outputs: int,
    kernel: int = 5,
    stride: int = 2,
    padding_mode: Literal['zeros', 'reflect'] = 'zeros',
    layer: type[nn.Conv2d] = nn.Conv2d,
) -> nn.Conv2d:
    """Convolution that divides height and width by its stride."""
    return layer(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=kernel // 2,
        padding_mode=padding_mode,
    )


def up_conv(
    inputs: int,
    outputs: int,
    kernel: int = 5,
    layer: type[nn.ConvTranspose2d] = nn.ConvTranspose2d,
) -> nn.ConvTranspose2d:
    """Transposed convolution that doubles height and width."""
    return layer(
        inputs,
        outputs,
        kernel,
        stride=2,
        padding=kernel // 2,
        output_padding=1,
    )


def resized(condition: Tensor, like: Tensor) -> Tensor:
    """Mean of a map, or of features, over the positions of others."""
    height, width = like.shape[2:]
    return F.adaptive_avg_pool2d(condition, (height, width))


class SFT(WithCondition, nn.Module):
    """Spatial feature transform: ``x * (1 + gamma) + beta``.

    Gamma and beta are two convolutions of hidden features, which are a
    convolution of the condition features.

    Parameters
    ----------
    channels, condition_channels, hidden : int
        Channels of the features, of the condition, and between.
    kernel : int
        Size of the convolutions.
    """

    def __init__(
        self,
        channels: int,
        condition_channels: int,
        kernel: int = 3,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(
            conv(condition_channels, hidden, kernel, 1), nn.ReLU()
        )
        self.mlp_gamma = conv(hidden, channels, kernel, 1)
        self.mlp_beta = conv(hidden, channels, kernel, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        # the sizes differ only without condition networks for each scale
        condition = resized(condition, x)
        hidden = self.mlp_shared(condition)
        return x * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class SFTResblk(WithCondition, nn.Module):
    """Residual block: twice SFT, leaky ReLU and 3x3 convolution.

    The parameters are those of `SFT`.
    """

    def __init__(
        self,
        channels: int,
        condition_channels: int,
        kernel: int = 3,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.conv_0 = conv(channels, channels, 3, 1)
        self.conv_1 = conv(channels, channels, 3, 1)
        self.norm_0 = SFT(channels, condition_channels, kernel, hidden)
        self.norm_1 = SFT(channels, condition_channels, kernel, hidden)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = F.leaky_relu(self.norm_0(x, condition), BLOCK_SLOPE)
        h = F.leaky_relu(self.norm_1(self.conv_0(h), condition), BLOCK_SLOPE)
        return x + self.conv_1(h)


def _condition_network(*layers: nn.Module) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in layers:
        parts += [layer, nn.LeakyReLU(CONDITION_SLOPE, inplace=True)]
    return nn.Sequential(*parts[:-1])


def first_condition(inputs: int, channels: int) -> nn.Sequential:
    """Condition features of a map, and of what it is seen beside."""
    return _condition_network(
        conv(inputs, 4 * channels, 3, 1),
        conv(4 * channels, 2 * channels, 3, 1),
        conv(2 * channels, channels, 3, 1),
    )


def coarser_condition(channels: int, stride: int = 2) -> nn.Sequential:
    """Condition features of the next scale of an encoder."""
    return _condition_network(
        conv(channels, channels, 3, stride), conv(channels, channels, 1, 1)
    )


def finer_condition(channels: int) -> nn.Sequential:
    """Condition features of the next scale of the decoder."""
    return _condition_network(
        up_conv(channels, channels, 3), conv(channels, channels, 1, 1)
    )


def hyper_condition(channels: int) -> nn.Sequential:
    """f_c: what the decoder learns of the map, 1/64 to 1/16, from z_hat."""
    return _condition_network(
        up_conv(channels, channels // 2, 3),
        up_conv(channels // 2, channels // 4),
        conv(channels // 4, channels // 4, 3, 1),
    )
