"""Integer tables of `song2021`: Gaussians of y, then a row a channel of z."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.errors import ModelError
from napari_sft.codec.rans import Tables, tables_from_pmf
from napari_sft.models.song2021_entropy import (
    LEVELS,
    TAIL_MASS,
    EntropyBottleneck,
    normal_cdf,
    scale_table,
)

MAX_CHANNELS = 256 - LEVELS  # indices have 8 bits
# A table reaches as far as the public code's, 6.11 scales, and some more:
# symbols beyond are clamped, where the public code has an escape.
_Y_REACH, _Y_MARGIN = 6.2, 7
_Z_REACH, _Z_MARGIN = 1023, 8

Row = tuple[NDArray[np.float64], int]  # probabilities, smallest symbol


@torch.no_grad()
def build_tables(prior: EntropyBottleneck) -> Tables:
    """Tables of a trained network: 64 levels of y, then N channels of z.

    Raises
    ------
    ModelError
        If the prior has more channels than indices, or is not finite.
    """
    channels = len(prior.quantiles)
    if channels > MAX_CHANNELS:
        raise ModelError(
            f'z has {channels} channels; files index at most {MAX_CHANNELS}'
        )
    rows = [_gaussian(scale) for scale in scale_table()] + _factorised(prior)
    return tables_from_pmf([pmf for pmf, _ in rows], [low for _, low in rows])


def _gaussian(scale: float) -> Row:
    reach = math.ceil(_Y_REACH * scale) + _Y_MARGIN
    symbols = torch.arange(-reach, reach + 1, dtype=torch.float64)
    distance = symbols.abs()
    pmf = normal_cdf((0.5 - distance) / scale) - normal_cdf(
        (-0.5 - distance) / scale
    )
    return pmf.numpy(), -reach


def _factorised(prior: EntropyBottleneck) -> list[Row]:
    exact = EntropyBottleneck(len(prior.quantiles)).double()
    exact.load_state_dict(prior.state_dict())
    symbols = torch.arange(-_Z_REACH, _Z_REACH + 1, dtype=torch.float64)
    values = symbols + exact.medians
    below = torch.sigmoid(exact.logits(values - 0.5))[:, 0]
    above = torch.sigmoid(-exact.logits(values + 0.5))[:, 0]
    return [
        _within_tails(*parts)
        for parts in zip(
            exact.probability(values)[:, 0], below, above, strict=True
        )
    ]


def _within_tails(pmf: Tensor, below: Tensor, above: Tensor) -> Row:
    """Row between the symbols beyond which there is next to nothing."""
    first = int((below < TAIL_MASS / 2).sum()) - 1
    last = len(pmf) - int((above < TAIL_MASS / 2).sum())
    first = min(max(first, 0), _Z_REACH - _Z_MARGIN)
    last = max(min(last, len(pmf) - 1), _Z_REACH + _Z_MARGIN)
    row: NDArray[np.float64] = pmf[first : last + 1].numpy().copy()
    # symbols beyond are clamped to the outermost
    row[0] += float(below[first])
    row[-1] += float(above[last])
    return row, first - _Z_REACH


def sample_symbols(
    tables: Tables, channels: int, size: int, rng: Any
) -> NDArray[np.int32]:
    """Random symbols of z by their tables, (channels, size, size)."""
    symbols = np.zeros((channels, size, size), np.int32)
    for channel in range(channels):
        row = LEVELS + channel
        used = int(tables.sizes[row])
        draws = rng.integers(0, tables.cdfs[row, used - 2], (size, size))
        slots = np.searchsorted(tables.cdfs[row, 1:used], draws, 'right')
        symbols[channel] = tables.offsets[row] + slots
    return symbols
