"""Latents refined by feedback and gradients: the cost never grows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import ModelError
from napari_sft.codec.pipeline import (
    encode_plane,
    padded_fine,
    parse_plane,
    reconstruct_plane,
    symbol_bits,
)
from napari_sft.codec.quality import lambda_of
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.entropy import SKIPPED_LEVELS
from napari_sft.models.feedback import FeedbackNetwork
from napari_sft.models.refinement import LatentRefiner, refiner_for

SHAPE = (90, 70)


@pytest.fixture(
    scope='module', params=[torch.float32, torch.bfloat16], ids=str
)
def codec(request, tiny_weights):
    path = tiny_weights / 'compact.safetensors'
    return CompactCodec(path, torch.device('cpu'), request.param)


@pytest.fixture(scope='module')
def plane(make_picture):
    return make_picture(*SHAPE).astype(np.float32) / 255


def uniform(quality):
    return CodedMap.from_quality(np.full(SHAPE, float(quality)))


def ramp(first=0, last=100):
    return CodedMap.from_quality(
        np.linspace(first, last, SHAPE[1])[None].repeat(SHAPE[0], axis=0)
    )


def loss(codec, plane, coded_map, refine=None):
    """Of what a decoder makes of the payload: bits + weighted error."""
    coded = encode_plane(codec, plane, coded_map, refine)
    symbols = parse_plane(codec, coded.payload, coded.symbols_crc, coded_map)
    picture = reconstruct_plane(codec, symbols, coded_map, plane.shape)
    squares = ((picture - plane) ** 2).reshape(*SHAPE, -1).mean(2)
    weight = lambda_of(coded_map.pixels(SHAPE))
    return symbol_bits(codec, symbols) + 255**2 * (weight * squares).sum()


def refine_with(codec, steps, told=None, corrections=0):
    refiner = LatentRefiner(codec, corrections, steps)
    told = [] if told is None else told
    return lambda x, y, fine: refiner(x, y, fine, lambda: told.append(1))


@pytest.mark.parametrize('coded_map', [uniform(75), uniform(90), ramp()])
@pytest.mark.parametrize('gray', [False, True])
def test_refining_lowers_what_a_decoder_sees(codec, plane, coded_map, gray):
    if gray:
        plane = plane[..., 1]
    before = loss(codec, plane, coded_map)
    told = []
    after = loss(codec, plane, coded_map, refine_with(codec, 32, told))
    assert after < before
    assert len(told) == 32


@pytest.mark.parametrize('coded_map', [uniform(75), uniform(90), ramp(30, 90)])
@pytest.mark.parametrize('gray', [False, True])
def test_feedback_lowers_it_in_one_step(codec, plane, coded_map, gray):
    if gray:
        plane = plane[..., 1]
    before = loss(codec, plane, coded_map)
    told = []
    refine = refine_with(codec, 0, told, corrections=1)
    assert loss(codec, plane, coded_map, refine) < before
    assert len(told) == 1


def test_every_correction_looks_again(codec, plane):
    fine = padded_fine(uniform(75))
    padded = np.pad(plane, [(0, 38), (0, 58), (0, 0)], 'edge')
    y = codec.analyse(padded, fine)
    told = []
    once, thrice = (
        refine_with(codec, 0, told, corrections)(plane, y, fine)
        for corrections in (1, 3)
    )
    assert len(told) == 4
    assert 0 < (thrice - once).abs().max() < 8


def test_gradients_go_on_where_feedback_ends(codec, plane):
    coded_map = uniform(75)
    losses = [
        loss(
            codec,
            plane[..., 1],
            coded_map,
            refine_with(codec, steps, [], times),
        )
        for steps, times in ((0, 1), (16, 0), (16, 1))
    ]
    assert losses[2] < min(losses[:2])


def test_feedback_that_harms_is_not_kept(codec, plane, monkeypatch):
    coded_map = uniform(50)
    before = loss(codec, plane, coded_map)
    monkeypatch.setattr(FeedbackNetwork, 'forward', lambda *seen: 3 * seen[2])
    harmed = refine_with(codec, 0, corrections=1)
    assert loss(codec, plane, coded_map, harmed) > before
    checked = refine_with(codec, 1, corrections=1)
    assert loss(codec, plane, coded_map, checked) <= before


def test_what_is_not_coded_is_not_changed(codec, plane):
    fine = padded_fine(uniform(20))
    padded = np.pad(plane, [(0, 38), (0, 58), (0, 0)], 'edge')
    y = codec.analyse(padded, fine).float()
    indices = codec.y_indices(codec.hyper_symbols(y, fine), fine)
    skipped = torch.from_numpy(indices < SKIPPED_LEVELS)[None]
    assert 0 < skipped.float().mean() < 1
    change = refine_with(codec, 0, corrections=1)(plane, y, fine) - y
    assert not change[skipped].any()
    assert change[~skipped].any()


def test_y_is_refined_around_the_z_that_it_had(codec, plane):
    coded_map = uniform(75)
    plain, refined = (
        encode_plane(codec, plane, coded_map, refine).symbols
        for refine in (None, refine_with(codec, 32, corrections=2))
    )
    np.testing.assert_array_equal(plain.z, refined.z)
    assert (plain.y != refined.y).any()


@pytest.mark.parametrize('steps', [1, 3])
def test_what_does_not_help_is_not_kept(codec, plane, monkeypatch, steps):
    monkeypatch.setattr('napari_sft.models.latent_block.RATE', 50.0)
    coded_map = uniform(50)
    before = loss(codec, plane, coded_map)
    after = loss(codec, plane, coded_map, refine_with(codec, steps))
    assert after <= before


@pytest.mark.parametrize(('large', 'times'), [(64, 1), (65, 0)])
def test_large_blocks_give_memory_back(
    codec, plane, monkeypatch, large, times
):
    given = []
    here = 'napari_sft.models.refinement'
    monkeypatch.setattr(f'{here}.LARGE', large)
    monkeypatch.setattr(
        f'{here}.give_back_freed_memory', lambda: given.append(1)
    )
    fine = padded_fine(uniform(40))  # 8 x 8 cells
    padded = np.pad(plane, [(0, 38), (0, 58), (0, 0)], 'edge')
    refine_with(codec, 0, corrections=1)(
        plane, codec.analyse(padded, fine), fine
    )
    assert len(given) == times


def test_the_same_pixels_give_the_same_latents(codec, plane):
    fine = padded_fine(uniform(40))
    padded = np.pad(plane, [(0, 38), (0, 58), (0, 0)], 'edge')
    y = codec.analyse(padded, fine)
    kept = y.clone()
    first, second = (refine_with(codec, 4)(plane, y, fine) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(y, kept)
    assert first.shape == y.shape


def test_efforts_are_corrections_and_twice_the_gradients(codec):
    refiners = [refiner_for(codec, effort) for effort in range(2, 10)]
    assert refiner_for(codec, 1) is None
    corrections = [refiner.corrections for refiner in refiners]
    assert corrections == [1, 3, 6, *5 * [12]]
    steps = [refiner.gradient_steps for refiner in refiners]
    assert steps == [0, 0, 0, 0, 32, 64, 128, 256]
    for refiner in refiners:
        assert refiner.steps == refiner.corrections + refiner.gradient_steps


def test_weights_without_feedback_have_gradients_alone(codec, monkeypatch):
    monkeypatch.setattr(CompactCodec, 'has_feedback', False)
    assert all(refiner_for(codec, effort) is None for effort in (1, 2, 5))
    refiner = refiner_for(codec, 6)
    assert not refiner.corrections
    assert refiner.steps == refiner.gradient_steps == 32


def test_a_model_without_gradients_is_named():
    class Other:
        name = 'song2021'

    assert all(refiner_for(Other(), effort) is None for effort in range(1, 6))
    with pytest.raises(ModelError, match="'song2021' has no efforts above 5"):
        refiner_for(Other(), 6)
