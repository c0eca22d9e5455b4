"""How far the networks look around a position, read off their kernels.

A tile is coded as if its whole plane were at hand: every step runs over the
tile and a margin that its convolutions can reach. What they reach is an upper
bound, added up along the layers. A picture needs less of its latents: their
influence falls with each cell, so that all but the last of those in reach
leave half a grey level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from napari_sft.codec.model import Halo
from napari_sft.models.compact import CompactModel
from napari_sft.models.compact_networks import (
    BLOCK,
    FINEST,
    STEPS,
    AnalysisTransform,
    SynthesisTransform,
)
from napari_sft.models.scale_network import FixedScaleNetwork
from napari_sft.models.sft import ConditionNetwork
from napari_sft.models.song2021 import Song2021
from napari_sft.models.song2021_layers import (
    SFT,
    SFTResblk,
    WithCondition,
)
from napari_sft.models.song2021_transforms import F_C, G_A, G_S, H_A

HYPER_CELLS = 4  # cells of 16 pixels along the side of a position of z


def compact_halo(network: CompactModel, scales: FixedScaleNetwork) -> Halo:
    """Margins of `compact`."""
    h_a, context = network.h_a, network.context
    step = _radius(context.known, context.sft)
    latents = STEPS * step - _radius(context.known)  # at first none is known
    synthesis = _synthesis(network.g_s) - 1
    return Halo(
        analysis=_analysis(network.g_a),
        hyper=_aligned(_radius(h_a.block, h_a.down1) + 2 * _radius(h_a.down2)),
        scales=_aligned(_scales(scales)),
        context=_aligned(latents),
        synthesis=synthesis,
        decoding=_aligned(synthesis + latents),
    )


def _analysis(g_a: AnalysisTransform) -> int:
    """Cells of pixels, and of the map, around y."""
    pixels = BLOCK * _radius(g_a.out)
    for number, stage in enumerate(g_a.stages):
        scale = FINEST << number
        pixels += scale * _radius(stage)
        if number:
            pixels += scale // 2 * _radius(g_a.downs[number - 1])
    # The first layers that see the map have a convolution before them.
    seen = math.ceil((pixels - FINEST) / BLOCK) + _condition(g_a.condition)
    pixels += FINEST * _radius(g_a.stem)
    return max(math.ceil(pixels / BLOCK), seen)


def _synthesis(g_s: SynthesisTransform) -> int:
    """Cells of latents around pixels."""
    pixels = BLOCK * _radius(g_s.stems[-1]) + FINEST * _radius(g_s.out)
    for number, stage in enumerate(g_s.stages):
        pixels += (FINEST << number) * _radius(stage)
    return math.ceil(pixels / BLOCK)


def _condition(network: ConditionNetwork) -> int:
    """Cells of the map around its features, interpolated to a finer scale."""
    return _radius(network) + 1


def _scales(network: FixedScaleNetwork) -> int:
    """Cells of z and of the map around the indices of y."""
    from_z = sum(
        scale * (network.layers[name].weight.shape[-1] // 2)
        for name, scale in (('conv1', 4), ('conv2', 2), ('conv3', 1))
    )
    from_map = network.layers['condition'].weight.shape[-1] // 2
    return max(from_z, from_map)


def song2021_halo(network: Song2021) -> Halo:
    """Margins of `song2021`."""
    up1, up2, out = (layer for layer in network.h_s if _radius(layer))
    latents = 2 * _radius(up1) + _radius(up2, out)
    picture = _Reach(1)
    picture.transform(network, 'g_s', G_S)
    picture.condition_network(network.get_submodule(F_C), BLOCK)
    synthesis = math.ceil(picture.total / BLOCK) // 2
    y, z = _Reach(BLOCK), _Reach(HYPER_CELLS)
    y.transform(network, 'g_a', G_A)
    z.transform(network, 'h_a', H_A)
    return Halo(
        analysis=math.ceil(y.total / BLOCK),
        hyper=_aligned(z.total),
        scales=_aligned(latents),
        context=_aligned(latents),
        synthesis=_aligned(synthesis),
        decoding=_aligned(synthesis) + _aligned(latents),
    )


class _Reach:
    """Goes backwards through one of the paper's transforms.

    Parameters
    ----------
    scale : int
        Size of a position of its result, in its finest positions.
    """

    def __init__(self, scale: int) -> None:
        self._scale = scale
        self._features = 0  # around a position of the result
        self._condition = 0

    @property
    def total(self) -> int:
        """Reach into what the transform and its conditions start from."""
        return max(self._features, self._condition)

    def transform(
        self, network: Song2021, name: str, conditions: Sequence[str]
    ) -> None:
        """Add all layers and condition networks."""
        stages = zip(network._stages[name], conditions, strict=True)
        for names, condition in reversed(list(stages)):
            scale = self._scale
            for layer_name in reversed(names):
                self._layer(network.get_submodule(layer_name))
            # the ablations have fewer
            if condition in network._modules:
                module = network.get_submodule(condition)
                self.condition_network(module, scale)

    def condition_network(self, network: nn.Module, scale: int) -> None:
        """Add the layers that make condition features."""
        for layer in reversed(list(network.modules())):
            reach, scale = _step(layer, scale)
            self._condition += reach

    def _layer(self, layer: nn.Module) -> None:
        if isinstance(layer, SFTResblk):
            for part in (
                *(layer.conv_1, layer.norm_1),
                *(layer.conv_0, layer.norm_0),
            ):
                self._layer(part)
        elif isinstance(layer, SFT):
            around = _radius(layer.mlp_shared, layer.mlp_gamma) * self._scale
            self._see_condition(around)
        else:
            reach, self._scale = _step(layer, self._scale)
            self._features += reach
            if isinstance(layer, WithCondition):
                self._see_condition(0)

    def _see_condition(self, around: int) -> None:
        self._condition = max(self._condition, self._features + around)


def _step(layer: nn.Module, scale: int) -> tuple[int, int]:
    """Reach of a layer whose result has this scale; scale before it."""
    if isinstance(layer, nn.ConvTranspose2d):
        return scale * _radius(layer), scale * layer.stride[0]
    if isinstance(layer, nn.Conv2d):
        scale //= layer.stride[0]
        return scale * _radius(layer), scale
    return 0, scale


def _radius(*modules: nn.Module) -> int:
    """Positions that convolutions, one after the other, look to a side."""
    return sum(
        layer.kernel_size[0] // 2
        for module in modules
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    )


def _aligned(cells: int) -> int:
    return cells + -cells % HYPER_CELLS
