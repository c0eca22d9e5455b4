"""h_s of `song2021`, the part that must be exact: scale indices of y from z.

The network was trained in floating point; here its scale half runs as
integers. Scales become indices by comparison with integer thresholds, so
neither logarithm nor exponential is ever taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_sft.codec.errors import ModelError
from napari_sft.codec.fixed_layers import (
    ACTIVATION_LIMIT,
    FixedConvTranspose2d,
    fixed_leaky_relu,
    saturate,
)
from napari_sft.codec.fixed_point import reading_integers
from napari_sft.models.song2021_entropy import LEVELS, scale_table

SLOPE = 0.01  # of h_s
INPUT_BITS = 12  # fraction bits of z_hat
HEADROOM = 16.0  # over the largest activation seen in calibration
LAYERS = ('up1', 'up2', 'out')


@dataclass(frozen=True)
class FixedHyperDecoder:
    """Scale indices of y as integers.

    Attributes
    ----------
    layers : dict
        A `FixedConvTranspose2d` for each name in `LAYERS`.
    shifts : tuple of int
        Fraction bits dropped after the first two layers.
    medians : Tensor
        Float64 integers (1, N, 1, 1) with `INPUT_BITS` fraction bits.
    thresholds : ndarray of int64, (63,)
        Level i holds the scales above threshold i - 1, up to threshold i,
        in the fraction bits of the last layer's sums.
    """

    layers: dict[str, FixedConvTranspose2d]
    shifts: tuple[int, int]
    medians: Tensor
    thresholds: NDArray[np.int64]

    @classmethod
    def from_float(
        cls, h_s: nn.Sequential, medians: Tensor, samples: Iterable[Tensor]
    ) -> FixedHyperDecoder:
        """Quantise a trained network.

        Parameters
        ----------
        h_s : nn.Sequential
            Of the network, on the CPU.
        medians : Tensor
            Of z (N, 1, 1).
        samples : iterable of Tensor
            Rounded z_hat (B, N, h, w), typical ones.

        Raises
        ------
        ModelError
            If the weights are not finite or too large for exact sums.
        """
        largest = _largest(h_s, samples)
        up1, up2, out = (
            m for m in h_s if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
        )
        bits, shifts = INPUT_BITS, []
        layers = {}
        for name, layer, peak in zip(
            ('up1', 'up2'), (up1, up2), largest, strict=True
        ):
            layers[name] = FixedConvTranspose2d.from_float(layer, bits)
            sum_bits = bits + layers[name].bits
            room = math.log2(ACTIVATION_LIMIT / (HEADROOM * peak))
            bits = min(sum_bits, math.floor(room))
            shifts.append(sum_bits - bits)
        last = FixedConvTranspose2d.from_float(out, bits)
        layers['out'] = last.outputs(len(last.bias) // 2)
        unit = 2.0 ** (bits + last.bits)
        return cls(
            layers,
            (shifts[0], shifts[1]),
            _fixed_medians(medians),
            np.array([math.floor(s * unit) for s in scale_table()[:-1]]),
        )

    @torch.no_grad()
    def y_indices(self, z: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Scale index of every y symbol.

        Parameters
        ----------
        z : ndarray of int, (N, h, w)
            Hyper-latent symbols.

        Returns
        -------
        ndarray of uint8, (M, 4h, 4w)
            0..63.
        """
        symbols = torch.from_numpy(np.ascontiguousarray(z)).double()[None]
        x = saturate(symbols * 2.0**INPUT_BITS + self.medians)
        for name, shift in zip(('up1', 'up2'), self.shifts, strict=True):
            sums = torch.floor(self.layers[name](x) * 2.0**-shift + 0.5)
            x = fixed_leaky_relu(saturate(sums), SLOPE)
        scales = self.layers['out'](x)[0].to(torch.int64).numpy()
        indices = np.searchsorted(self.thresholds, scales, side='left')
        return indices.astype(np.uint8)

    def state(self) -> dict[str, Tensor]:
        """Tensors to store."""
        tensors = {
            'shifts': torch.tensor(self.shifts),
            'medians': self.medians.to(torch.int64),
            'thresholds': torch.from_numpy(self.thresholds),
        }
        for name, layer in self.layers.items():
            tensors |= layer.state(name)
        return tensors

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> FixedHyperDecoder:
        """Rebuild from `state`.

        Raises
        ------
        ModelError
            If a tensor is missing or its values could give inexact sums.
        """
        with reading_integers():
            layers = {
                name: FixedConvTranspose2d.from_state(state, name)
                for name in LAYERS
            }
            first, second = state['shifts'].tolist()
            thresholds = state['thresholds'].numpy()
            medians = state['medians'].double()
            scales = cls(layers, (first, second), medians, thresholds)
            scales.y_indices(np.zeros((scales.channels[1], 1, 1), np.int32))
        ascending = bool((np.diff(thresholds) > 0).all())
        if len(thresholds) != LEVELS - 1 or not ascending:
            raise ModelError('weights hold no thresholds of 64 scales')
        return scales

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of y and of z."""
        return len(self.layers['out'].bias), len(self.layers['up1'].weight)


def _fixed_medians(medians: Tensor) -> Tensor:
    values = medians.detach().double().cpu().reshape(1, -1, 1, 1)
    return torch.round(values * 2.0**INPUT_BITS)


@torch.no_grad()
def _largest(h_s: nn.Sequential, samples: Iterable[Tensor]) -> list[float]:
    """Largest magnitude after each of the first two layers."""
    largest = [2.0**-10, 2.0**-10]
    for z_hat in samples:
        x = z_hat
        for number in (0, 1):
            x = h_s[2 * number](x)
            peak = x.abs().max().item()
            largest[number] = max(largest[number], peak)
            x = F.leaky_relu(x, SLOPE)
    return largest
