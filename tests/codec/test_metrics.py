from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_msssim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sft.codec.errors import ImageError, MapError, SftError
from napari_sft.codec.metrics import (
    ErrorTally,
    bd_rate,
    max_error,
    ms_ssim,
    mse,
    psnr,
    region_statistics,
)

RATES, PSNRS = [0.1, 0.25, 0.5, 1.0, 1.8], [27.0, 30.0, 33.0, 36.5, 39.0]


def planes(shape, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.random(shape)
    return a, np.clip(a + rng.normal(0, 0.05, shape), 0, 1)


def test_unsigned_integers_do_not_wrap_around():
    a = np.array([[0, 10]], np.uint8)
    b = np.array([[3, 6]], np.uint8)
    assert mse(a, b) == 12.5
    assert max_error(a, b) == 4
    assert psnr(a, b, 255) == pytest.approx(10 * math.log10(255**2 / 12.5))


def test_psnr_of_equal_images_is_infinite():
    a = np.ones((3, 4))
    assert psnr(a, a, 1) == math.inf


@pytest.mark.parametrize('measure', [mse, max_error])
def test_images_of_two_shapes_or_none_are_not_compared(measure):
    with pytest.raises(ImageError, match=r'\(3, 4\) and \(4, 3\)'):
        measure(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ImageError, match='empty'):
        measure(np.ones((0, 4)), np.ones((0, 4)))


@pytest.mark.parametrize('shape', [(161, 170), (170, 161, 3)])
def test_ms_ssim_is_1_for_equal_planes_and_falls_with_noise(shape):
    a, b = planes(shape)
    assert ms_ssim(a, a, 1) == pytest.approx(1)
    value = ms_ssim(a, b, 1)
    assert value is not None
    assert 0.5 < value < 0.999
    assert ms_ssim(255 * a, 255 * b, 255) == pytest.approx(value)


@pytest.mark.parametrize('noise', [0.1, 0.01, 0.0003])
@pytest.mark.parametrize('data_range', [1.0, 255.0])
def test_ms_ssim_is_that_of_double_precision(noise, data_range, make_picture):
    a = make_picture(170, 180) / 255 * data_range
    b = a + np.random.default_rng(0).normal(0, noise * data_range, a.shape)
    planes = (torch.from_numpy(p.transpose(2, 0, 1)[None]) for p in (a, b))
    wanted = float(pytorch_msssim.ms_ssim(*planes, data_range=data_range))
    assert ms_ssim(a, b, data_range) == pytest.approx(wanted, abs=1e-5)


def test_ms_ssim_of_planes_too_small_for_its_five_scales_is_none():
    a, b = planes((160, 400))
    assert ms_ssim(a, b, 1) is None


def test_regions_are_measured_apart():
    original = np.zeros((4, 6, 3))
    decoded = original.copy()
    decoded[:, 2:] = 0.1
    decoded[0, 0, 0] = 0.4
    quality = np.full((4, 6), 25)
    quality[:, :2] = 75
    low, high = region_statistics(original, decoded, quality)
    assert low.quality == (25, 25)
    assert low.pixels == 16
    assert low.mse == pytest.approx(0.01)
    assert low.largest_error == pytest.approx(0.1)
    assert high.quality == (75, 75)
    assert high.pixels == 8
    assert high.mse == pytest.approx(0.16 / 24)
    assert high.largest_error == pytest.approx(0.4)


def test_many_qualities_are_grouped_into_ranges():
    a, b = planes((40, 101))
    quality = np.broadcast_to(np.arange(101), (40, 101))
    regions = region_statistics(a, b, quality, limit=5)
    assert len(regions) == 5
    assert sum(region.pixels for region in regions) == a.size
    assert regions[0].quality[0] == 0
    assert regions[-1].quality[1] == 100
    bounds = [bound for region in regions for bound in region.quality]
    assert bounds == sorted(bounds)
    total = sum(region.mse * region.pixels for region in regions) / a.size
    assert total == pytest.approx(mse(a, b))


@given(st.integers(1, 29), st.booleans())
@settings(deadline=None)
def test_tiles_add_up_to_the_whole(cut, colour):
    a, b = planes((30, 20, 3) if colour else (30, 20), cut)
    quality = np.linspace(0, 100, 20)[None].repeat(30, axis=0)
    tally = ErrorTally()
    tally.add(a[:cut], b[:cut], quality[:cut])
    tally.add(a[cut:], b[cut:], quality[cut:])
    statistics = tally.statistics(ms_ssim=0.9)
    assert statistics.mse == pytest.approx(mse(a, b))
    assert statistics.largest_error == max_error(a, b)
    assert statistics.ms_ssim == 0.9
    whole = region_statistics(a, b, quality)
    assert [r.pixels for r in statistics.regions] == [r.pixels for r in whole]
    np.testing.assert_allclose(
        [r.mse for r in statistics.regions], [r.mse for r in whole]
    )


def test_a_number_counts_as_a_map_of_one_quality_and_needs_no_regions():
    a, b = planes((8, 9, 3))
    tally = ErrorTally()
    tally.add(a, b, 50)
    (region,) = tally.regions()
    (as_array,) = region_statistics(a, b, np.full((8, 9), 50))
    assert region.pixels == as_array.pixels == 72
    assert region.quality == as_array.quality
    assert region.mse == pytest.approx(as_array.mse)
    assert tally.statistics().regions == ()
    assert tally.statistics().mse == pytest.approx(mse(a, b))


def test_a_map_of_another_shape_is_refused():
    a, b = planes((8, 9))
    with pytest.raises(MapError, match=r'\(9, 8\)'):
        region_statistics(a, b, np.zeros((9, 8)))


@pytest.mark.parametrize('factor', [0.5, 1.0, 1.3])
def test_bd_rate_of_a_scaled_curve_is_the_scale(factor):
    scaled = [factor * rate for rate in RATES]
    assert bd_rate(RATES, PSNRS, scaled, PSNRS) == pytest.approx(
        100 * (factor - 1)
    )


def test_bd_rate_compares_only_where_curves_overlap_in_any_order():
    wild = [*RATES[:-1], 55.0]
    longer = [*PSNRS[:-1], 60.0]
    value = bd_rate(RATES[:3], PSNRS[:3], wild[::-1], longer[::-1])
    assert value == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ('bpp', 'quality', 'message'),
    [
        ([0.1], [30], 'two or more'),
        ([0.1, 0.2], [30, 31, 32], 'two or more'),
        ([0.0, 0.2], [30, 31], 'above 0'),
        ([0.1, 0.2], [30, 30], 'distinct'),
        ([0.1, 0.2], [30, math.nan], 'finite'),
        ([0.1, 0.2], [50, 60], 'no PSNR in common'),
    ],
)
def test_unusable_curves_are_refused(bpp, quality, message):
    with pytest.raises(SftError, match=message):
        bd_rate(RATES, PSNRS, bpp, quality)


def test_merged_tallies_are_as_one():
    a, b = planes((40, 50, 3))
    quality = np.repeat([[20.0], [80.0]], 20, 0) * np.ones(50)
    whole, first, second = ErrorTally(), ErrorTally(), ErrorTally()
    whole.add(a, b, quality)
    first.add(a[:30], b[:30], quality[:30])
    second.add(a[30:], b[30:], 80)
    first.merge(second)
    merged, expected = first.statistics(), whole.statistics()
    assert merged.mse == pytest.approx(expected.mse)
    assert merged.largest_error == expected.largest_error
    for one, other in zip(merged.regions, expected.regions, strict=True):
        assert one.pixels == other.pixels
        assert one.mse == pytest.approx(other.mse)
