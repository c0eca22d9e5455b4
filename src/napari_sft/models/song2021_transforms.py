"""The parts of `song2021`: condition networks and transforms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from napari_sft.codec.errors import ModelError
from napari_sft.models.gdn import GDN1
from napari_sft.models.song2021_layers import (
    SFT,
    ConcatenatedConv2d,
    ConcatenatedConvTranspose2d,
    SFTResblk,
    coarser_condition,
    conv,
    finer_condition,
    first_condition,
    hyper_condition,
    up_conv,
)

# Condition networks, one for each stage of a transform; f_c comes before
# those of the decoder.
G_A = [f'qmap_feature_g{n}' for n in range(1, 6)]
H_A = [f'qmap_feature_h{n}' for n in range(1, 4)]
G_S = [f'qmap_feature_gs{n}' for n in range(1, 6)]
F_C = 'qmap_feature_gs0'

Stage = list[nn.Module]  # layers that share condition features


@dataclass(frozen=True)
class Song2021Config:
    """Sizes of the network, and the paper's ablations.

    Attributes
    ----------
    N, M : int
        Channels of the transforms and z, and of y; multiples of 4.
    sft_ks : int
        Kernel of the SFT layers.
    condition_channels : int
        Channels of the condition features.
    sft_hidden : int
        Hidden channels of the SFT layers.
    sft : bool
        Whether features are modulated; else conditions are concatenated.
    spatial_condition : bool
        Whether the condition networks see x, y or y_hat beside the map.
    condition_scales : bool
        Whether every scale has a condition network of its own; else the
        first features are resized. Needs `sft`.

    Raises
    ------
    ModelError
        If there is no such network.
    """

    N: int = 192
    M: int = 192
    sft_ks: int = 3
    condition_channels: int = 64
    sft_hidden: int = 128
    sft: bool = True
    spatial_condition: bool = True
    condition_scales: bool = True

    def __post_init__(self) -> None:
        if min(self.N, self.M) < 4 or self.N % 4 or self.M % 4:
            raise ModelError(
                f'N = {self.N} and M = {self.M} are not multiples of 4'
            )
        if not (self.sft or self.condition_scales):
            raise ModelError('without SFT, every scale needs its condition')


def condition_networks(c: Song2021Config) -> Iterator[tuple[str, nn.Module]]:
    """Condition networks by name, in the order of the public code."""

    def first(prior: int, content: int) -> nn.Module:
        seen = content if c.spatial_condition else 0
        return first_condition(prior + seen, c.condition_channels)

    def further(names: list[str]) -> Iterator[tuple[str, nn.Module]]:
        for number, name in enumerate(names if c.condition_scales else []):
            if name in G_S:
                yield name, finer_condition(c.condition_channels)
            else:
                # concatenated features are met before a stage's stride
                stride = 2 if c.sft or number else 1
                yield name, coarser_condition(c.condition_channels, stride)

    yield G_A[0], first(1, 3)
    yield from further(G_A[1:])
    yield H_A[0], first(1, c.M)
    yield from further(H_A[1:])
    yield F_C, hyper_condition(c.N)
    yield G_S[0], first(c.N // 4, c.M)
    yield from further(G_S[1:])


def transforms(c: Song2021Config) -> dict[str, list[Stage]]:
    """Stages of g_a, h_a and g_s."""
    build = _Builder(c)
    wide, half, quarter = c.N, c.N // 2, c.N // 4
    g_a = [
        build.normalised(build.down(3, quarter, 5, 1), quarter),
        build.normalised(build.down(quarter, half), half),
        build.normalised(build.down(half, wide), wide),
        build.normalised(build.down(wide, wide), wide),
        [build.down(wide, c.M), *build.blocks(c.M)],
    ]
    h_a = [
        [build.down(c.M, wide, 3, 1), *build.sft(wide), _leaky()],
        [build.down(wide, wide), *build.sft(wide), _leaky()],
        [build.down(wide, wide), *build.blocks(wide)],
    ]
    g_s = [
        build.normalised(build.up(inputs, outputs), outputs, inverse=True)
        for inputs, outputs in (
            (c.M, wide),
            (wide, wide),
            (wide, half),
            (half, quarter),
        )
    ]
    out = build.down(quarter, 3, 5, 1)
    if c.sft:
        g_s = [build.blocks(c.M), *g_s[:-1], [*g_s[-1], out]]
    else:
        g_s = [*g_s, [out]]
    return {'g_a': g_a, 'h_a': h_a, 'g_s': g_s}


class _Builder:
    """Layers that are told the condition features in the configured way."""

    def __init__(self, config: Song2021Config) -> None:
        self._config = config
        self._beside = 0 if config.sft else config.condition_channels

    def down(
        self, inputs: int, outputs: int, kernel: int = 5, stride: int = 2
    ) -> nn.Module:
        layer = nn.Conv2d if self._config.sft else ConcatenatedConv2d
        inputs += self._beside
        return conv(inputs, outputs, kernel, stride, 'reflect', layer)

    def up(self, inputs: int, outputs: int) -> nn.Module:
        sft = self._config.sft
        layer = nn.ConvTranspose2d if sft else ConcatenatedConvTranspose2d
        return up_conv(inputs + self._beside, outputs, layer=layer)

    def normalised(
        self, layer: nn.Module, channels: int, inverse: bool = False
    ) -> Stage:
        return [layer, GDN1(channels, inverse), *self.sft(channels)]

    def sft(self, channels: int) -> Stage:
        return self._modulators(SFT, channels, 1)

    def blocks(self, channels: int) -> Stage:
        return self._modulators(SFTResblk, channels, 2)

    def _modulators(
        self, kind: type[SFT | SFTResblk], channels: int, count: int
    ) -> Stage:
        c = self._config
        return [
            kind(channels, c.condition_channels, c.sft_ks, c.sft_hidden)
            for _ in range(count if c.sft else 0)
        ]


def _leaky() -> nn.Module:
    return nn.LeakyReLU(inplace=True)
