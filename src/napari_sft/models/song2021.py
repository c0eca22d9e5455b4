"""`song2021`: the paper's network.

Source: Song, Choi, Han, "Variable-Rate Deep Image Compression through
Spatially-Adaptive Feature Transform", ICCV 2021, arXiv 2108.09551, figure 3.
Parameters have the names and shapes that the authors' code gives them, so
their snapshots load, optimiser states included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_sft.models.song2021_entropy import (
    EntropyBottleneck,
    GaussianConditional,
)
from napari_sft.models.song2021_layers import (
    WithCondition,
    conv,
    resized,
    up_conv,
)
from napari_sft.models.song2021_transforms import (
    F_C,
    G_A,
    G_S,
    H_A,
    Song2021Config,
    Stage,
    condition_networks,
    transforms,
)

__all__ = ['Song2021', 'Song2021Config', 'Song2021Output']


@dataclass
class Song2021Output:
    """What a forward pass gives; shapes for an image (B, 3, H, W).

    Attributes
    ----------
    x_hat : Tensor
        Reconstruction (B, 3, H, W), unclamped.
    y_likelihoods, z_likelihoods : Tensor
        (B, M, H/16, W/16) and (B, N, H/64, W/64).
    """

    x_hat: Tensor
    y_likelihoods: Tensor
    z_likelihoods: Tensor


class Song2021(nn.Module):
    """The paper's network, ready for training.

    ::

        q, x - condition -.            q, y - condition -.
        x --------------- g_a -> y     y --------------- h_a -> z
        y -- round around means -> y_hat     z -- round -> z_hat
        z_hat - h_s -> scales and means of y

        z_hat - f_c - with y_hat - condition -.
        y_hat ------------------------------ g_s -> x_hat

    Parameters
    ----------
    config : Song2021Config
        Sizes, and which ablation.
    """

    def __init__(self, config: Song2021Config | None = None) -> None:
        super().__init__()
        self.config = c = config or Song2021Config()
        # The order is that of the public code's optimiser state.
        self.entropy_bottleneck = EntropyBottleneck(c.N)
        self.h_s = nn.Sequential(
            up_conv(c.N, c.M),
            nn.LeakyReLU(inplace=True),
            up_conv(c.M, c.M * 3 // 2),
            nn.LeakyReLU(inplace=True),
            conv(c.M * 3 // 2, c.M * 2, 3, 1),
        )
        self.gaussian_conditional = GaussianConditional()
        for name, network in condition_networks(c):
            self.add_module(name, network)
        self._stages = {
            name: self._add_layers(name, stages)
            for name, stages in transforms(c).items()
        }

    def _add_layers(self, name: str, stages: list[Stage]) -> list[list[str]]:
        """Number the layers throughout; names of them by stage."""
        names: list[list[str]] = []
        count = 0
        for stage in stages:
            names.append([f'{name}{count + n}' for n in range(len(stage))])
            count += len(stage)
            for layer_name, layer in zip(names[-1], stage, strict=True):
                self.add_module(layer_name, layer)
        return names

    def g_a(self, x: Tensor, q: Tensor) -> Tensor:
        """y (B, M, H/16, W/16) of an image and a map (B, 1, H, W)."""
        return self._run('g_a', x, self._conditions(G_A, q, x))

    def h_a(self, y: Tensor, q: Tensor) -> Tensor:
        """z (B, N, H/64, W/64) of y and a map of its size or any finer."""
        q = resized(q, y)
        return self._run('h_a', y, self._conditions(H_A, q, y))

    def g_s(self, y_hat: Tensor, z_hat: Tensor) -> Tensor:
        """Image (B, 3, H, W); the map is known only through z_hat."""
        prior = self.get_submodule(F_C)(z_hat)
        return self._run('g_s', y_hat, self._conditions(G_S, prior, y_hat))

    def gaussian_parameters(self, z_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and means of y, each (B, M, 4h, 4w), of z (B, N, h, w)."""
        scales, means = self.h_s(z_hat).chunk(2, 1)
        return scales, means

    def forward(self, x: Tensor, q: Tensor) -> Song2021Output:
        """Noise in training mode, rounding in evaluation mode.

        Parameters
        ----------
        x : Tensor
            Image (B, 3, H, W) in 0..1; H and W multiples of 64, at least
            128 (the hyper-analysis mirrors two positions at 1/32).
        q : Tensor
            Quality map (B, 1, H, W) in 0..1.
        """
        y = self.g_a(x, q)
        z_hat, z_likelihoods = self.entropy_bottleneck(self.h_a(y, q))
        scales, means = self.gaussian_parameters(z_hat)
        y_hat, y_likelihoods = self.gaussian_conditional(y, scales, means)
        x_hat = self.g_s(y_hat, z_hat)
        return Song2021Output(x_hat, y_likelihoods, z_likelihoods)

    def aux_loss(self) -> Tensor:
        """Loss of the quantiles, for the auxiliary optimiser."""
        return self.entropy_bottleneck.loss()

    def main_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the main optimiser: all but the factorised prior."""
        for name, parameter in self.named_parameters():
            if not name.startswith('entropy_bottleneck.'):
                yield parameter

    def aux_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the auxiliary optimiser: the factorised prior."""
        yield from self.entropy_bottleneck.parameters()

    def _conditions(
        self, names: list[str], prior: Tensor, content: Tensor
    ) -> Iterator[Tensor]:
        """Condition features of each stage of a transform."""
        features = prior
        if self.config.spatial_condition:
            features = torch.cat([prior, content], 1)
        for name in names:
            network = self._modules.get(name)
            features = features if network is None else network(features)
            yield features

    def _run(
        self, name: str, x: Tensor, conditions: Iterator[Tensor]
    ) -> Tensor:
        stages = self._stages[name]
        for stage, condition in zip(stages, conditions, strict=True):
            for layer_name in stage:
                layer = self.get_submodule(layer_name)
                if isinstance(layer, WithCondition):
                    x = layer(x, condition)
                else:
                    x = layer(x)
        return x
