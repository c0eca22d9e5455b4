"""Channels made alike: the same network, finer as integers."""

from __future__ import annotations

import pytest
import torch

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.models.equalisation import equalised
from napari_sft.models.scale_network import FixedScaleNetwork, ScaleNetwork

LATENTS, HYPER = 24, 12


def samples(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            (6 * torch.randn(2, HYPER, 3, 4, generator=generator)).round(),
            torch.randint(
                MAX_FINE + 1, (2, 1, 12, 16), generator=generator
            ).float()
            / MAX_FINE,
        )
        for _ in range(3)
    ]


@pytest.fixture
def network():
    """Channels whose sizes differ a thousandfold, to no effect."""
    torch.manual_seed(0)
    network = ScaleNetwork(LATENTS, HYPER)
    with torch.no_grad():
        network.map_slope.weight.fill_(15.0)
        network.map_slope.bias.uniform_(10, 30)
        for layer, following in (('conv1', 'up1'), ('conv3', 'out')):
            scale = torch.logspace(-1, 2, 64)
            conv = getattr(network, layer)
            conv.weight.mul_(scale.view(-1, 1, 1, 1))
            conv.bias.mul_(scale)
            later = getattr(network, following).weight
            later.div_(scale.view(1, -1, 1, 1))
        affine = network.sft.affine
        affine.weight[64:].mul_(torch.logspace(-1, 2, 64).view(-1, 1, 1, 1))
    return network


def test_it_computes_the_same(network):
    before = {k: v.clone() for k, v in network.state_dict().items()}
    other = equalised(network, samples())
    for z, q in samples(1):
        torch.testing.assert_close(
            other(z, q), network(z, q), rtol=1e-4, atol=1e-3
        )
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_channels_are_alike(network):
    other = equalised(network, samples())
    seen = []
    other.conv1.register_forward_hook(lambda _m, _i, out: seen.append(out))
    for z, q in samples():
        other(z, q)
    largest = torch.stack([s.abs().amax((0, 2, 3)) for s in seen]).amax(0)
    torch.testing.assert_close(largest, torch.ones(64), rtol=1e-3, atol=1e-3)


def test_channels_that_are_never_used_do_no_harm(network):
    with torch.no_grad():
        network.conv1.weight[3].zero_()
        network.conv1.bias[3].zero_()
    other = equalised(network, samples())
    (z, q), *_ = samples(1)
    assert other(z, q).isfinite().all()
    torch.testing.assert_close(
        other(z, q), network(z, q), rtol=1e-4, atol=1e-3
    )


def test_integers_are_close_in_spite_of_large_channels(network):
    z_index = torch.nn.Conv2d(1, HYPER, 1)
    fixed = FixedScaleNetwork.from_float(network, z_index, samples())
    for z, q in samples(1):
        with torch.no_grad():
            exact = network(z, q).clamp(0, 63)
        index = fixed.index(z.double(), (MAX_FINE * q).round().double())
        off = (index.float() - exact).abs()
        assert (off <= 0.5 + 0.05).float().mean() > 0.99
