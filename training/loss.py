"""The paper's pixel-wise rate-distortion loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_sft_training.models import Coded


def lambda_of(q: Tensor) -> Tensor:
    """The paper's T(q) = 1e-3 exp(4.382 q), q in 0..1."""
    return 1e-3 * torch.exp(4.382 * q)


def sample_weight(q: Tensor, exponent: float) -> Tensor:
    """``(lambda / lambda(0.5))**-exponent``, lambda the mean of each map.

    Parameters
    ----------
    q : Tensor
        Quality maps (B, 1, H, W) in 0..1.
    exponent : float
        0 for equal weights.

    Returns
    -------
    Tensor
        (B,)
    """
    middle = lambda_of(torch.tensor(0.5)).item()
    return (lambda_of(q).mean((1, 2, 3)) / middle) ** -exponent


@dataclass
class Loss:
    """Loss and its parts, each (B,).

    Attributes
    ----------
    total : Tensor
        ``bpp + distortion``.
    bpp : Tensor
        Estimated bits per pixel.
    distortion : Tensor
        ``255**2 * mean(lambda(q) * (x - x_hat)**2)``.
    """

    total: Tensor
    bpp: Tensor
    distortion: Tensor


def rate_distortion(x: Tensor, q: Tensor, coded: Coded) -> Loss:
    """Loss of each image (Song et al. 2021, equation 3).

    Parameters
    ----------
    x : Tensor
        Images (B, 3, H, W) in 0..1.
    q : Tensor
        Quality maps (B, 1, H, W) in 0..1.
    coded : Coded
        What the model made of them.
    """
    pixels = x.shape[-2] * x.shape[-1]
    bpp = (coded.y_bits + coded.z_bits) / pixels
    error = (x - coded.x_hat).square()
    distortion = 255**2 * (lambda_of(q) * error).mean((1, 2, 3))
    return Loss(bpp + distortion, bpp, distortion)
