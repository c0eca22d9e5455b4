"""The loss is the paper's, pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch

from napari_sft_training.loss import lambda_of, rate_distortion, sample_weight
from napari_sft_training.models import Coded


def test_lambda_goes_from_1e_3_by_the_papers_exponent():
    q = torch.tensor([0.0, 0.5, 1.0])
    expected = [1e-3, 1e-3 * math.exp(2.191), 1e-3 * math.exp(4.382)]
    assert lambda_of(q).tolist() == pytest.approx(expected)


def test_loss_of_each_picture_is_what_a_hand_computes():
    x = torch.zeros(2, 3, 64, 128)
    x_hat = x.clone()
    x_hat[0, :, :, :64] = 0.1  # the left half is off by a tenth
    x_hat[1] = -0.2
    q = torch.zeros(2, 1, 64, 128)
    q[0, :, :, 64:] = 1.0  # what is not off doesn't count
    q[1] = 0.5
    y_bits, z_bits = torch.tensor([256.0, 512.0]), torch.tensor([30.0, 0.0])
    loss = rate_distortion(x, q, Coded(x_hat, y_bits, z_bits))

    bpp = [286 / (64 * 128), 512 / (64 * 128)]
    distortion = [
        255**2 * 1e-3 * 0.01 / 2,
        255**2 * 1e-3 * math.exp(2.191) * 0.04,
    ]
    assert loss.bpp.tolist() == pytest.approx(bpp)
    assert loss.distortion.tolist() == pytest.approx(distortion)
    assert loss.total.tolist() == pytest.approx(
        [b + d for b, d in zip(bpp, distortion, strict=True)]
    )


def test_sample_weight_evens_out_the_qualities() -> None:
    q = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8)
    flat = sample_weight(q, 0.0)
    even = sample_weight(q, 0.5)
    assert flat.tolist() == [1.0, 1.0, 1.0]
    # losses grow with the root of lambda, from quality to quality
    assert torch.allclose(
        even * lambda_of(q[:, 0, 0, 0]).sqrt(),
        lambda_of(torch.tensor(0.5)).sqrt(),
    )
    assert even[1].item() == pytest.approx(1.0)
