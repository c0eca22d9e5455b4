"""Integer networks: exact under any order of summation, or refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_sft.codec.errors import ModelError
from napari_sft.codec.fixed_point import (
    LIMIT,
    MAX_BITS,
    FixedConv2d,
    fixed_sft,
    fraction_bits,
    requantise,
    weight_bits,
)

LAYERS = st.tuples(
    st.integers(1, 5),  # outputs
    st.integers(1, 9),  # inputs
    st.sampled_from([1, 3]),  # kernel
    st.integers(0, 30),  # shift
    st.integers(1, LIMIT),  # largest weight
    st.integers(0, 2**32 - 1),  # seed
)


def make_layer(outputs, inputs, kernel, shift, largest, seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(
        -largest, largest + 1, (outputs, inputs, kernel, kernel)
    )
    bias = rng.integers(-(2**40), 2**40, outputs)
    as_tensor = [torch.from_numpy(a).double() for a in (weight, bias)]
    return FixedConv2d(*as_tensor, shift), weight, bias


def integer_sums(x, weight, bias):
    """A convolution in numpy's 64-bit integers."""
    kernel = weight.shape[-1]
    margin = kernel // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin)])
    height, width = x.shape[1:]
    sums = np.zeros((len(weight), height, width), np.int64)
    for row in range(kernel):
        for column in range(kernel):
            window = padded[:, row : row + height, column : column + width]
            sums += np.tensordot(weight[:, :, row, column], window, 1)
    return sums + bias[:, None, None]


def integer_requantise(sums, shift):
    half = 1 << shift >> 1
    return np.clip((sums + half) >> shift, -LIMIT, LIMIT)


@given(LAYERS, st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=50)
def test_a_convolution_equals_that_of_integers(parameters, height, width):
    layer, weight, bias = make_layer(*parameters)
    rng = np.random.default_rng(parameters[-1] + 1)
    x = rng.integers(-LIMIT, LIMIT + 1, (weight.shape[1], height, width))
    tensor = torch.from_numpy(x).double()[None]
    layer.check()
    expected = integer_sums(x, weight, bias)
    np.testing.assert_array_equal(layer.sums(tensor)[0].long(), expected)
    np.testing.assert_array_equal(
        layer(tensor)[0].long(), integer_requantise(expected, layer.shift)
    )


@pytest.mark.parametrize('sign', [1, -1])
def test_the_largest_weights_and_activations_are_exact(sign):
    weight = np.full((2, 192, 3, 3), LIMIT)
    weight[1, ::2] = -LIMIT
    bias = np.array([2**51, -1])
    layer = FixedConv2d(
        torch.from_numpy(weight).double(), torch.from_numpy(bias).double(), 24
    )
    layer.check()
    x = np.full((192, 4, 5), sign * LIMIT)
    sums = layer.sums(torch.from_numpy(x).double()[None])[0]
    np.testing.assert_array_equal(sums.long(), integer_sums(x, weight, bias))


@pytest.mark.filterwarnings('ignore:TF32')
@pytest.mark.parametrize('threads', [1, 2])
@pytest.mark.parametrize('onednn', [True, False])
@pytest.mark.parametrize('layout', ['contiguous_format', 'channels_last'])
def test_nothing_about_the_library_changes_a_sum(threads, onednn, layout):
    layer, weight, bias = make_layer(64, 64, 3, 9, LIMIT, 5)
    rng = np.random.default_rng(6)
    x = rng.integers(-LIMIT, LIMIT + 1, (3, 64, 12, 9))
    tensor = torch.from_numpy(x).double()
    tensor = tensor.contiguous(memory_format=getattr(torch, layout))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.mkldnn.flags(enabled=onednn):
            sums = layer.sums(tensor)
    finally:
        torch.set_num_threads(before)
    for one, expected in zip(sums, x, strict=True):
        np.testing.assert_array_equal(
            one.long(), integer_sums(expected, weight, bias)
        )


@pytest.mark.parametrize(
    ('value', 'shift', 'expected'),
    [
        (-3, 1, -1),
        (-1, 1, 0),
        (1, 1, 1),
        (3, 1, 2),
        (-6, 2, -1),
        (-7, 2, -2),
        (5, 0, 5),
        (2**40, 2, LIMIT),
        (-(2**40), 2, -LIMIT),
    ],
)
def test_halves_are_rounded_up_and_large_values_saturate(
    value, shift, expected
):
    result = requantise(torch.tensor([float(value)]).double(), shift)
    assert result.item() == expected


