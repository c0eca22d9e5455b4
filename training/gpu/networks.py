"""Networks as a GPU likes them: dense convolutions, kernels fused.

Features are passed over once where bias, transform and activation are one
kernel. What is compiled are parts that come again and again, as compiling
whole networks takes minutes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models import closed_loop
from napari_sft.models.closed_loop import error_in_symbols
from napari_sft.models.compact_networks import MeanContext
from napari_sft.models.entropy import SymbolDistribution
from napari_sft.models.feedback import FeedbackNetwork
from napari_sft.models.sft import SFTBlock

VARIANTS = 64  # of a compiled part: widths, and what its gradients are of


class DenseConv2d(nn.Conv2d):
    """A grouped convolution run as a dense one, which tensor cores like."""

    def forward(self, x: Tensor) -> Tensor:
        outputs, inputs, *size = self.weight.shape
        groups, own = self.groups, outputs // self.groups
        eye = torch.eye(groups, device=x.device)
        eye = eye.view(groups, 1, groups, 1, 1, 1)
        weight = eye * self.weight.view(groups, own, 1, inputs, *size)
        weight = weight.reshape(outputs, groups * inputs, *size)
        weight = weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, self.bias, padding=self.padding)


def make_dense(model: nn.Module) -> None:
    """Run all grouped convolutions as dense ones; parameters stay theirs."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups > 1:
            module.__class__ = DenseConv2d


def compile_parts(model: nn.Module) -> None:
    """Fuse the kernels of blocks, context, feedback and rates, in place."""
    torch._dynamo.config.recompile_limit = VARIANTS
    _compile_inside(model)
    closed_loop.error_in_symbols = _error_in_symbols


def _compile_inside(module: nn.Module) -> None:
    for child in module.children():
        if isinstance(child, SymbolDistribution):
            child.bits = torch.compile(child.bits, dynamic=False)  # type: ignore[method-assign]
        elif isinstance(child, MeanContext | FeedbackNetwork | SFTBlock):
            child.compile(dynamic=False)
        else:
            _compile_inside(child)


def _error_in_symbols(model: nn.Module, *inputs: Tensor) -> Tensor:
    """Without gradients of parameters, which compiled parts would compute.

    Uncompiled, autograd sees that they are not asked for.
    """
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        return error_in_symbols(model, *inputs)
    finally:
        for parameter in learning:
            parameter.requires_grad_()
