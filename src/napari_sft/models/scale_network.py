"""h_s, the part that must be exact: scale indices from z and the coded map.

`ScaleNetwork` is trained; `FixedScaleNetwork` runs the same layers as
integers, and only that one ever codes a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import ModelError
from napari_sft.codec.fixed_point import (
    MAX_BITS,
    FixedConv2d,
    fixed_sft,
    fraction_bits,
    reading_integers,
    weight_bits,
)
from napari_sft.models.entropy import LEVELS
from napari_sft.models.equalisation import equalised, largest_by_channel
from napari_sft.models.sft import SFT, scaled

CONDITION_CHANNELS = 16
INDEX_BITS = 6  # fraction bits of the index before it is rounded
HEADROOM = 4.0  # over the largest activation seen in calibration
INDICES = ('linear', 'map_slope', 'out', 'z_index')  # give indices
# Where each layer's input comes from (z or the map, or a layer) and what one
# unit of it stands for. A cell of z sees the sum of 16 cells of the map.
SOURCES: dict[str, tuple[str | None, float]] = {
    'linear': (None, 1),
    'map_slope': (None, 1 / MAX_FINE),
    'condition': (None, 1 / MAX_FINE),
    'conv1': (None, 1),
    'up1': ('conv1', 1),
    'conv2': ('up1', 1),
    'up2': ('conv2', 1),
    'conv3': ('up2', 1),
    'affine': ('condition', 1),
    'out': ('conv3', 1),
    'z_index': (None, 1 / (16 * MAX_FINE)),
}


class ScaleNetwork(nn.Module):
    """Fractional scale index of every y symbol.

    ::

        z --------------------- linear, x4 ------------------ + -> index
        z - 3x3 - relu - x2 - 3x3 - relu - x2 - 3x3 - SFT - relu - 1x1
        q - 3x3 - relu ----------------------------'
        q ----------------------- slope * q + base ----------'

    Parameters
    ----------
    latent_channels, hyper_channels : int
        Channels of y and of z.
    width : int
        Channels of the residual network.
    """

    def __init__(
        self, latent_channels: int, hyper_channels: int, width: int = 64
    ) -> None:
        super().__init__()
        self.linear = nn.Conv2d(
            hyper_channels, 16 * latent_channels, 1, bias=False
        )
        self.map_slope = nn.Conv2d(1, latent_channels, 1)
        self.condition = nn.Conv2d(1, CONDITION_CHANNELS, 3, padding=1)
        self.conv1 = nn.Conv2d(hyper_channels, width, 3, padding=1)
        self.up1 = nn.Conv2d(width, 4 * width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.up2 = nn.Conv2d(width, 4 * width, 1)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.sft = SFT(width, CONDITION_CHANNELS)
        self.out = nn.Conv2d(width, latent_channels, 1)
        scaled(self.out, 0.1)

    def forward(self, z: Tensor, q: Tensor) -> Tensor:
        """Index (B, M, 4h, 4w) of z (B, N, h, w) and q (B, 1, 4h, 4w)."""
        condition = F.relu(self.condition(q))
        x = F.relu(self.conv1(z))
        x = F.pixel_shuffle(self.up1(x), 2)
        x = F.relu(self.conv2(x))
        x = F.pixel_shuffle(self.up2(x), 2)
        x = F.relu(self.sft(self.conv3(x), condition))
        linear = F.pixel_shuffle(self.linear(z), 4)
        return linear + self.map_slope(q) + self.out(x)

    def convolutions(self) -> dict[str, nn.Conv2d]:
        """Every layer by the name under which it is quantised."""
        named = {
            name: getattr(self, name)
            for name in SOURCES
            if name not in {'affine', 'z_index'}
        }
        return named | {'affine': self.sft.affine}


@dataclass(frozen=True)
class FixedScaleNetwork:
    """The scale network, and the scale indices of z, as integers.

    Attributes
    ----------
    layers : dict
        A `FixedConv2d` for each name in `SOURCES`.
    bits_x, bits_affine : int
        Fraction bits of the features before the SFT and of its parameters.
    """

    layers: dict[str, FixedConv2d]
    bits_x: int
    bits_affine: int

    @classmethod
    def from_float(
        cls,
        network: ScaleNetwork,
        z_index: nn.Conv2d,
        samples: Iterable[tuple[Tensor, Tensor]],
    ) -> FixedScaleNetwork:
        """Quantise a trained network.

        Parameters
        ----------
        network : ScaleNetwork
            Trained, on the CPU.
        z_index : nn.Conv2d
            1x1, from the mean of the map to the indices of z.
        samples : iterable of (z, q)
            Rounded z (B, N, h, w) and maps q (B, 1, 4h, 4w), typical ones.
        """
        samples = list(samples)
        network = equalised(network, samples)
        convolutions = network.convolutions() | {'z_index': z_index}
        largest = {
            name: values.max().item()
            for name, values in largest_by_channel(network, samples).items()
        }
        layers: dict[str, FixedConv2d] = {}
        bits: dict[str | None, int] = {None: 0}
        for name, (source, scale) in SOURCES.items():
            conv = convolutions[name]
            bits[name] = INDEX_BITS
            if name not in INDICES:
                # no finer than the sums are
                bits[name] = min(
                    fraction_bits(HEADROOM * largest[name]),
                    bits[source] + weight_bits(conv, scale),
                )
            layers[name] = FixedConv2d.from_float(
                conv, bits[source], bits[name], scale
            )
        return cls(layers, bits['conv3'], bits['affine'])

    def __post_init__(self) -> None:
        for bits in (self.bits_x, self.bits_affine):
            if not 0 <= bits <= MAX_BITS:
                raise ModelError(f'{bits} fraction bits are not 0..{MAX_BITS}')

    @torch.no_grad()
    def y_indices(
        self, z: NDArray[np.integer], fine: NDArray[np.integer]
    ) -> NDArray[np.uint8]:
        """Scale index of every y symbol.

        Parameters
        ----------
        z : ndarray of int, (N, h, w)
            Hyper-latent symbols.
        fine : ndarray of int, (4h, 4w)
            Coded map in fine units, 0..496.

        Returns
        -------
        ndarray of uint8, (M, 4h, 4w)
            0..63.
        """
        index = self.index(_integers(z), _integers(fine[None]))
        result: NDArray[np.uint8] = index[0].numpy()
        return result

    @torch.no_grad()
    def index(self, z: Tensor, fine: Tensor) -> Tensor:
        """Indices of a batch, which are those of its members.

        Parameters
        ----------
        z : Tensor
            Float64 integers (B, N, h, w), magnitudes below 2**15.
        fine : Tensor
            Float64 integers (B, 1, 4h, 4w), 0..496.

        Returns
        -------
        Tensor
            Uint8 (B, M, 4h, 4w), 0..63.
        """
        run = self.layers
        condition = run['condition'](fine).relu_()
        x = run['conv1'](z).relu_()
        x = F.pixel_shuffle(run['up1'](x), 2)
        x = run['conv2'](x).relu_()
        x = F.pixel_shuffle(run['up2'](x), 2)
        x = fixed_sft(
            run['conv3'](x),
            run['affine'](condition),
            self.bits_x,
            self.bits_affine,
        ).relu_()
        index = F.pixel_shuffle(run['linear'](z), 4)
        index = index + run['map_slope'](fine) + run['out'](x)
        return _rounded_index(index)

    @torch.no_grad()
    def z_indices(self, fine: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Scale index of every z symbol (N, h, w), of a map (4h, 4w)."""
        height, width = fine.shape
        cells = fine.reshape(height // 4, 4, width // 4, 4)
        sums = cells.sum((1, 3))
        index = _rounded_index(self.layers['z_index'](_integers(sums[None])))
        result: NDArray[np.uint8] = index[0].numpy()
        return result

    def state(self) -> dict[str, Tensor]:
        """Tensors to store."""
        tensors = {
            'bits_x': torch.tensor(self.bits_x),
            'bits_affine': torch.tensor(self.bits_affine),
        }
        for name, layer in self.layers.items():
            tensors |= layer.state(name)
        return tensors

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> FixedScaleNetwork:
        """Rebuild from `state`.

        Raises
        ------
        ModelError
            If a tensor is missing, of a wrong shape, or its values could
            give inexact sums.
        """
        with reading_integers():
            layers = {
                name: FixedConv2d.from_state(state, name) for name in SOURCES
            }
            network = cls(
                layers, int(state['bits_x']), int(state['bits_affine'])
            )
            network._try_shapes()
        return network

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of y and of z."""
        linear = self.layers['linear'].weight
        return linear.shape[0] // 16, linear.shape[1]

    def _try_shapes(self) -> None:
        z = torch.zeros(1, self.channels[1], 1, 1, dtype=torch.float64)
        self.index(z, torch.zeros(1, 1, 4, 4, dtype=torch.float64))


def _integers(array: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).double()[None]


def _rounded_index(index: Tensor) -> Tensor:
    rounded = torch.floor(index * 2.0**-INDEX_BITS + 0.5)
    return rounded.clamp_(0, LEVELS - 1).to(torch.uint8)
