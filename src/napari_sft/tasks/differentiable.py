"""The codec as a differentiable function of its quality map.

The models' own modules run with gradients: rounding of symbols, scale
indices and the coded map passes gradients straight through, so the picture
and the bits are those that the coder will make, to within the fixed-point
networks' rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import LEVELS as MAP_LEVELS
from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import CodecModel
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.entropy import (
    LEVELS,
    SKIPPED_LEVELS,
    SymbolDistribution,
    bound,
    round_through,
)
from napari_sft.models.song2021_codec import Song2021Codec

if TYPE_CHECKING:
    from napari_sft.models.compact import CompactModel
    from napari_sft.models.song2021 import Song2021

CELL, CELLS = 16, 4
_SIDE_MIN = 128  # the paper's hyper-analysis needs three positions at 1/32


@dataclass
class DifferentiableCodec:
    """Reconstruction and rate of one picture, with gradients.

    Parameters
    ----------
    model : CodecModel
        `compact` or `song2021`, of `napari_sft.models.registry.load_model`.
    picture : ndarray of float32, (Y, X, 3)
        Values in 0..1.

    Raises
    ------
    ModelError
        The model has no differentiable path.
    """

    model: CodecModel
    picture: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not isinstance(self.model, CompactCodec | Song2021Codec):
            raise ModelError(
                f'model {self.model.name!r} gives no gradients; use compact '
                'or song2021'
            )
        device = self.model.device
        x = torch.from_numpy(np.ascontiguousarray(self.picture))
        self.x = x.permute(2, 0, 1)[None].float().to(device)
        height, width = self.x.shape[2:]
        block = CELL * CELLS
        least = _SIDE_MIN if isinstance(self.model, Song2021Codec) else block
        margin = [max(-n % block, least - n) for n in (width, height)]
        self._padded = F.pad(self.x, (0, margin[0], 0, margin[1]), 'replicate')

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the map's cells."""
        height, width = self.x.shape[2:]
        return -(-height // CELL), -(-width // CELL)

    def __call__(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Encode and decode at a map.

        Parameters
        ----------
        q : Tensor
            Quality of each cell (1, 1, rows, columns) in 0..1.

        Returns
        -------
        x_hat, bpp : Tensor
            Picture (1, 3, Y, X) in 0..1, and estimated bits per pixel:
            symbols alone, neither map nor header.
        """
        coded = round_through(q * (MAP_LEVELS - 1)) / (MAP_LEVELS - 1)
        height, width = self._padded.shape[2:]
        rows, columns = height // CELL, width // CELL
        margin = (0, columns - q.shape[3], 0, rows - q.shape[2])
        coded = F.pad(coded, margin, 'replicate')
        network = self.model.network  # type: ignore[union-attr]
        if isinstance(self.model, CompactCodec):
            dtype = self.model.dtype
            enabled = dtype != torch.float32
            with torch.autocast(
                self.x.device.type, dtype if enabled else None, enabled=enabled
            ):
                x_hat, bits = _compact(network, self._padded, coded)
        else:
            x_hat, bits = _song2021(network, self._padded, coded)
        height, width = self.x.shape[2:]
        x_hat = bound(x_hat[..., :height, :width].float(), 0.0, 1.0)
        return x_hat, bits / (height * width)


def _compact(
    network: CompactModel, x: Tensor, q: Tensor
) -> tuple[Tensor, Tensor]:
    """`CompactModel.forward` without noise, whatever the mode."""
    condition = network.condition(q)
    y = network.analyse(x, q)
    z = network.hyper_analyse(y, q, condition).float()
    z_hat = round_through(z)
    with torch.autocast(x.device.type, enabled=False):
        z_bits = _bits(network.distribution, z, network.z_indices(q))
        index = bound(network.h_s(z_hat, q), 0.0, LEVELS - 1.0)
    whole = round_through(index)
    coded = (whole.detach() >= SKIPPED_LEVELS).to(y.dtype)
    y_hat, symbols = network.run_context(
        z_hat,
        whole,
        q,
        condition,
        lambda mean: round_through(y - mean) * coded,
    )
    residual = (y - (y_hat - symbols)).float()
    y_bits = _bits(network.distribution, residual, whole) * coded
    x_hat = network.synthesise(y_hat, q, condition)
    return x_hat, y_bits.sum() + z_bits.sum()


def _bits(
    distribution: SymbolDistribution, values: Tensor, index: Tensor
) -> Tensor:
    """Bits of the rounded values, with the gradient of the unrounded ones.

    Most symbols are 0, where the gradient of the bits is too: it would tell
    half of how the rate goes with the map.
    """
    smooth = distribution.bits(values, index)
    exact = distribution.bits(values.detach().round(), index)
    return smooth + (exact - smooth).detach()


def _song2021(
    network: Song2021, x: Tensor, q: Tensor
) -> tuple[Tensor, Tensor]:
    for axis in (2, 3):
        q = q.repeat_interleave(CELL, axis)
    out = network(x, q)
    likelihoods = out.y_likelihoods, out.z_likelihoods
    return out.x_hat, sum(-torch.log2(p).sum() for p in likelihoods)
