"""Integer layers for networks that were not trained to be quantised.

As in `fixed_point`, sums are exact because they stay below 2**53. Weights
have 16 bits; activations have 24, so that ranges need no fine calibration:
a fan-in of 4,800 sums to 2**51 at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.codec.errors import ModelError
from napari_sft.codec.fixed_point import LIMIT, fraction_bits

ACTIVATION_BITS = 24
ACTIVATION_LIMIT = 2 ** (ACTIVATION_BITS - 1) - 1
_EXACT = 2**52
_SLOPE_BITS = 20  # a slope is a multiple of 2**-20


def saturate(x: Tensor) -> Tensor:
    """Clamp integers to 24 bits."""
    return x.clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def fixed_leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Leaky ReLU of integers of 24 bits.

    Parameters
    ----------
    x : Tensor
        Integers in float64.
    slope : float
        0..1; rounded to a multiple of 2**-20. Products round half up.
    """
    multiplier = round(slope * 2**_SLOPE_BITS)
    scaled = torch.floor(x * multiplier * 2.0**-_SLOPE_BITS + 0.5)
    return torch.where(x < 0, scaled, x)


@dataclass(frozen=True)
class FixedConvTranspose2d:
    """A transposed convolution on integers; of stride 1, a convolution.

    Attributes
    ----------
    weight : Tensor
        Float64 integers (in, out, k, k), magnitudes up to 2**15 - 1.
    bias : Tensor
        Float64 integers (out,), in the fraction bits of the sums.
    bits : int
        Fraction bits of the weights.
    stride : int
        By how much height and width grow.
    """

    weight: Tensor
    bias: Tensor
    bits: int
    stride: int

    def __post_init__(self) -> None:
        for values in (self.weight, self.bias):
            if not torch.equal(values, values.round()):  # NaN neither
                raise ModelError('fixed-point weights are not integers')
        worst = ACTIVATION_LIMIT * self.weight.abs().sum((0, 2, 3))
        worst = worst + self.bias.abs()
        if self.weight.abs().max() > LIMIT or not (worst < _EXACT).all():
            raise ModelError(
                'fixed-point weights exceed 16 bits or their sums 52'
            )

    @classmethod
    def from_float(
        cls, layer: nn.Conv2d | nn.ConvTranspose2d, bits_in: int
    ) -> FixedConvTranspose2d:
        """Quantise a trained layer.

        Parameters
        ----------
        layer : nn.Conv2d or nn.ConvTranspose2d
            Padded by half its odd kernel; stride 1, or transposed with an
            output padding of its stride less 1.
        bits_in : int
            Fraction bits of its input.

        Raises
        ------
        ModelError
            If the sums could be inexact.
        """
        weight = layer.weight.detach().double().cpu()
        if isinstance(layer, nn.Conv2d):
            # a convolution is the transposed one with a mirrored kernel
            weight = weight.flip(2, 3).transpose(0, 1)
        bits = fraction_bits(weight.abs().max().item())
        bias = torch.zeros(weight.shape[1], dtype=torch.float64)
        if layer.bias is not None:
            bias = layer.bias.detach().double().cpu()
        return cls(
            torch.round(weight * 2.0**bits).contiguous(),
            torch.round(bias * 2.0 ** (bits + bits_in)),
            bits,
            layer.stride[0],
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Exact sums (B, out, sH, sW) of integers (B, in, H, W)."""
        return F.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.weight.shape[-1] // 2,
            output_padding=self.stride - 1,
        )

    def outputs(self, channels: int) -> FixedConvTranspose2d:
        """The layer that gives the first so many channels only."""
        return FixedConvTranspose2d(
            self.weight[:, :channels].contiguous(),
            self.bias[:channels],
            self.bits,
            self.stride,
        )

    def state(self, name: str) -> dict[str, Tensor]:
        """Tensors to store, keyed ``name.weight`` and so on."""
        return {
            f'{name}.weight': self.weight.to(torch.int16),
            f'{name}.bias': self.bias.to(torch.int64),
            f'{name}.bits': torch.tensor(self.bits),
            f'{name}.stride': torch.tensor(self.stride),
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Tensor], name: str
    ) -> FixedConvTranspose2d:
        """Rebuild a layer from `state`; checks what it was given."""
        return cls(
            state[f'{name}.weight'].double(),
            state[f'{name}.bias'].double(),
            int(state[f'{name}.bits']),
            int(state[f'{name}.stride']),
        )
