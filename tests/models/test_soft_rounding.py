"""Rounding that gradients pass: slopes are those of probabilities."""

from __future__ import annotations

import math

import pytest
import torch

from napari_sft.models.soft_rounding import (
    logistic_noise,
    rounding_slope,
    soft_round,
)


@pytest.mark.parametrize('temperature', [0.1, 0.3, 1.0])
def test_slopes_of_a_unit_add_up_to_one(temperature):
    x = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 10_000 - 1
    mean = rounding_slope(x, temperature).view(2, -1).mean(1)
    torch.testing.assert_close(mean, torch.ones_like(mean), atol=1e-3, rtol=0)


def test_slopes_are_largest_between_integers():
    x = torch.tensor([-1.5, -1.3, -1.1, -1.0, 0.0, 0.1, 0.3, 0.5])
    slope = rounding_slope(x, 0.3)
    assert (slope[:3].diff() < 0).all()
    assert (slope[4:].diff() > 0).all()
    assert slope[3:5].max() < 1e-6
    torch.testing.assert_close(slope[0], slope[-1])


@pytest.mark.parametrize('x', [-0.8, 0.3, 2.45])
def test_slopes_are_those_of_soft_rounding(x):
    torch.manual_seed(0)
    temperature, step = 0.3, 0.05
    noise = logistic_noise(torch.zeros(400_000))
    above = [
        (soft_round(torch.full_like(noise, at), temperature, noise) - at)
        .gt(math.floor(at) + 0.5 - at)
        .float()
        .mean()
        for at in (x - step, x + step)
    ]
    growth = (above[1] - above[0]) / (2 * step)
    expected = rounding_slope(torch.linspace(x - step, x + step, 101), 0.3)
    assert growth.item() == pytest.approx(expected.mean().item(), abs=0.05)
