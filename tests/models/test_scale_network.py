"""The scale path: the same indices on every machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import ModelError
from napari_sft.models.entropy import LEVELS
from napari_sft.models.scale_network import (
    FixedScaleNetwork,
    ScaleNetwork,
)

LATENTS, HYPER = 24, 12


def make_samples(count=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            (6 * torch.randn(2, HYPER, 3, 4, generator=generator)).round(),
            torch.rand(2, 1, 12, 16, generator=generator),
        )
        for _ in range(count)
    ]


def make_network(seed=0):
    torch.manual_seed(seed)
    network = ScaleNetwork(LATENTS, HYPER)
    with torch.no_grad():
        network.map_slope.weight.fill_(15.0)
        network.map_slope.bias.uniform_(10, 30)
        network.out.weight.mul_(5)
    return network, torch.nn.Conv2d(1, HYPER, 1)


@pytest.fixture(scope='module')
def networks():
    network, z_index = make_network()
    fixed = FixedScaleNetwork.from_float(network, z_index, make_samples())
    return network, z_index, fixed


@pytest.fixture(scope='module')
def symbols():
    """z and maps, a batch of three."""
    rng = np.random.default_rng(7)
    z = np.rint(6 * rng.normal(size=(3, HYPER, 3, 5))).astype(np.int32)
    return z, rng.integers(0, MAX_FINE + 1, (3, 12, 20))


@pytest.mark.filterwarnings('ignore:TF32')
def test_indices_do_not_depend_on_how_torch_runs(networks, symbols, variant):
    fixed = networks[2]
    settings, layout = variant
    z, fine = symbols
    alone = [fixed.y_indices(*pair) for pair in zip(z, fine, strict=True)]
    inputs = [
        torch.from_numpy(a).double().contiguous(memory_format=layout)
        for a in (z, fine[:, None])
    ]
    with settings():
        np.testing.assert_array_equal(fixed.index(*inputs), alone)


def test_indices_span_the_levels(networks, symbols):
    z, fine = symbols
    indices = networks[2].y_indices(z[0], fine[0])
    assert indices.dtype == np.uint8
    assert indices.shape == (LATENTS, 12, 20)
    assert len(np.unique(indices)) > 20
    assert indices.max() < LEVELS


def test_no_logarithm_or_exponential_decides_an_index(
    networks, symbols, monkeypatch
):
    z, fine = symbols
    fixed = networks[2]
    expected = fixed.y_indices(z[0], fine[0]), fixed.z_indices(fine[0])

    def refuse(*_args, **_kwargs):
        raise AssertionError('not exact on every machine')

    for name in ('exp', 'exp2', 'log', 'log2', 'log10', 'pow', 'sqrt'):
        monkeypatch.setattr(torch, name, refuse)
        monkeypatch.setattr(torch.Tensor, name, refuse)
    for name in ('exp', 'log', 'log2'):
        monkeypatch.setattr(np, name, refuse)
    np.testing.assert_array_equal(fixed.y_indices(z[0], fine[0]), expected[0])
    np.testing.assert_array_equal(fixed.z_indices(fine[0]), expected[1])


def plain_layer(state, name, x):
    """A layer as docs/format.md puts it, in numpy's integers."""
    weight = state[f'{name}.weight'].numpy().astype(np.int64)
    margin = weight.shape[-1] // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin)])
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, weight.shape[2:], (1, 2)
    )
    sums = np.einsum('chwij,ocij->ohw', windows, weight)
    sums += state[f'{name}.bias'].numpy()[:, None, None]
    return plain_round(sums, int(state[f'{name}.shift']))


def plain_round(sums, shift):
    return np.clip((sums + (1 << shift >> 1)) >> shift, -32767, 32767)


