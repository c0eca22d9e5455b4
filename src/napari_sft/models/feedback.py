"""Feedback: y of `compact`, corrected after a look at what it decodes to.

g_a cannot know how its y will be rounded, nor what the decoder makes of
that. Once it is known, the gradient of the error in y tells where a symbol
should be another one, and this network turns it into a correction of all
symbols at once: what many gradient steps do, learned (iterative amortised
inference; Marino, Yue, Mandt, ICML 2018, arXiv 1807.09356). The decoder has
no part of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models.entropy import LEVELS
from napari_sft.models.sft import SFT, SLOPE, conv1x1, conv3x3

BLOCKS = 2


class FeedbackNetwork(nn.Module):
    """Corrections of y, in symbols.

    Parameters
    ----------
    latent_channels, channels, condition_channels : int
        Channels of y, of the features and of the map's features.
    """

    def __init__(
        self, latent_channels: int, channels: int, condition_channels: int
    ) -> None:
        super().__init__()
        self.stem = conv1x1(4 * latent_channels, channels)
        self.blocks = nn.ModuleList(
            FeedbackBlock(channels, condition_channels) for _ in range(BLOCKS)
        )
        self.out = conv1x1(channels, latent_channels, gain=0.05)
        self.error_share = nn.Parameter(torch.zeros(latent_channels, 1, 1))
        self.rounding_share = nn.Parameter(torch.zeros(latent_channels, 1, 1))

    def forward(
        self,
        rounding: Tensor,
        error: Tensor,
        symbols: Tensor,
        index: Tensor,
        condition: Tensor,
    ) -> Tensor:
        """What to add to y, (B, M, h, w), from what a first pass gave.

        Parameters
        ----------
        rounding : Tensor
            y less y_hat (B, M, h, w), in symbols.
        error : Tensor
            What the decoder's error asks of every latent alone, in symbols.
        symbols : Tensor
            Those of the first pass.
        index : Tensor
            Whole scale indices.
        condition : Tensor
            Features of the map (B, C, h, w).
        """
        rounding, error = rounding.clamp(-2, 2), error.clamp(-4, 4)
        seen = [
            2 * rounding,
            2 * error,
            F.softsign(symbols),
            2 * index / LEVELS - 1,
        ]
        h = self.stem(torch.cat(seen, 1))
        for block in self.blocks:
            h = block(h, condition)
        change = self.out(F.leaky_relu(h, SLOPE)).float()
        change = torch.addcmul(change, self.error_share, error)
        return torch.addcmul(change, self.rounding_share, rounding)


class FeedbackBlock(nn.Module):
    """Residual block of a full 3x3 convolution: positions are few."""

    def __init__(self, channels: int, condition_channels: int) -> None:
        super().__init__()
        self.spatial = conv3x3(channels, channels)
        self.sft = SFT(channels, condition_channels)
        self.project = conv1x1(channels, channels, gain=0.3)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = F.leaky_relu(x, SLOPE)
        h = self.sft.after(self.spatial, h, condition)
        return self.project(F.leaky_relu(h, SLOPE)) + x
