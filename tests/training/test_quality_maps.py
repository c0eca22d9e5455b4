"""Random quality maps have the paper's kinds, shares and ranges."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from napari_sft_training.quality_maps import random_regions, sample_map

UNIFORM, REGIONS, GRADIENT, BLOBS = np.eye(4)


def kind_of(q: np.ndarray) -> str:
    """Tell the kinds apart by their looks."""
    if np.ptp(q) == 0:
        return 'uniform'
    if len(np.unique(q)) <= 7:  # random regions are at most seven
        return 'regions'
    if not np.ptp(q, 0).any() or not np.ptp(q, 1).any():
        return 'gradient'
    return 'blobs'


def test_kinds_come_in_their_shares():
    rng = np.random.default_rng(0)
    shares = (0.4, 0.3, 0.2, 0.1)
    count = 1500
    kinds = Counter(
        kind_of(sample_map(rng, 16, None, shares)) for _ in range(count)
    )
    names = ('uniform', 'regions', 'gradient', 'blobs')
    for name, share in zip(names, shares, strict=True):
        deviation = (count * share * (1 - share)) ** 0.5
        assert abs(kinds[name] - count * share) < 4 * deviation, name


@pytest.mark.parametrize('shares', [UNIFORM, REGIONS, GRADIENT, BLOBS])
def test_every_kind_is_a_float32_map_in_0_to_1(shares):
    rng = np.random.default_rng(1)
    maps = np.stack([sample_map(rng, 64, None, shares) for _ in range(40)])
    assert maps.shape == (40, 64, 64)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert np.ptp(maps.mean((1, 2))) > 0.2  # not always the same quality


def test_each_region_of_a_picture_gets_one_quality_of_its_own():
    rng = np.random.default_rng(2)
    regions = np.zeros((64, 64), np.uint8)
    regions[:20], regions[40:, 30:] = 7, 200
    q = sample_map(rng, 64, regions, REGIONS)
    values = [np.unique(q[regions == number]) for number in (0, 7, 200)]
    assert [len(v) for v in values] == [1, 1, 1]
    assert len(np.unique(values)) == 3


def test_random_regions_cover_the_map_with_a_few_numbers():
    rng = np.random.default_rng(3)
    counts = {len(np.unique(random_regions(rng, 64))) for _ in range(60)}
    assert min(counts) >= 1
    assert max(counts) == 7


def test_gradients_run_straight_along_either_axis():
    rng = np.random.default_rng(4)
    along = Counter()
    for _ in range(60):
        q = sample_map(rng, 64, None, GRADIENT)
        axis = 0 if np.ptp(q, 0).max() > 0 else 1
        assert np.ptp(q, 1 - axis).max() == 0
        line = np.moveaxis(q, axis, 0)[:, 0]
        ends = np.linspace(line[0], line[-1], 64)
        np.testing.assert_allclose(line, ends, atol=1e-6)
        along[axis] += 1
    assert min(along[0], along[1]) > 15


def test_blobs_peak_at_half_quality_or_more_and_are_smooth():
    rng = np.random.default_rng(5)
    maps = [sample_map(rng, 256, None, BLOBS) for _ in range(30)]
    peaks = np.array([q.max() for q in maps])
    assert peaks.min() >= 0.5
    assert peaks.max() <= 1
    assert np.ptp(peaks) > 0.2
    # the narrowest blob, sigma sqrt(1000) pixels, is steepest at one sigma
    steepest = np.exp(-0.5) / 1000**0.5
    for q, peak in zip(maps, peaks, strict=True):
        assert np.abs(np.diff(q, axis=0)).max() <= steepest * peak * 1.01


def test_blobs_keep_their_share_of_smaller_patches():
    rng = np.random.default_rng(6)
    small = np.mean([sample_map(rng, 64, None, BLOBS) for _ in range(80)])
    large = np.mean([sample_map(rng, 256, None, BLOBS) for _ in range(80)])
    assert small == pytest.approx(large, abs=0.1)


def test_a_share_of_the_uniform_maps_is_of_quality_0():
    rng = np.random.default_rng(0)
    maps = [sample_map(rng, 4, None, UNIFORM, 0.25) for _ in range(800)]
    zero = sum(not q.any() for q in maps)
    assert abs(zero - 200) < 4 * (800 * 0.25 * 0.75) ** 0.5
    assert all(np.ptp(q) == 0 for q in maps)
