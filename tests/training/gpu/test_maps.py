"""Maps of a whole batch are of the kinds that single ones are."""

from __future__ import annotations

import pytest
import torch

from napari_sft_training.gpu.maps import random_maps

COUNT, SIZE = 24, 64


def draw(kind, *, zero_share=0.0, regions=None, count=COUNT):
    torch.manual_seed(0)
    shares = [float(n == kind) for n in range(4)]
    known = torch.full((count,), regions is not None)
    if regions is None:
        regions = torch.zeros(count, SIZE, SIZE, dtype=torch.long)
    return random_maps(count, SIZE, shares, zero_share, regions, known)


@pytest.mark.parametrize('kind', range(4))
def test_qualities_are_on_the_scale_and_differ(kind):
    q = draw(kind)
    assert q.shape == (COUNT, 1, SIZE, SIZE)
    assert q.dtype == torch.float32
    assert q.min() >= 0
    assert q.max() <= 1
    assert len(q.mean((1, 2, 3)).unique()) == COUNT


def test_uniform_maps_have_one_quality_some_of_them_the_lowest():
    q = draw(0, zero_share=0.5, count=200)
    assert (q == q[..., :1, :1]).all()
    lowest = (q[:, 0, 0, 0] == 0).float().mean()
    assert 0.35 < lowest < 0.65


def test_regions_have_one_quality_each():
    regions = torch.arange(SIZE).div(16, rounding_mode='floor')
    regions = regions.expand(COUNT, SIZE, SIZE).contiguous()
    q = draw(1, regions=regions)[:, 0]
    assert (q == q[:, :1]).all()
    for column in q[:, 0].split(1):
        assert len(column.unique()) == 4
    assert (q[..., ::16] == q[..., 15::16]).all()


def test_without_regions_there_are_cells_of_two_to_seven_points():
    numbers = {len(q.unique()) for q in draw(1)}
    assert numbers <= set(range(1, 8))  # a cell may lie outside
    assert len(numbers) > 3


def test_gradients_go_along_one_axis_at_an_even_pace():
    for (q,) in draw(2):
        rows, columns = q.diff(dim=0), q.diff(dim=1)
        along, across = sorted((rows, columns), key=lambda d: -d.abs().max())
        assert across.abs().max() == 0
        assert along.std() < 1e-5 < along.abs().mean()


def test_blobs_reach_half_the_scale_at_least_and_are_smooth():
    q = draw(3)
    peak = q.amax((1, 2, 3))
    assert peak.min() >= 0.5
    assert q.diff(dim=3).abs().max() < 0.2


def test_shares_are_kept():
    torch.manual_seed(0)
    regions = torch.zeros(2000, 8, 8, dtype=torch.long)
    known = torch.ones(2000, dtype=torch.bool)
    q = random_maps(2000, 8, (0.5, 0.2, 0.2, 0.1), 0, regions, known)
    # all pixels of one region are as uniform as uniform maps
    flat = (q.amax((1, 2, 3)) == q.amin((1, 2, 3))).float().mean()
    assert 0.65 < flat < 0.75
