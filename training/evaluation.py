"""Estimated rate and distortion of a model in training, nothing coded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napari_sft.models.compact import BLOCK
from napari_sft_training.images import find_pictures, read_picture
from napari_sft_training.loss import rate_distortion
from napari_sft_training.models import Coded, TrainableModel
from napari_sft_training.precision import Precision


def load_kodak(folder: Path) -> list[Tensor]:
    """Pictures (1, 3, H, W) in 0..1, cropped to multiples of 64."""
    pictures = []
    for path in find_pictures(folder):
        pixels = torch.from_numpy(np.array(read_picture(path)[0]))
        x = pixels.permute(2, 0, 1)[None].float() / 255
        height, width = (64 * (n // 64) for n in x.shape[-2:])
        pictures.append(x[..., :height, :width])
    return pictures


@torch.no_grad()
def evaluate_levels(
    model: TrainableModel[Any],
    pictures: list[Tensor],
    levels: list[float],
    precision: Precision,
) -> list[dict[str, float]]:
    """Mean bpp, PSNR and loss at uniform qualities, symbols rounded."""
    was_training = model.training
    model.eval()
    rows = []
    for level in levels:
        figures: list[tuple[float, ...]] = []
        for x in pictures:
            x = x.to(precision.device)
            q = torch.full_like(x[:, :1], level)
            coded = code_uniformly(model, x, level, precision)
            loss = rate_distortion(x, q, coded)
            mse = (x - coded.x_hat).square().mean((1, 2, 3))
            figures += zip(
                loss.bpp.tolist(),
                (-10 * torch.log10(mse)).tolist(),
                loss.total.tolist(),
                (coded.z_bits / q[0].numel()).tolist(),
                strict=True,
            )
        bpp, psnr, total, z_bpp = np.mean(figures, 0)
        rows.append(
            {
                'quality': 100 * level,
                'bpp': bpp,
                'psnr': psnr,
                'loss': total,
                'z_bpp': z_bpp,
            }
        )
    model.train(was_training)
    return rows


def code_uniformly(
    model: TrainableModel[Any], x: Tensor, level: float, precision: Precision
) -> Coded:
    """Code pictures at one quality (0..1); x_hat is clamped."""
    q = torch.full_like(x[:, :1, ::BLOCK, ::BLOCK], level)
    with precision.autocast():
        coded = model(x, q)
    coded.x_hat = coded.x_hat.clamp(0, 1)
    return coded


@torch.no_grad()
def save_reconstructions(
    model: TrainableModel[Any],
    x: Tensor,
    levels: list[float],
    precision: Precision,
    path: Path,
) -> None:
    """Write pictures and what the model makes of them as one PNG.

    Parameters
    ----------
    model : TrainableModel
        In evaluation mode for the time.
    x : Tensor
        Pictures (B, 3, H, W) in 0..1, a row of the PNG each: the picture,
        then its reconstruction at each level.
    levels : list of float
        Uniform qualities in 0..1.
    precision : Precision
        Where and how to compute.
    path : Path
        File to write.
    """
    was_training = model.training
    model.eval()
    x = x.to(precision.device)
    columns = [x] + [
        code_uniformly(model, x, level, precision).x_hat.float()
        for level in levels
    ]
    model.train(was_training)
    sheet = torch.cat([torch.cat(list(column), 1) for column in columns], 2)
    pixels = (sheet * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(pixels).save(path)


def mean_loss(rows: list[dict[str, float]]) -> float:
    """Mean loss over the levels."""
    return math.fsum(row['loss'] for row in rows) / len(rows)
