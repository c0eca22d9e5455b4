"""The closed loop: y corrected by what the decoder makes of it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_sft.models.closed_loop import (
    closed_loop,
    error_in_symbols,
    relative_lambda,
)
from napari_sft.models.compact import CompactConfig, CompactModel
from napari_sft.models.feedback import FeedbackNetwork
from napari_sft.models.weights_file import load_weights


@pytest.fixture
def model(tiny_weights):
    groups, about, _ = load_weights(tiny_weights / 'compact.safetensors')
    model = CompactModel(CompactConfig(**about['config']))
    model.load_state_dict(groups['network'])
    return model.eval()


@pytest.fixture
def x(make_picture):
    picture = torch.from_numpy(make_picture(64, 128)) / 255
    return picture.permute(2, 0, 1)[None].float()


def cells(quality):
    return torch.full((1, 1, 4, 8), quality / 100)


def weight_of(q):
    weight = relative_lambda(q)
    return weight.repeat_interleave(16, 2).repeat_interleave(16, 3)


def first_pass(model, x, q):
    y = model.analyse(x, q)
    prior = model.prior(y, q)
    y_hat, _ = model.run_context(
        prior.z_hat, prior.whole, q, prior.condition, lambda m: (y - m).round()
    )
    return y_hat.detach(), prior.condition.detach()


def error(model, y_hat, q, condition, x):
    picture = model.synthesise(y_hat, q, condition)
    if x.shape[1] == 1:
        picture = picture.mean(1, keepdim=True)
    squares = (picture - x).square().mean(1, keepdim=True)
    return (weight_of(q) * squares).sum()


def test_relative_lambda_is_the_papers():
    q = torch.tensor([0.0, 0.5, 1.0])
    papers = 1e-3 * np.exp(4.382 * q.numpy())
    np.testing.assert_allclose(relative_lambda(q), papers / papers[1], 1e-3)


@pytest.mark.parametrize('channels', [1, 3])
def test_errors_point_downhill(model, x, channels):
    q = torch.linspace(0.2, 0.9, 8).expand(1, 1, 4, 8)
    y_hat, condition = first_pass(model, x, q)
    x = x[:, :channels]
    step = error_in_symbols(model, y_hat, q, condition, x, weight_of(q))
    assert step.shape == y_hat.shape
    assert not step.requires_grad
    errors = [
        error(model, y_hat + share * step, q, condition, x)
        for share in (0.0, 0.05, 0.1)
    ]
    assert errors[2] < errors[1] < errors[0]


def test_pixels_without_weight_ask_for_nothing(model, x):
    q = cells(50)
    y_hat, condition = first_pass(model, x, q)
    weight = torch.zeros(1, 1, 64, 128)
    step = error_in_symbols(model, y_hat, q, condition, x, weight)
    assert not step.any()


def test_parameters_get_no_gradient_from_errors(model, x):
    q = cells(50)
    y_hat, condition = first_pass(model, x, q)
    error_in_symbols(model, y_hat, q, condition, x, weight_of(q))
    assert all(p.grad is None for p in model.parameters())


def test_without_correction_it_is_the_open_loop(model, x):
    model.feedback.error_share.data.zero_()
    model.feedback.rounding_share.data.zero_()
    with torch.no_grad():
        one, other = model(x, cells(60)), closed_loop(model, x, cells(60))
    assert torch.equal(one.x_hat, other.x_hat)
    torch.testing.assert_close(one.y_bits, other.y_bits)
    assert torch.equal(one.z_bits, other.z_bits)


def loss(output, x, quality):
    weight = 255**2 * 1e-3 * np.exp(4.382 * quality / 100)
    squares = (output.x_hat - x).square().mean(1).sum()
    return float(output.y_bits.sum() + output.z_bits.sum() + weight * squares)


@pytest.mark.parametrize('quality', [30, 80])
@pytest.mark.parametrize('corrections', [1, 3])
@torch.no_grad()
def test_it_is_better_than_the_open_loop(model, x, quality, corrections):
    q = cells(quality)
    before = loss(model(x, q), x, quality)
    assert loss(closed_loop(model, x, q, corrections), x, quality) < before


@torch.no_grad()
def test_corrections_go_on_from_the_last_one(model, x):
    torch.manual_seed(0)
    torch.nn.init.normal_(model.feedback.out.weight, std=0.02)
    one, two, three = (closed_loop(model, x, cells(80), n) for n in (1, 2, 3))
    assert not torch.equal(one.x_hat, two.x_hat)
    assert not torch.equal(two.x_hat, three.x_hat)
    assert torch.equal(one.z_bits, three.z_bits)


@pytest.mark.parametrize('corrections', [1, 2])
def test_training_reaches_all_that_comes_after_y(model, x, corrections):
    model.train()
    # where the last layer is 0, those before it get nothing
    torch.nn.init.normal_(model.feedback.out.weight, std=0.01)
    torch.manual_seed(0)
    output = closed_loop(model, x, cells(70), corrections)
    bits = output.y_bits.sum() + output.z_bits.sum()
    (bits / 8192 + 1e3 * (output.x_hat - x).square().mean()).backward()
    for part in (model.feedback, model.g_s, model.h_a, model.h_s):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
    assert all(p.grad is None for p in model.g_a.parameters())


def test_training_sees_what_will_be_coded(model, x):
    model.train()
    trained = closed_loop(model, x, cells(50), 2)
    model.eval()
    coded = closed_loop(model, x, cells(50), 2)
    torch.testing.assert_close(trained.x_hat, coded.x_hat)
    # their scales are between the levels that files have
    bits = coded.y_bits.sum().item()
    assert trained.y_bits.sum().item() == pytest.approx(bits, rel=0.02)


def test_a_fresh_network_corrects_little():
    torch.manual_seed(0)
    network = FeedbackNetwork(8, 16, 4)
    seen = [torch.randn(1, 8, 5, 6).clamp(-0.5, 0.5) for _ in range(4)]
    change = network(*seen, torch.randn(1, 4, 5, 6))
    assert change.shape == (1, 8, 5, 6)
    assert 0 < change.abs().mean() < 0.1


def test_encoders_do_not_load_a_compiler():
    """Triton crashes beside the LLVM with which some windows are drawn."""
    code = (
        'import sys, napari_sft.models.refinement\n'
        "assert 'torch' in sys.modules\n"
        "assert not {'torch._dynamo', 'triton'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
