"""Integer tables made from the trained distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.codec.errors import ModelError
from napari_sft.models.entropy import (
    LEVELS,
    SKIPPED_LEVELS,
    SymbolDistribution,
    scale_of_index,
)
from napari_sft.models.tables import (
    REACH_MAX,
    REACH_MIN,
    build_tables,
    tables_from_state,
    tables_state,
)


@pytest.fixture(scope='module')
def distribution():
    return SymbolDistribution()


@pytest.fixture(scope='module')
def tables(distribution):
    return build_tables(distribution)


def test_each_level_has_a_table_that_reaches_its_surprises(tables):
    assert tables.levels == LEVELS
    assert tables.skip == SKIPPED_LEVELS
    coded = slice(SKIPPED_LEVELS, None)
    assert tables.high[SKIPPED_LEVELS] == REACH_MIN
    assert tables.high[-1] == REACH_MAX
    assert (np.diff(tables.high[coded]) >= 0).all()
    np.testing.assert_array_equal(tables.low, -tables.high)


def test_the_lowest_levels_are_those_whose_symbols_are_surely_0():
    scales = scale_of_index(torch.arange(LEVELS).float())
    assert scales[SKIPPED_LEVELS - 1] < 0.13 <= scales[SKIPPED_LEVELS]


@pytest.mark.parametrize('level', [SKIPPED_LEVELS, 25, 40, LEVELS - 1])
def test_table_bits_are_those_of_the_distribution(tables, distribution, level):
    symbols = np.arange(-20, 21)
    index = np.full(symbols.shape, level)
    with torch.no_grad():
        wanted = distribution.bits(
            torch.from_numpy(symbols).float(), torch.full((41,), level).float()
        ).numpy()
    likely = wanted < 9  # rarer ones have whole counts of few
    assert likely.any()
    np.testing.assert_allclose(
        tables.bits(symbols, index)[likely], wanted[likely], atol=0.1
    )


def test_stored_tables_are_the_same(tables):
    restored = tables_from_state(tables_state(tables))
    for name in ('cdfs', 'sizes', 'offsets', 'low', 'high', 'skip'):
        np.testing.assert_array_equal(
            getattr(restored, name), getattr(tables, name)
        )


@pytest.mark.parametrize('name', ['cdfs', 'sizes', 'offsets', 'skip'])
def test_a_missing_table_is_named(tables, name):
    state = tables_state(tables)
    del state[name]
    with pytest.raises(ModelError, match=name):
        tables_from_state(state)
