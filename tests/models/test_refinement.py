"""Latents refined by gradients: the coder's own cost never grows."""

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
from napari_sft.models.refinement import (
    STEPS,
    LatentRefiner,
    refiner_for,
)

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


def ramp():
    return CodedMap.from_quality(
        np.linspace(0, 100, SHAPE[1])[None].repeat(SHAPE[0], axis=0)
    )


def loss(codec, plane, coded_map, refine=None):
    """Of what a decoder makes of the payload: bits + weighted error."""
    coded = encode_plane(codec, plane, coded_map, refine)
    symbols = parse_plane(codec, coded.payload, coded.symbols_crc, coded_map)
    picture = reconstruct_plane(codec, symbols, coded_map, plane.shape)
    squares = ((picture - plane) ** 2).reshape(*SHAPE, -1).mean(2)
    weight = lambda_of(coded_map.pixels(SHAPE))
    return symbol_bits(codec, symbols) + 255**2 * (weight * squares).sum()


def refine_with(codec, steps, told=None):
    refiner = LatentRefiner(codec, steps)
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


@pytest.mark.parametrize('steps', [1, 3])
def test_what_does_not_help_is_not_kept(codec, plane, monkeypatch, steps):
    monkeypatch.setattr('napari_sft.models.refinement.RATE', 50.0)
    coded_map = uniform(50)
    before = loss(codec, plane, coded_map)
    after = loss(codec, plane, coded_map, refine_with(codec, steps))
    assert after <= before


def test_the_same_pixels_give_the_same_latents(codec, plane):
    fine = padded_fine(uniform(40))
    padded = np.pad(plane, [(0, 38), (0, 58), (0, 0)], 'edge')
    y = codec.analyse(padded, fine)
    kept = y.clone()
    first, second = (refine_with(codec, 4)(plane, y, fine) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(y, kept)
    assert first.shape == y.shape


def test_each_effort_doubles_the_steps(codec):
    steps = [refiner_for(codec, effort).steps for effort in range(2, 10)]
    assert steps == [steps[0] << n for n in range(8)] == list(STEPS.values())
    assert refiner_for(codec, 1) is None


def test_a_model_without_gradients_is_named():
    class Other:
        name = 'song2021'

    assert refiner_for(Other(), 1) is None
    with pytest.raises(ModelError, match="'song2021' has no efforts above 1"):
        refiner_for(Other(), 2)
