"""Layers of song2021 against their formulas, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.models.gdn import GDN1, LowerBound
from napari_sft.models.song2021_entropy import (
    EntropyBottleneck,
    GaussianConditional,
    scale_table,
)
from napari_sft.models.song2021_layers import (
    SFT,
    SFTResblk,
    conv,
    first_condition,
    up_conv,
)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        yield


def randomise(module: torch.nn.Module) -> torch.nn.Module:
    """Move every parameter away from its start."""
    for parameter in module.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def numpy_of(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [tensor.detach().double().numpy() for tensor in tensors]


def plain_convolution(x, weight, bias, padding='constant', stride=1):
    """Correlation of (C, H, W) with (O, C, k, k), position by position."""
    kernel = weight.shape[-1]
    half = kernel // 2
    x = np.pad(x, [(0, 0), (half, half), (half, half)], padding)
    height, width = (size - 2 * half for size in x.shape[1:])
    out = np.zeros((len(weight), -(-height // stride), -(-width // stride)))
    for row, column in np.ndindex(out.shape[1:]):
        top, left = stride * row, stride * column
        window = x[:, top : top + kernel, left : left + kernel]
        out[:, row, column] = np.tensordot(weight, window, 3) + bias
    return out


def plain_up_convolution(x, weight, bias):
    """Every input adds its kernel (C, O, k, k), twice as far apart."""
    channels, outputs, kernel, _ = weight.shape
    height, width = x.shape[1:]
    half = kernel // 2
    out = np.zeros((outputs, 2 * height + 2 * half, 2 * width + 2 * half))
    for c, row, column in np.ndindex(channels, height, width):
        place = np.s_[:, 2 * row : 2 * row + kernel]
        rows = out[place]
        rows[:, :, 2 * column : 2 * column + kernel] += (
            x[c, row, column] * weight[c]
        )
    inside = slice(half, half + 2 * height), slice(half, half + 2 * width)
    return out[:, inside[0], inside[1]] + bias[:, None, None]


def plain_sft(sft: SFT, x: np.ndarray, condition: np.ndarray) -> np.ndarray:
    shared = numpy_of(sft.mlp_shared[0].weight, sft.mlp_shared[0].bias)
    hidden = np.maximum(plain_convolution(condition, *shared), 0)
    gamma, beta = (
        plain_convolution(hidden, *numpy_of(layer.weight, layer.bias))
        for layer in (sft.mlp_gamma, sft.mlp_beta)
    )
    return x * (1 + gamma) + beta


def assert_close(tensor: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(tensor[0].numpy(), expected, atol=2e-5)


@pytest.mark.parametrize('inverse', [False, True])
def test_gdn1_divides_or_multiplies_by_mixed_magnitudes(inverse):
    layer = randomise(GDN1(5, inverse))
    x = torch.randn(1, 5, 3, 4)
    learned_beta, learned_gamma, values = numpy_of(
        layer.beta, layer.gamma, x[0]
    )
    beta = np.maximum(learned_beta, np.sqrt(1e-6 + 2.0**-36)) ** 2 - 2.0**-36
    gamma = np.maximum(learned_gamma, 2.0**-18) ** 2 - 2.0**-36
    norm = beta[:, None, None] + np.einsum(
        'oc,chw->ohw', gamma, np.abs(values)
    )
    expected = values * norm if inverse else values / (norm + 1e-4)
    assert_close(layer(x), expected)


def test_gdn1_starts_with_a_tenth_of_each_channel_and_one():
    layer = GDN1(3, inverse=True)
    x = torch.randn(1, 3, 2, 2)
    assert_close(layer(x), numpy_of(x[0] * (1 + 0.1 * x[0].abs()))[0])


def test_a_lower_bound_lets_gradients_lead_back_inside():
    with torch.enable_grad():
        x = torch.tensor([-1.0, -1.0, 2.0], requires_grad=True)
        direction = torch.tensor([1.0, -1.0, 1.0])
        (LowerBound(0.5)(x) * direction).sum().backward()
    assert x.grad.tolist() == [0, -1, 1]


@pytest.mark.parametrize('padding', ['zeros', 'reflect'])
def test_convolutions_halve_and_pad_as_named(padding):
    layer = conv(2, 3, 5, 2, padding)
    x = torch.randn(1, 2, 8, 6)
    mode = {'zeros': 'constant'}.get(padding, padding)
    weights = numpy_of(layer.weight, layer.bias)
    expected = plain_convolution(numpy_of(x[0])[0], *weights, mode, 2)
    assert_close(layer(x), expected)


@pytest.mark.parametrize('kernel', [3, 5])
def test_transposed_convolutions_double(kernel):
    layer = up_conv(2, 3, kernel)
    x = torch.randn(1, 2, 4, 3)
    expected = plain_up_convolution(*numpy_of(x[0], layer.weight, layer.bias))
    assert_close(layer(x), expected)


def test_sft_scales_by_one_plus_gamma_and_shifts():
    layer = SFT(4, 3, hidden=6)
    x, condition = torch.randn(1, 4, 5, 4), torch.randn(1, 3, 5, 4)
    expected = plain_sft(layer, *numpy_of(x[0], condition[0]))
    assert_close(layer(x, condition), expected)


def test_sft_averages_a_finer_condition():
    layer = SFT(4, 3, hidden=6)
    x, condition = torch.randn(1, 4, 2, 3), torch.randn(1, 3, 4, 6)
    coarse = condition.reshape(3, 2, 2, 3, 2).mean((2, 4))
    expected = plain_sft(layer, *numpy_of(x[0], coarse))
    assert_close(layer(x, condition), expected)


def test_residual_block_modulates_before_each_activation():
    layer = SFTResblk(4, 3, hidden=6)
    x, condition = torch.randn(1, 4, 4, 5), torch.randn(1, 3, 4, 5)
    start, prior = numpy_of(x[0], condition[0])
    h = start
    for norm, convolution in (
        (layer.norm_0, layer.conv_0),
        (layer.norm_1, layer.conv_1),
    ):
        h = plain_sft(norm, h, prior)
        h = np.where(h < 0, 0.2 * h, h)
        weights = numpy_of(convolution.weight, convolution.bias)
        h = plain_convolution(h, *weights)
    assert_close(layer(x, condition), start + h)


def test_condition_networks_have_the_slope_of_a_tenth():
    network = first_condition(2, 2)
    x = torch.randn(1, 2, 4, 4)
    h = numpy_of(x[0])[0]
    for number in (0, 2, 4):
        h = np.where(h < 0, 0.1 * h, h) if number else h
        layer = network[number]
        h = plain_convolution(h, *numpy_of(layer.weight, layer.bias))
    assert_close(network(x), h)


def plain_cumulative(prior: EntropyBottleneck, channel: int, x: float):
    """Cumulative density of one channel at one value."""
    h = np.array([[x]])
    for number, matrix in enumerate(prior._matrices):
        weights, bias = numpy_of(matrix, prior._biases[number])
        h = np.log1p(np.exp(weights[channel])) @ h + bias[channel]
        if number < 4:
            (factor,) = numpy_of(prior._factors[number])
            h = h + np.tanh(factor[channel]) * np.tanh(h)
    return 1 / (1 + np.exp(-h[0, 0]))


def test_the_prior_rounds_around_medians_and_integrates_its_density():
    prior = randomise(EntropyBottleneck(3)).eval()
    z = 5 * torch.randn(2, 3, 2, 4)
    z_hat, likelihood = prior(z)
    medians = prior.medians.reshape(1, 3, 1, 1)
    torch.testing.assert_close(z_hat, (z - medians).round() + medians)
    for index in [(0, 0, 0, 0), (1, 2, 1, 3), (1, 1, 0, 2)]:
        value = float(z_hat[index])
        mass = plain_cumulative(
            prior, index[1], value + 0.5
        ) - plain_cumulative(prior, index[1], value - 0.5)
        assert float(likelihood[index]) == pytest.approx(mass, rel=1e-4)


def test_the_prior_adds_noise_in_training():
    prior = EntropyBottleneck(3).train()
    z = torch.randn(2, 3, 8, 8)
    noise = prior(z)[0] - z
    assert float(noise.abs().max()) <= 0.5 + 1e-6
    assert float(noise.std()) == pytest.approx(12**-0.5, rel=0.1)


def test_the_auxiliary_loss_vanishes_at_the_tails_and_the_median():
    prior = randomise(EntropyBottleneck(2)).double()
    tails = [5e-10, 0.5, 1 - 5e-10]
    targets = torch.tensor(tails, dtype=torch.float64)
    for channel in range(2):
        for position, target in enumerate(targets):
            low, high = -1e4, 1e4
            for _ in range(100):
                middle = (low + high) / 2
                values = torch.full((2, 1, 1), middle).double()
                below = prior.logits(values)[channel] < torch.logit(target)
                low, high = (middle, high) if below else (low, middle)
            prior.quantiles[channel, 0, position] = low
    assert float(prior.loss()) < 1e-3


def test_gaussians_are_integrated_over_unit_intervals():
    conditional = GaussianConditional().eval()
    y, means = 3 * torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    scales = 3 * torch.rand(1, 2, 4, 4) - 0.5  # some below the least, 0.11
    y_hat, likelihood = conditional(y, scales, means)
    torch.testing.assert_close(y_hat, (y - means).round() + means)
    bounded = scales.double().clamp(min=0.11)
    normal = torch.distributions.Normal(means.double(), bounded)
    mass = normal.cdf(y_hat.double() + 0.5) - normal.cdf(y_hat.double() - 0.5)
    torch.testing.assert_close(
        likelihood.double(), mass.clamp(min=1e-9), atol=1e-6, rtol=1e-3
    )


def test_scales_run_from_0_11_to_256_in_equal_ratios():
    table = np.array(scale_table())
    assert (table[0], table[-1], len(table)) == pytest.approx((0.11, 256, 64))
    ratios = table[1:] / table[:-1]
    np.testing.assert_allclose(ratios, ratios[0])
