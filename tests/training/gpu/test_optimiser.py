"""Decisions on the device are those that are made in Python."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from napari_sft_training.gpu.optimiser import DeviceOptimiser
from napari_sft_training.models import build
from napari_sft_training.optimiser import Optimiser

NO_SCALER = torch.amp.GradScaler('cpu', enabled=False)


@pytest.fixture
def config(tiny_config):
    sizes = {**tiny_config.sizes, 'channels': [32, 32, 64]}
    return replace(tiny_config, optimiser='muon', sizes=sizes)


def gradients_of(model, seed, scale=1e-3):
    generator = torch.Generator().manual_seed(seed)
    return [
        scale * torch.randn(p.shape, generator=generator)
        for p in model.parameters()
        if p.requires_grad
    ]


def by_order(model, gradients, parameters):
    """Gradients of the model's order in that of some parameters."""
    named = {
        id(parameter): gradient
        for parameter, gradient in zip(
            (p for p in model.parameters() if p.requires_grad),
            gradients,
            strict=True,
        )
    }
    return [named[id(parameter)] for parameter in parameters]


def test_steps_are_those_of_the_other_optimiser(config):
    torch.manual_seed(0)
    model = build(config)
    other = copy.deepcopy(model)
    device = DeviceOptimiser(model, config, NO_SCALER)
    python = Optimiser(other, config, NO_SCALER)
    for step in range(3):
        gradients = gradients_of(model, step, 10.0 ** (step - 3))
        for optimiser in (device, python):
            optimiser.set_rates(0.5)
        norm = device.step(by_order(model, gradients, device.parameters))
        learning = [p for p in other.parameters() if p.requires_grad]
        products = (p * g for p, g in zip(learning, gradients, strict=True))
        expected = python.step(sum(product.sum() for product in products), 0)
        assert norm.item() == pytest.approx(expected, rel=1e-4)
    for mine, theirs in zip(
        model.parameters(), other.parameters(), strict=True
    ):
        # bfloat16 inside of Muon
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), 1e6])
def test_insane_gradients_change_nothing(config, bad):
    torch.manual_seed(0)
    model = build(config)
    optimiser = DeviceOptimiser(model, config, NO_SCALER)
    optimiser.set_rates(1.0)
    for _ in range(501):  # then norms have settled
        small = [torch.full_like(p, 1e-9) for p in optimiser.parameters]
        optimiser._is_sane(torch.stack([g.norm() for g in small]).norm())
    before = [p.detach().clone() for p in model.parameters()]
    gradients = [torch.zeros_like(p) for p in optimiser.parameters]
    gradients[0].view(-1)[0] = bad
    optimiser.step(gradients)
    assert optimiser.skipped == 1
    for parameter, value in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, value, rtol=0, atol=0)
    optimiser.step([torch.full_like(g, 1e-9) for g in gradients])
    assert optimiser.skipped == 1
    assert all(p.isfinite().all() for p in model.parameters())


def test_its_state_goes_on(config):
    torch.manual_seed(0)
    model = build(config)
    optimiser = DeviceOptimiser(model, config, NO_SCALER)
    optimiser.set_rates(1.0)
    first, second = (gradients_of(model, seed) for seed in (0, 1))
    optimiser.step(by_order(model, first, optimiser.parameters))
    state, middle = optimiser.state(), copy.deepcopy(model)
    continued = DeviceOptimiser(middle, config, NO_SCALER)
    continued.load(copy.deepcopy(state))
    continued.set_rates(1.0)
    optimiser.step(by_order(model, second, optimiser.parameters))
    continued.step(by_order(middle, second, continued.parameters))
    for mine, theirs in zip(
        model.parameters(), middle.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_a_state_of_another_kind_is_refused(config):
    model = build(config)
    other = Optimiser(build(config), config, NO_SCALER)
    with pytest.raises(ValueError, match='other parameters'):
        DeviceOptimiser(model, config, NO_SCALER).load(other.state())
