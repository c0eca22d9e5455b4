"""Muon: orthogonal updates of wide convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_sft_training.muon import Muon, is_wide, orthogonal


@pytest.mark.parametrize('shape', [(32, 288), (96, 48), (1, 9)])
@pytest.mark.parametrize('scale', [1e-6, 1.0, 1e4])
def test_singular_values_become_about_one(shape, scale):
    torch.manual_seed(0)
    made = orthogonal(scale * torch.randn(shape)).float()
    assert made.shape == shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.3
    assert values.max() < 1.4


def test_directions_are_kept():
    torch.manual_seed(0)
    matrix = torch.randn(40, 90)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonal(matrix).float()
    cosine = (made * (u @ v)).sum() / made.norm() / (u @ v).norm()
    assert cosine > 0.95


def test_matrices_of_a_stack_do_not_mix():
    torch.manual_seed(0)
    stack = (
        torch.randn(3, 40, 90) * torch.tensor([1.0, 1e-3, 50.0])[:, None, None]
    )
    together = orthogonal(stack).float()
    alone = torch.stack([orthogonal(matrix) for matrix in stack]).float()
    assert torch.allclose(together, alone, atol=0.02)


def test_only_weights_of_wide_convolutions_are_wide():
    assert is_wide(nn.Conv2d(16, 64, 3).weight)
    assert not is_wide(nn.Conv2d(16, 64, 1).weight)
    assert not is_wide(nn.Conv2d(64, 16, 3).weight)
    conv = nn.Conv2d(64, 64, 3)
    assert conv.bias is not None
    assert not is_wide(conv.bias)


def test_a_step_has_the_size_of_its_rate_whatever_the_gradient():
    torch.manual_seed(0)
    sizes = []
    for scale in (1e-4, 10.0):
        weight = nn.Parameter(torch.zeros(64, 32, 3, 3))
        weight.grad = scale * torch.randn(64, 32, 3, 3)
        Muon([{'params': [weight]}]).step()
        sizes.append(weight.square().mean().sqrt().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    assert sizes[0] == pytest.approx(0.2e-3 * (64 / 64) ** 0.5, rel=0.3)


def test_a_quadratic_is_minimised():
    torch.manual_seed(0)
    target = torch.randn(32, 8, 3, 3)
    weight = nn.Parameter(torch.zeros_like(target))
    optimiser = Muon([{'params': [weight], 'lr': 0.02}])
    for step in range(300):
        optimiser.param_groups[0]['lr'] = 0.05 * (1 - step / 300)
        weight.grad = (weight - target).detach()
        optimiser.step()
    assert (weight - target).square().mean() < 0.02


def test_weights_of_one_shape_go_their_own_ways():
    torch.manual_seed(0)
    gradients = torch.randn(2, 32, 32, 1, 1)
    together = [nn.Parameter(torch.zeros(32, 32, 1, 1)) for _ in range(2)]
    alone = [nn.Parameter(torch.zeros(32, 32, 1, 1)) for _ in range(2)]
    for weights in (together, alone):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.clone()
    Muon([{'params': together}]).step()
    for weight in alone:
        Muon([{'params': [weight]}]).step()
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_weights_without_gradient_stay():
    weight = nn.Parameter(torch.ones(32, 32, 1, 1))
    Muon([{'params': [weight]}]).step()
    assert torch.equal(weight, torch.ones_like(weight))
