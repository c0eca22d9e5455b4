"""Layers on integers: exact, and close to what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from napari_sft.codec.errors import ModelError
from napari_sft.codec.fixed_layers import (
    ACTIVATION_LIMIT,
    FixedConvTranspose2d,
    fixed_leaky_relu,
)


def layers() -> list[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [
            nn.ConvTranspose2d(3, 4, 5, 2, padding=2, output_padding=1),
            nn.Conv2d(3, 4, 3, padding=1),
        ]


def integers(seed: int, largest: int, *shape: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    values = rng.integers(-largest, largest, shape, endpoint=True)
    return torch.from_numpy(values).double()


@given(
    st.integers(-ACTIVATION_LIMIT, ACTIVATION_LIMIT),
    st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
)
def test_leaky_relu_is_what_python_integers_give(value, slope):
    x = torch.tensor([value], dtype=torch.float64)
    multiplier = round(slope * 2**20)
    expected = value
    if value < 0:
        expected = (value * multiplier + 2**19) >> 20
    assert int(fixed_leaky_relu(x, slope)) == expected


@pytest.mark.parametrize('layer', layers(), ids=['transposed', 'plain'])
def test_sums_stand_for_those_of_the_trained_layer(layer):
    fixed = FixedConvTranspose2d.from_float(layer, bits_in=6)
    x = integers(1, 500, 1, 3, 6, 5)
    unit = 2.0 ** -(6 + fixed.bits)
    expected = layer.double()(x / 64)
    torch.testing.assert_close(fixed(x) * unit, expected, atol=2e-3, rtol=0)


def test_the_largest_sums_are_exact_with_any_threads():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = nn.ConvTranspose2d(96, 8, 5, 2, padding=2, output_padding=1)
    fixed = FixedConvTranspose2d.from_float(layer, bits_in=10)
    x = integers(2, ACTIVATION_LIMIT, 1, 96, 6, 7)
    before = torch.get_num_threads()
    try:
        results = []
        for threads, onednn in ((1, True), (2, False)):
            torch.set_num_threads(threads)
            with torch.backends.mkldnn.flags(enabled=onednn):
                results.append(fixed(x))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)
    # one position by itself, in integers that cannot overflow
    row, column = 4, 6  # sees the inputs whose kernels reach it
    total = int(fixed.bias[3])
    for i, j in np.ndindex(6, 7):
        down, right = row - 2 * i + 2, column - 2 * j + 2
        if 0 <= down < 5 and 0 <= right < 5:
            for channel in range(96):
                weight = int(fixed.weight[channel, 3, down, right])
                total += weight * int(x[0, channel, i, j])
    assert int(results[0][0, 3, row, column]) == total


def test_a_layer_keeps_its_first_channels():
    fixed = FixedConvTranspose2d.from_float(layers()[1], bits_in=4)
    x = integers(3, 100, 1, 3, 4, 4)
    assert torch.equal(fixed.outputs(2)(x), fixed(x)[:, :2])


@pytest.mark.parametrize('layer', layers(), ids=['transposed', 'plain'])
def test_layers_survive_being_stored(layer):
    fixed = FixedConvTranspose2d.from_float(layer, bits_in=4)
    again = FixedConvTranspose2d.from_state(fixed.state('name'), 'name')
    x = integers(4, 100, 1, 3, 4, 4)
    assert torch.equal(again(x), fixed(x))


@pytest.mark.parametrize('wrong', [2.0**15, 0.5, float('nan')])
def test_weights_that_are_no_16_bit_integers_are_refused(wrong):
    weight = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    weight[0, 0, 1, 1] = wrong
    with pytest.raises(ModelError, match='fixed-point'):
        FixedConvTranspose2d(weight, torch.zeros(1).double(), 0, 1)


def test_sums_beyond_52_bits_are_refused():
    weight = torch.full((2**10, 1, 5, 5), 2.0**15 - 1).double()
    with pytest.raises(ModelError, match='52'):
        FixedConvTranspose2d(weight, torch.zeros(1).double(), 0, 1)
