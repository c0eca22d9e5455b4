"""The codec with gradients to its map: what it says is what files hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import ModelError
from napari_sft.codec.pipeline import encode_plane, reconstruct_plane
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.song2021 import Song2021, Song2021Config
from napari_sft.models.song2021_codec import Song2021Codec, export
from napari_sft.tasks.differentiable import DifferentiableCodec


@pytest.fixture
def compact(tiny_weights):
    path = tiny_weights / 'compact.safetensors'
    return CompactCodec(path, torch.device('cpu'), torch.float32)


@pytest.fixture
def song2021(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Song2021(Song2021Config(N=16, M=16, condition_channels=8))
    with torch.no_grad():
        network.get_submodule('g_a12').weight.mul_(30)
    path = tmp_path / 'song2021.safetensors'
    export(network, path, {'note': 'untrained'})
    return Song2021Codec(path, torch.device('cpu'))


def painted(codec, seed=0):
    """A map whose cells lie on the coded levels."""
    levels = np.random.default_rng(seed).integers(0, 32, codec.cells)
    q = torch.from_numpy(levels / 31).float()[None, None]
    return q.requires_grad_(), CodedMap(levels)


def test_picture_and_bits_are_those_of_the_file(compact, make_picture):
    plane = make_picture(90, 110).astype(np.float32) / 255
    codec = DifferentiableCodec(compact, plane)
    q, coded_map = painted(codec)
    x_hat, bpp = codec(q)
    coded = encode_plane(compact, plane, coded_map)
    decoded = reconstruct_plane(compact, coded.symbols, coded_map, plane.shape)
    assert x_hat.shape == (1, 3, 90, 110)
    np.testing.assert_allclose(
        x_hat[0].permute(1, 2, 0).detach(), decoded, atol=1e-3
    )
    real = 8 * len(coded.payload) / (90 * 110)
    assert bpp.item() == pytest.approx(real, rel=0.03, abs=0.02)


def test_the_rate_grows_with_each_cell_as_the_gradient_says(
    compact, make_picture
):
    plane = make_picture(128, 128).astype(np.float32) / 255
    codec = DifferentiableCodec(compact, plane)
    level, step = 16 / 31, 2 / 31
    q = torch.full((1, 1, *codec.cells), level, requires_grad=True)
    (slope,) = torch.autograd.grad(codec(q)[1], q)
    assert (slope > 0).float().mean() > 0.9
    with torch.no_grad():
        for part in (np.s_[..., :4, :], np.s_[..., 4:, :], np.s_[...]):
            more, less = q.clone(), q.clone()
            more[part] += step
            less[part] -= step
            rise = (codec(more)[1] - codec(less)[1]) / (2 * step)
            assert slope[part].sum() == pytest.approx(float(rise), rel=0.4)


def test_gradients_of_the_picture_reach_the_cells_they_come_from(
    compact, make_picture
):
    plane = make_picture(128, 128).astype(np.float32) / 255
    codec = DifferentiableCodec(compact, plane)
    q = torch.full((1, 1, *codec.cells), 0.3, requires_grad=True)
    x_hat, _ = codec(q)
    error = (x_hat - codec.x)[..., :64, :64].square().sum()
    (slope,) = torch.autograd.grad(error, q)
    assert slope[..., :4, :4].sum() < 0  # more quality, less error
    inside = slope[..., :4, :4].abs().mean()
    assert inside > 5 * slope[..., 6:, 6:].abs().mean()


def test_the_map_is_rounded_to_coded_levels(compact, make_picture):
    plane = make_picture(64, 64).astype(np.float32) / 255
    codec = DifferentiableCodec(compact, plane)
    q, _ = painted(codec)
    near = (q.detach() + 0.4 / 31).clamp(0, 1)
    torch.testing.assert_close(codec(near), codec(q))


def test_the_shared_network_is_left_as_it_was(compact, make_picture):
    plane = make_picture(64, 64).astype(np.float32) / 255
    codec = DifferentiableCodec(compact, plane)
    q, _ = painted(codec)
    sum(codec(q)).sum().backward()
    assert not compact.network.training
    assert all(p.grad is None for p in compact.network.parameters())


def test_the_papers_network_gives_gradients_too(song2021, make_picture):
    plane = make_picture(70, 90).astype(np.float32) / 255
    codec = DifferentiableCodec(song2021, plane)
    q, coded_map = painted(codec)
    x_hat, bpp = codec(q)
    assert x_hat.shape == (1, 3, 70, 90)
    for value in (bpp, x_hat.mean()):
        (slope,) = torch.autograd.grad(value, q, retain_graph=True)
        assert slope.abs().max() > 0


def test_other_models_are_refused(compact, make_picture):
    class Foreign:
        name = 'foreign'

    with pytest.raises(ModelError, match="'foreign' gives no gradients"):
        DifferentiableCodec(Foreign(), make_picture().astype(np.float32))
