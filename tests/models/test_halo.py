"""How far the networks look, by probing: what lies beyond changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.model import Halo
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.halo import song2021_halo
from napari_sft.models.song2021 import Song2021, Song2021Config
from napari_sft.models.song2021_codec import Song2021Codec, export

CELL = 16
CUT = 32  # cells left of the window, a whole number of hyper blocks
ROWS, COLUMNS = 24, 72
SMALL = {'N': 8, 'M': 8, 'condition_channels': 4, 'sft_hidden': 4}


@pytest.fixture(scope='module')
def song_weights(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Song2021(Song2021Config(**SMALL)).eval()
    path = tmp_path_factory.mktemp('song') / 'song2021.safetensors'
    export(network, path, {})
    return path


@pytest.fixture(scope='module', params=['compact', 'song2021'])
def codec(request, tiny_weights, song_weights):
    cpu = torch.device('cpu')
    if request.param == 'song2021':
        return Song2021Codec(song_weights, cpu)
    path = tiny_weights / 'compact.safetensors'
    return CompactCodec(path, cpu, torch.float32)


@pytest.fixture(scope='module')
def whole(codec):
    """Every step over a plane, and what it starts from."""
    rng = np.random.default_rng(0)
    x = rng.random((ROWS * CELL, COLUMNS * CELL, 3), np.float32)
    fine = rng.integers(0, MAX_FINE + 1, (ROWS, COLUMNS))
    y = codec.analyse(x, fine)
    z = codec.hyper_symbols(y, fine)
    indices = codec.y_indices(z, fine)
    symbols, latents = codec.quantise(y, z, indices, fine)
    picture = codec.synthesise(latents, fine)
    return x, fine, y, z, indices, symbols, latents, picture


def right_of(start, *arrays):
    return [array[..., start:] for array in arrays]


def test_y_is_that_of_the_plane(codec, whole):
    x, fine, y, *_ = whole
    start = CUT - codec.halo.analysis
    part = codec.analyse(x[:, start * CELL :], fine[:, start:])
    torch.testing.assert_close(
        part[..., codec.halo.analysis :], y[..., CUT:], rtol=1e-5, atol=1e-5
    )


def test_z_is_that_of_the_plane(codec, whole):
    _, fine, y, z, *_ = whole
    start = CUT - min(codec.halo.hyper, CUT)
    part = codec.hyper_symbols(*right_of(start, y, fine))
    beyond = (CUT - start) // 4
    np.testing.assert_array_equal(part[..., beyond:], z[..., CUT // 4 :])


def test_indices_are_exactly_those_of_the_plane(codec, whole):
    _, fine, _, z, *_ = whole
    z = np.random.default_rng(1).integers(-300, 301, z.shape, np.int32)
    indices = codec.y_indices(z, fine)
    start = CUT - codec.halo.scales
    part = codec.y_indices(z[..., start // 4 :], fine[:, start:])
    np.testing.assert_array_equal(
        part[..., codec.halo.scales :], indices[..., CUT:]
    )
    part = codec.y_indices(z[..., CUT // 4 :], fine[:, CUT:])
    assert (part != indices[..., CUT:]).any()


def test_symbols_and_latents_are_those_of_the_plane(codec, whole):
    _, fine, y, z, indices, symbols, latents, _ = whole
    start = CUT - codec.halo.context
    part, window = codec.quantise(
        y[..., start:],
        z[..., start // 4 :],
        np.ascontiguousarray(indices[..., start:]),
        fine[:, start:],
    )
    margin = codec.halo.context
    np.testing.assert_array_equal(part[..., margin:], symbols[..., CUT:])
    torch.testing.assert_close(
        window[0][..., margin:], latents[0][..., CUT:], rtol=1e-5, atol=1e-4
    )


def test_pixels_differ_by_less_than_a_grey_level(codec, whole):
    _, fine, _, z, indices, symbols, _, picture = whole
    halo = codec.halo
    start, inner = CUT - halo.decoding, CUT - halo.synthesis
    latents = codec.restore(
        z[..., start // 4 :],
        symbols[..., start:],
        np.ascontiguousarray(indices[..., start:]),
        fine[:, start:],
    )
    first, *others = latents
    skipped = halo.decoding - halo.synthesis
    latents = (first[..., skipped:], *right_of(skipped // 4, *others))
    part = codec.synthesise(latents, fine[:, inner:])
    part = part[:, halo.synthesis * CELL :]
    error = np.abs(part - picture[:, CUT * CELL :]).max()
    assert error < 0.5 / 255


def test_a_smaller_margin_of_pixels_would_be_noticed(codec, whole):
    x, fine, y, *_ = whole
    start = CUT - codec.halo.analysis // 4
    part = codec.analyse(x[:, start * CELL :], fine[:, start:])
    errors = part[..., CUT - start :] - y[..., CUT:]
    assert errors.abs().max() > 1e-4


def test_margins_of_the_papers_networks():
    halo = song2021_halo(Song2021(Song2021Config(**SMALL)))
    assert halo == Halo(
        analysis=8, hyper=32, scales=8, context=8, synthesis=8, decoding=16
    )


@pytest.mark.parametrize(
    'ablation', ['sft', 'condition_scales', 'spatial_condition']
)
def test_ablations_look_no_further(ablation):
    whole = song2021_halo(Song2021(Song2021Config(**SMALL)))
    config = Song2021Config(**SMALL, **{ablation: False})
    part = song2021_halo(Song2021(config))
    for name, cells in vars(part).items():
        assert 0 < cells <= getattr(whole, name)


def test_steps_with_z_take_whole_hyper_blocks(codec):
    halo = codec.halo
    for cells in (halo.hyper, halo.scales, halo.context, halo.decoding):
        assert cells % 4 == 0
