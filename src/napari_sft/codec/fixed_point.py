"""Networks run as integers, so that every machine gives the same result.

Weights and activations are 16-bit integers carried in float64 tensors.
The worst sum of a layer stays below 2**53, so every sum is exact whatever
the order in which a library adds, with or without fused multiply-adds.
Re-quantisation is a multiplication by a power of two, which is exact, and a
floor. Everything runs on the CPU, whatever device the other networks use.

A value ``v`` with ``bits`` fraction bits is the integer
``round(v * 2**bits)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.codec.errors import ModelError

LIMIT = 2**15 - 1  # of weights and activations
MAX_BITS = 24  # fraction bits; more would tell zeros apart
_EXACT = 2**52  # sums stay below, with a bit to spare for the rounding


@contextmanager
def reading_integers() -> Iterator[None]:
    """Turn what goes wrong while stored layers are rebuilt into one line.

    Raises
    ------
    ModelError
        If a tensor is missing or of a wrong shape.
    """
    try:
        yield
    except KeyError as error:
        raise ModelError(
            f'weights lack the integer tensor {error.args[0]!r}'
        ) from None
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            'weights hold integer tensors of wrong shapes: '
            + str(error).splitlines()[0]
        ) from None


def requantise(sums: Tensor, shift: int) -> Tensor:
    """``floor(sums * 2**-shift + 0.5)``, saturated to 16 bits.

    Halves are rounded up, negative ones too: -1.5 becomes -1.

    Parameters
    ----------
    sums : Tensor
        Integers in float64, magnitudes below 2**52.
    shift : int
        Fraction bits to drop.
    """
    rounded = torch.floor(sums * 2.0**-shift + 0.5)
    return rounded.clamp_(-LIMIT, LIMIT)


def fraction_bits(largest: float) -> int:
    """Most fraction bits, 0..24, with which a magnitude fits in 16 bits.

    Raises
    ------
    ModelError
        If the magnitude is not finite.
    """
    if not math.isfinite(largest):
        raise ModelError('weights hold values that are not finite')
    bits = math.floor(math.log2(LIMIT / max(largest, 2.0**-30)))
    return min(max(bits, 0), MAX_BITS)


def weight_bits(conv: nn.Conv2d, scale: float = 1.0) -> int:
    """Fraction bits that `FixedConv2d.from_float` gives to weights."""
    return fraction_bits(conv.weight.detach().abs().max().item() * scale)


@dataclass(frozen=True)
class FixedConv2d:
    """A convolution on integers.

    Attributes
    ----------
    weight : Tensor
        Float64 integers (out, in, k, k), magnitudes up to 2**15 - 1.
    bias : Tensor
        Float64 integers (out,), in the fraction bits of the sums.
    shift : int
        Fraction bits dropped from the sums, at least 0.
    """

    weight: Tensor
    bias: Tensor
    shift: int

    @classmethod
    def from_float(
        cls, conv: nn.Conv2d, bits_in: int, bits_out: int, scale: float = 1.0
    ) -> FixedConv2d:
        """Quantise a trained layer.

        Parameters
        ----------
        conv : nn.Conv2d
            Stride 1, zero padding that keeps the size.
        bits_in, bits_out : int
            Fraction bits of its input and of its output; the output has at
            most `bits_in` plus `weight_bits`, those of the sums.
        scale : float
            What one unit of the input stands for.

        Raises
        ------
        ModelError
            If the sums could be inexact or have too few fraction bits.
        """
        weight = conv.weight.detach().double().cpu() * scale
        bits = weight_bits(conv, scale)
        bias = torch.zeros(len(weight), dtype=torch.float64)
        if conv.bias is not None:
            bias = conv.bias.detach().double().cpu()
        layer = cls(
            torch.round(weight * 2.0**bits),
            torch.round(bias * 2.0 ** (bits + bits_in)),
            bits + bits_in - bits_out,
        )
        layer.check()
        return layer

    def check(self) -> None:
        """Refuse weights with which a sum might not be exact.

        Raises
        ------
        ModelError
            If a weight is no integer of 16 bits, a sum needs more than 52,
            or the sums have fewer fraction bits than the output.
        """
        for values in (self.weight, self.bias):
            if not torch.equal(values, values.round()):  # NaN neither
                raise ModelError('fixed-point weights are not integers')
        if self.weight.abs().max() > LIMIT:
            raise ModelError('fixed-point weights exceed 16 bits')
        if self.shift < 0:
            raise ModelError('fixed-point sums are coarser than their output')
        worst = LIMIT * self.weight.abs().sum((1, 2, 3)) + self.bias.abs()
        if not bool((worst < _EXACT).all()):
            raise ModelError('fixed-point sums exceed 52 bits')

    def sums(self, x: Tensor) -> Tensor:
        """Exact sums (B, out, H, W) of integers (B, in, H, W)."""
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, self.bias, padding=padding)

    def __call__(self, x: Tensor) -> Tensor:
        """Integers (B, out, H, W) of 16 bits."""
        return requantise(self.sums(x), self.shift)

    def state(self, name: str) -> dict[str, Tensor]:
        """Tensors to store, keyed ``name.weight`` and so on."""
        return {
            f'{name}.weight': self.weight.to(torch.int16),
            f'{name}.bias': self.bias.to(torch.int64),
            f'{name}.shift': torch.tensor(self.shift, dtype=torch.int64),
        }

    @classmethod
    def from_state(cls, state: dict[str, Tensor], name: str) -> FixedConv2d:
        """Rebuild a layer from `state`; checks what it was given."""
        layer = cls(
            state[f'{name}.weight'].double(),
            state[f'{name}.bias'].double(),
            int(state[f'{name}.shift']),
        )
        layer.check()
        return layer


def fixed_sft(x: Tensor, affine: Tensor, bits_x: int, bits: int) -> Tensor:
    """Spatial feature transform ``x * (1 + gamma) + beta`` on integers.

    Parameters
    ----------
    x : Tensor
        Integers (B, C, H, W) with `bits_x` fraction bits.
    affine : Tensor
        Gamma and beta (B, 2C, H, W), integers with `bits` fraction bits.

    Returns
    -------
    Tensor
        Integers (B, C, H, W) with `bits_x` fraction bits.
    """
    gamma, beta = affine.chunk(2, 1)
    sums = x * (2.0**bits + gamma) + beta * 2.0**bits_x
    return requantise(sums, bits)
