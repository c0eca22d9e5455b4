"""Patches drawn on a device are parts of the training pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sft_training.gpu.patches import DevicePatches
from napari_sft_training.images import PatchSampler


def patches_of(config):
    sampler = PatchSampler(config.picture_sources(), config.patch_size)
    return DevicePatches(sampler, config, torch.device('cpu'))


@pytest.fixture
def coordinates(tiny_config, tmp_path):
    """Pictures whose pixels tell their place, and regions that do, too."""
    folder, regions = tmp_path / 'places', tmp_path / 'regions'
    folder.mkdir()
    regions.mkdir()
    for number in range(3):
        y, x = np.mgrid[:100, :120].astype(np.uint8)
        picture = np.stack([y, x, np.full_like(y, 50 * number)], -1)
        Image.fromarray(picture).save(folder / f'{number}.png')
        Image.fromarray(x // 30).save(regions / f'{number}.png')
    source = {'path': str(folder), 'regions': str(regions)}
    return replace(tiny_config, sources=[source], gray_share=0.0)


def test_patches_are_windows_of_pictures_or_of_smaller_ones(coordinates):
    torch.manual_seed(0)
    x, _ = patches_of(coordinates).draw(64)
    assert x.shape == (64, 3, 64, 64)
    places = (255 * x).round()
    down = places[:, 0].diff(dim=1)
    right = places[:, 1].diff(dim=2)
    exact = (down == 1).all((1, 2)) & (right.abs() == 1).all((1, 2))
    # a quarter come from pictures made smaller by up to 100 / 64
    assert 0.55 < exact.float().mean() < 0.95
    assert down.mean((1, 2)).max() > 1.05
    assert down.mean((1, 2)).max() < 1.6
    flipped = (right.mean((1, 2)) < 0).float().mean()
    assert 0.3 < flipped < 0.7
    assert set(places[exact, 2].unique().tolist()) == {50, 100}  # 0 validates
    tops = places[exact, 0, 0, 0]
    assert tops.min() < 6 and 30 < tops.max() <= 36


def test_regions_stay_with_their_pixels(coordinates):
    torch.manual_seed(0)
    config = replace(coordinates, map_shares=[0.0, 1.0, 0.0, 0.0])
    x, q = patches_of(config).draw(32)
    columns = (255 * x[:, 1]).round()
    exact = (columns.diff(dim=2).abs() == 1).all((1, 2))
    assert exact.any()
    numbers = columns.div(30, rounding_mode='floor')[exact]
    for places, qualities in zip(numbers, q[exact, 0], strict=True):
        for region in places.unique():
            assert len(qualities[places == region].unique()) == 1


def test_a_share_is_gray(coordinates):
    torch.manual_seed(0)
    config = replace(coordinates, gray_share=0.5)
    x, _ = patches_of(config).draw(100)
    gray = (x == x[:, :1]).all(1).all(1).all(1).float().mean()
    assert 0.3 < gray < 0.7


def test_empty_patches_are_drawn_again(tiny_config, tmp_path):
    folder = tmp_path / 'sparse'
    folder.mkdir()
    for number in range(2):
        picture = np.zeros((64, 256), np.uint8)
        picture[:, :128] = np.random.default_rng(0).integers(0, 255, (64, 128))
        Image.fromarray(picture).save(folder / f'{number}.png')
    config = replace(tiny_config, sources=[{'path': str(folder)}])
    torch.manual_seed(0)
    x, _ = patches_of(config).draw(200)
    empty = (x.flatten(1).std(1) < 2 / 255).float().mean()
    assert empty < 0.12  # a third of the windows, each tried three times


def test_sources_are_drawn_by_their_shares(tiny_config, tmp_path):
    sources = []
    for value, share in ((40, 1.0), (200, 3.0)):
        folder = tmp_path / str(value)
        folder.mkdir()
        rng = np.random.default_rng(value)
        for number in range(3):
            picture = value + rng.integers(-20, 20, (70, 70, 3))
            name = folder / f'{number}.png'
            Image.fromarray(picture.astype(np.uint8)).save(name)
        sources.append({'path': str(folder), 'share': share})
    config = replace(tiny_config, sources=sources)
    torch.manual_seed(0)
    x, q = patches_of(config).draw(400)
    bright = (x.mean((1, 2, 3)) > 120 / 255).float().mean()
    assert 0.67 < bright < 0.83
    assert q.shape == (400, 1, 64, 64)
