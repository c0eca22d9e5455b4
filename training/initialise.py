"""The transform-coding start of `compact`: principal components.

Before any training the model codes principal components of 16x16 blocks
with gains that follow lambda, and its hyper-latents are principal
components of the logarithms of the symbols' magnitudes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sft.models.compact import BLOCK, CompactModel
from napari_sft.models.entropy import LOG_STEP, SCALE_MIN, index_of_scale

SCALE_FLOOR = 0.05
# Bits of log magnitude that one step of z may be off: coarser costs rate
# in y, finer costs rate in z.
HYPER_STEP = 3.5
# ln of a Gaussian's scale over exp(mean of ln |n|), a little less because
# magnitudes are floored at half a symbol.
LOG_BIAS = 0.4


@torch.no_grad()
def initialise(model: CompactModel, patches: Tensor) -> None:
    """Set every linear path of the model from training patches.

    Parameters
    ----------
    model : CompactModel
        Changed in place.
    patches : Tensor
        Patches (B, 3, H, W) in 0..1, a few hundred at least.
    """
    _pixel_components(model, patches)
    _hyper_components(model, patches)


def _principal(samples: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Largest principal directions (count, D) and variances of (N, D)."""
    covariance = samples.T @ samples / len(samples)
    variances, directions = torch.linalg.eigh(covariance.double())
    order = variances.argsort(descending=True)[:count]
    return directions[:, order].T.float(), variances[order].float()


def _as_rows(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def _pixel_components(model: CompactModel, patches: Tensor) -> None:
    blocks = _as_rows(F.pixel_unshuffle(patches - 0.5, BLOCK))
    basis, variances = _principal(blocks, model.config.latent_channels)
    model.g_a.linear.weight.copy_(basis[:, :, None, None])
    model.g_s.linear.weight.copy_(basis.T[:, :, None, None])
    model.g_a.linear.bias.zero_()
    model.g_s.linear.bias.zero_()
    model.latent_scale.copy_((variances + SCALE_FLOOR**2).sqrt())


def _hyper_components(model: CompactModel, patches: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.rand(len(patches), 1, 1, 1, generator=generator)
    blocks = F.pixel_unshuffle(patches - 0.5, BLOCK)
    unit = model.unit(q)
    y = model.g_a.linear(blocks) * model.gain(q)
    log_magnitude = torch.log2((y.abs() + 0.5) / unit)
    channel_mean = log_magnitude.mean((0, 2, 3))
    mean = channel_mean.repeat_interleave(16)
    samples = _as_rows(F.pixel_unshuffle(log_magnitude, 4)) - mean
    basis, variances = _principal(samples, model.config.hyper_channels)

    analysis = basis / HYPER_STEP
    model.h_a.linear.weight.copy_(analysis[:, :, None, None])
    model.h_a.linear.bias.copy_(-(analysis @ mean))
    to_index = math.log(2) / LOG_STEP
    synthesis = basis.T * (HYPER_STEP * to_index)
    model.h_s.linear.weight.copy_(synthesis[:, :, None, None])

    log_unit = model.log_gain + model.latent_scale.log()
    log_scale = log_unit - 0.5 * model.kappa + math.log(2) * channel_mean
    base = (log_scale + LOG_BIAS - math.log(SCALE_MIN)) / LOG_STEP
    model.h_s.map_slope.weight.copy_(
        (model.kappa / LOG_STEP).view(-1, 1, 1, 1)
    )
    model.h_s.map_slope.bias.copy_(base)
    scale = (variances / HYPER_STEP**2 + 0.1).sqrt()
    model.z_index.weight.zero_()
    model.z_index.bias.copy_(index_of_scale(scale))