def plain_shuffle(x, r):
    channels, height, width = x.shape
    x = x.reshape(channels // r**2, r, r, height, width)
    return x.transpose(0, 3, 1, 4, 2).reshape(-1, r * height, r * width)


def test_the_specification_is_all_it_takes(networks, symbols):
    z, fine = symbols[0][0].astype(np.int64), symbols[1][0]
    fixed = networks[2]
    state = fixed.state()

    def run(name, x):
        return plain_layer(state, name, x)

    c = np.maximum(run('condition', fine[None]), 0)
    x = plain_shuffle(run('up1', np.maximum(run('conv1', z), 0)), 2)
    x = plain_shuffle(run('up2', np.maximum(run('conv2', x), 0)), 2)
    x = run('conv3', x)
    gamma, beta = np.split(run('affine', c), 2)
    a, b = int(state['bits_affine']), int(state['bits_x'])
    x = plain_round(x * (2**a + gamma) + beta * 2**b, a)
    u = plain_shuffle(run('linear', z), 4) + run('map_slope', fine[None])
    u = u + run('out', np.maximum(x, 0))
    np.testing.assert_array_equal(
        fixed.y_indices(z, fine), np.clip((u + 32) >> 6, 0, 63)
    )
    sums = fine.reshape(3, 4, 5, 4).sum((1, 3))
    u = run('z_index', sums[None])
    np.testing.assert_array_equal(
        fixed.z_indices(fine), np.clip((u + 32) >> 6, 0, 63)
    )


def test_integers_follow_the_trained_network(networks):
    network, z_index, fixed = networks
    z, q = make_samples(1, seed=3)[0]
    fine = torch.round(q * MAX_FINE)
    with torch.no_grad():
        trained = network(z, fine / MAX_FINE).clamp(0, LEVELS - 1).round()
        means = torch.nn.functional.avg_pool2d(fine / MAX_FINE, 4)
        trained_z = z_index(means).clamp(0, LEVELS - 1).round()
    off = np.abs(
        fixed.index(z.double(), fine.double()).double() - trained.double()
    )
    assert (off <= 1).double().mean() > 0.9999
    assert (off == 0).double().mean() > 0.95
    indices = fixed.z_indices(fine[0, 0].int().numpy())
    assert np.abs(indices - trained_z[0].numpy()).max() <= 1


@pytest.mark.parametrize('name', ['conv1', 'condition', 'affine', 'out'])
def test_a_layer_that_gives_nothing_is_quantised_too(name):
    network, z_index = make_network()
    with torch.no_grad():
        for parameter in network.convolutions()[name].parameters():
            parameter.zero_()
    fixed = FixedScaleNetwork.from_float(network, z_index, make_samples())
    z, q = make_samples(1, seed=3)[0]
    fine = torch.round(q * MAX_FINE)
    with torch.no_grad():
        trained = network(z, fine / MAX_FINE).clamp(0, LEVELS - 1)
    off = (fixed.index(z.double(), fine.double()) - trained).abs()
    assert off.max() < 1.5


def test_stored_integers_give_the_same_indices(networks, symbols):
    z, fine = symbols
    fixed = networks[2]
    restored = FixedScaleNetwork.from_state(fixed.state())
    assert restored.channels == (LATENTS, HYPER)
    np.testing.assert_array_equal(
        restored.y_indices(z[1], fine[1]), fixed.y_indices(z[1], fine[1])
    )
    np.testing.assert_array_equal(
        restored.z_indices(fine[1]), fixed.z_indices(fine[1])
    )


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('up1.weight', None, "lack the integer tensor 'up1.weight'"),
        ('bits_x', None, "lack the integer tensor 'bits_x'"),
        ('bits_x', torch.tensor(60), '60 fraction bits'),
        ('bits_affine', torch.tensor(-1), '-1 fraction bits'),
        ('up1.weight', torch.zeros(8, 3, 1, 1), 'wrong shapes'),
        ('conv2.shift', torch.zeros(2), 'wrong shapes'),
        ('conv2.shift', torch.tensor(-3), 'coarser'),
        ('out.bias', torch.full((LATENTS,), 2**53), 'exceed 52 bits'),
    ],
)
def test_damaged_integers_are_refused(networks, name, value, message):
    state = networks[2].state()
    state[name] = value
    if value is None:
        del state[name]
    with pytest.raises(ModelError, match=message):
        FixedScaleNetwork.from_state(state)
