"""Estimated rate and distortion of a model in training, no files written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sft.models.compact import BLOCK, CompactModel
from napari_sft_training.images import find_pictures, read_picture
from napari_sft_training.loss import rate_distortion

MAP_LEVELS = 31


def coded_map(q: Tensor) -> Tensor:
    """The map as the file carries it: 16x16 means, 32 levels."""
    return (F.avg_pool2d(q, BLOCK) * MAP_LEVELS).round() / MAP_LEVELS


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
    model: CompactModel, pictures: list[Tensor], levels: list[float]
) -> list[dict[str, float]]:
    """Mean bpp, PSNR and loss at uniform qualities, symbols rounded."""
    was_training = model.training
    model.eval()
    rows = []
    for level in levels:
        figures = []
        for x in pictures:
            q = torch.full_like(x[:, :1], level)
            coded = torch.full_like(x[:, :1, ::BLOCK, ::BLOCK], level)
            with torch.autocast('cpu', torch.bfloat16):
                output = model(x, coded)
            output.x_hat = output.x_hat.clamp(0, 1)
            loss = rate_distortion(x, q, output)
            mse = (x - output.x_hat).square().mean((1, 2, 3))
            figures += zip(
                loss.bpp.tolist(),
                (-10 * torch.log10(mse)).tolist(),
                loss.total.tolist(),
                (output.z_bits.sum((1, 2, 3)) / q[0].numel()).tolist(),
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


def mean_loss(rows: list[dict[str, float]]) -> float:
    """Mean loss over the levels."""
    return math.fsum(row['loss'] for row in rows) / len(rows)
