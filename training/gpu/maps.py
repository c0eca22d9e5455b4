"""The maps of `quality_maps`, a batch at once on any device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

POINTS, BLOBS, REGIONS = 7, 20, 256  # at most


def random_maps(
    count: int,
    size: int,
    shares: Sequence[float],
    zero_share: float,
    regions: Tensor,
    known: Tensor,
) -> Tensor:
    """Draw maps of all kinds.

    Parameters
    ----------
    count, size : int
        How many, and their height and width in pixels.
    shares : sequence of float
        Shares of uniform, region, gradient and blob maps; they sum to 1.
    zero_share : float
        Share of the uniform maps whose quality is 0.
    regions : Tensor of int64
        Region numbers (count, size, size), 0..255.
    known : Tensor of bool
        (count,): whether these are the picture's; random ones if not.

    Returns
    -------
    Tensor
        q in 0..1, (count, 1, size, size), on the device of `regions`.
    """
    device = regions.device
    kinds = (
        _uniform(count, size, zero_share, device),
        _per_region(regions, known),
        _gradients(count, size, device),
        _blobs(count, size, device),
    )
    draw, q = _draw(device, count), kinds[-1]
    bound = 1.0
    for kind, share in zip(kinds[-2::-1], shares[:0:-1], strict=True):
        bound -= share
        q = torch.where(draw < bound, kind, q)
    return q[:, None]


def _draw(device: torch.device, count: int, *more: int) -> Tensor:
    """Uniform in 0..1, (count, 1, 1), or of the shape given."""
    return torch.rand(count, *(more or (1, 1)), device=device)


def _uniform(
    count: int, size: int, zero_share: float, device: torch.device
) -> Tensor:
    q = _draw(device, count) * (_draw(device, count) >= zero_share)
    return q.expand(count, size, size)


def _per_region(regions: Tensor, known: Tensor) -> Tensor:
    count, size = regions.shape[:2]
    regions = torch.where(
        known[:, None, None], regions, _cells(count, size, regions.device)
    )
    qualities = _draw(regions.device, count, REGIONS)
    return qualities.gather(1, regions.flatten(1)).view(count, size, size)


def _cells(count: int, size: int, device: torch.device) -> Tensor:
    """Cells of a few random points, numbered."""
    axis = torch.arange(size, device=device).float()
    points = _draw(device, count, POINTS, 2) * size
    y, x = (points[..., n, None, None] for n in range(2))
    distance = (axis[:, None] - y) ** 2 + (axis - x) ** 2
    used = 2 + (_draw(device, count) * (POINTS - 1)).long()
    number = torch.arange(POINTS, device=device).view(-1, 1, 1)
    unused = number >= used[:, None].clamp(max=POINTS)
    return distance.masked_fill(unused, torch.inf).argmin(1)


def _gradients(count: int, size: int, device: torch.device) -> Tensor:
    start, stop = (_draw(device, count) for _ in range(2))
    ramp = start + (stop - start) * torch.linspace(0, 1, size, device=device)
    rows = ramp.expand(count, size, size)
    return torch.where(_draw(device, count) < 0.5, rows.mT, rows)


def _blobs(count: int, size: int, device: torch.device) -> Tensor:
    axis = torch.arange(size, device=device).float()
    centre = _draw(device, count, BLOBS, 2) * size
    unit = (size / 256) ** 2
    variance = (1000 + 2000 * _draw(device, count, BLOBS, 2)) * unit
    bells = torch.exp(
        -((axis - centre[..., None]) ** 2) / (2 * variance[..., None])
    )
    used = torch.arange(BLOBS, device=device) <= (
        _draw(device, count, 1) * BLOBS
    ).long().clamp(max=BLOBS - 1)
    density = used / variance.prod(-1).sqrt()
    total = torch.einsum(
        'bk,bki,bkj->bij', density, bells[:, :, 0], bells[:, :, 1]
    )
    peak = total.amax((1, 2), keepdim=True)
    return total / peak * (0.5 + 0.5 * _draw(device, count))
