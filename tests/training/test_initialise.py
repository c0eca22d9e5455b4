"""Before any training the model is a working transform codec."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.models.compact import CompactConfig, CompactModel
from napari_sft.models.entropy import scale_of_index
from napari_sft_training.images import to_tensor
from napari_sft_training.initialise import initialise


def smooth_patches(count: int, seed: int) -> torch.Tensor:
    """Waves of random frequency, direction and colour, (count, 3, 64, 64)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] / 64
    patches = []
    for _ in range(count):
        picture = np.full((64, 64, 3), 128.0) + rng.normal(0, 25, 3)
        for _ in range(6):
            fy, fx = rng.normal(0, 1.5, 2)
            wave = np.sin(2 * np.pi * (fy * y + fx * x + rng.random()))
            picture += wave[..., None] * rng.normal(0, 15, 3)
        patches.append(np.uint8(np.clip(picture, 0, 255)))
    return to_tensor(patches)


@pytest.fixture(scope='module')
def model() -> CompactModel:
    torch.manual_seed(0)
    model = CompactModel(
        CompactConfig(
            latent_channels=32,
            hyper_channels=8,
            context_channels=16,
            channels=(8, 16, 16),
            encoder_blocks=(1, 1, 1),
            decoder_blocks=(1, 1, 1),
        )
    )
    initialise(model, smooth_patches(150, seed=0))
    return model.eval()


def test_the_linear_paths_are_an_orthonormal_basis_and_its_transpose(model):
    basis = model.g_a.linear.weight[:, :, 0, 0]
    torch.testing.assert_close(
        basis @ basis.T, torch.eye(32), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(basis.T, model.g_s.linear.weight[:, :, 0, 0])


@torch.no_grad()
def test_pictures_come_back_well_at_full_quality(model):
    x = smooth_patches(16, seed=1)
    output = model(x, torch.ones(16, 1, 4, 4))
    mse = (output.x_hat - x).square().mean((1, 2, 3))
    assert (-10 * mse.log10()).median() > 30


@torch.no_grad()
def test_lower_quality_costs_fewer_bits_before_any_training(model):
    x = smooth_patches(16, seed=1)
    bits = []
    for level in (0.0, 0.5, 1.0):
        output = model(x, torch.full((16, 1, 4, 4), level))
        bits.append(float(output.y_bits.sum() + output.z_bits.sum()))
    assert bits == sorted(bits)
    assert bits[0] < 0.7 * bits[2]


@torch.no_grad()
def test_indices_predict_the_scale_of_y(model):
    x = smooth_patches(64, seed=2)
    q = torch.rand(64, 1, 1, 1).expand(64, 1, 4, 4).contiguous()
    y = model.analyse(x, q)
    z = model.hyper_analyse(y, q, model.condition(q)).round()
    scale = scale_of_index(model.h_s(z, q))
    large = scale > 1  # smaller symbols are ruled by rounding
    normalised = (y / scale)[large]
    assert large.float().mean() > 0.05
    assert 1 / 3 < normalised.square().mean().sqrt() < 3
    # and they predict more than a constant would
    logarithms = y.abs()[large].log2(), scale[large].log2()
    assert np.corrcoef(*logarithms)[0, 1] > 0.5
