"""Integer probability tables of the symbols, made once at export."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from napari_sft.codec.errors import ModelError
from napari_sft.codec.rans import Tables, tables_from_pmf
from napari_sft.models.entropy import (
    LEVELS,
    SKIPPED_LEVELS,
    SymbolDistribution,
    scale_of_index,
)

# A table reaches 7 wide scales to either side, at least 24 symbols (so that
# a surprise costs bits, not quality) and at most 511.
REACH, REACH_MIN, REACH_MAX = 7.0, 24, 511


@torch.no_grad()
def build_tables(distribution: SymbolDistribution) -> Tables:
    """Tables of the 64 levels of a trained distribution."""
    exact = SymbolDistribution().double()
    exact.load_state_dict(distribution.state_dict())
    pmfs, offsets = [], []
    for level in range(LEVELS):
        index = torch.tensor(float(level), dtype=torch.float64)
        wide = float(scale_of_index(index) * exact.tail_ratio)
        reach = min(max(math.ceil(REACH * wide), REACH_MIN), REACH_MAX)
        symbols = torch.arange(-reach, reach + 1, dtype=torch.float64)
        pmfs.append(exact.probability(symbols, index).numpy())
        offsets.append(-reach)
    return tables_from_pmf(pmfs, offsets, skip=SKIPPED_LEVELS)


def tables_state(tables: Tables) -> dict[str, Tensor]:
    """Tensors to store."""
    return {
        name: torch.from_numpy(np.array(getattr(tables, name), np.int32))
        for name in ('cdfs', 'sizes', 'offsets')
    } | {'skip': torch.tensor(tables.skip, dtype=torch.int32)}


def tables_from_state(state: dict[str, Tensor]) -> Tables:
    """Rebuild tables; raises `ModelError` if they are malformed."""
    try:
        return Tables(
            state['cdfs'].numpy(),
            state['sizes'].numpy(),
            state['offsets'].numpy(),
            skip=int(state['skip']),
        )
    except KeyError as error:
        raise ModelError(f'weights lack the table {error.args[0]!r}') from None