@given(st.integers(-(2**51), 2**51), st.integers(0, 50))
def test_requantisation_is_a_shift_of_integers(value, shift):
    result = requantise(torch.tensor([value]).double(), shift)
    assert result.item() == integer_requantise(np.int64(value), shift)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_spatial_feature_transform_equals_that_of_integers(
    bits_x, bits, seed
):
    rng = np.random.default_rng(seed)
    x = rng.integers(-LIMIT, LIMIT + 1, (3, 2, 2))
    affine = rng.integers(-LIMIT, LIMIT + 1, (6, 2, 2))
    sums = x * (2**bits + affine[:3]) + affine[3:] * 2**bits_x
    result = fixed_sft(
        torch.from_numpy(x).double()[None],
        torch.from_numpy(affine).double()[None],
        bits_x,
        bits,
    )
    np.testing.assert_array_equal(
        result[0].long(), integer_requantise(sums, bits)
    )


@pytest.mark.parametrize(
    ('weight', 'bias', 'shift', 'message'),
    [
        (LIMIT + 1, 0, 0, 'exceed 16 bits'),
        (0.5, 0, 0, 'not integers'),
        (math.nan, 0, 0, 'not integers'),
        (1, 0.25, 0, 'not integers'),
        (1, 2.0**52, 0, 'exceed 52 bits'),
        (1, math.inf, 0, 'exceed 52 bits'),
        (1, 0, -1, 'coarser than their output'),
    ],
)
def test_weights_that_might_not_be_exact_are_refused(
    weight, bias, shift, message
):
    layer = FixedConv2d(
        torch.full((1, 1, 1, 1), float(weight)).double(),
        torch.tensor([float(bias)]).double(),
        shift,
    )
    with pytest.raises(ModelError, match=message):
        layer.check()


def test_stored_weights_are_checked_when_they_are_read():
    state = make_layer(2, 3, 1, 4, 100, 0)[0].state('a')
    restored = FixedConv2d.from_state(state, 'a')
    assert torch.equal(restored.weight, state['a.weight'].double())
    assert restored.shift == 4
    state['a.bias'] = torch.full((2,), 2**53)
    with pytest.raises(ModelError, match='exceed 52 bits'):
        FixedConv2d.from_state(state, 'a')


@pytest.mark.parametrize('kernel', [1, 3])
def test_a_quantised_layer_is_close_to_the_trained_one(kernel):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 8, kernel, padding=kernel // 2)
    x = torch.rand(1, 16, 9, 7)
    bits_in = bits_out = 10
    layer = FixedConv2d.from_float(conv, bits_in, bits_out)
    fixed = layer(torch.round(x.double() * 2**bits_in)) / 2**bits_out
    # half a unit from rounding the output, the rest from rounding the input
    assert (fixed - conv(x)).abs().max() < 4 / 2**bits_out


def test_what_one_unit_stands_for_scales_the_weights():
    conv = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(3.0)
        conv.bias.fill_(-1.0)
    layer = FixedConv2d.from_float(conv, 0, 8, 1 / 496)
    x = torch.tensor([0.0, 248.0, 496.0]).double().view(1, 1, 1, 3)
    assert (layer(x) / 256).flatten().tolist() == [-1.0, 0.5, 2.0]


def test_sums_coarser_than_the_output_are_refused():
    conv = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(100.0)
    assert weight_bits(conv) == 8
    with pytest.raises(ModelError, match='coarser'):
        FixedConv2d.from_float(conv, 2, 11)


@given(st.floats(2.0**-40, LIMIT))
def test_a_magnitude_fills_16_bits_but_never_more(largest):
    bits = fraction_bits(largest)
    assert largest * 2**bits <= LIMIT
    assert bits == MAX_BITS or largest * 2 ** (bits + 1) > LIMIT


@pytest.mark.parametrize('largest', [math.nan, math.inf])
def test_magnitudes_that_are_not_finite_are_refused(largest):
    with pytest.raises(ModelError, match='not finite'):
        fraction_bits(largest)
