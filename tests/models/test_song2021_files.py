"""song2021 as a codec: snapshots come in, files go out and come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_sft
from napari_sft.codec import tiles
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import FormatError, ModelError
from napari_sft.codec.pipeline import (
    encode_plane,
    parse_plane,
    reconstruct_plane,
)
from napari_sft.codec.tile_decoder import Payload, TileDecoder
from napari_sft.codec.tile_encoder import encode_tiles
from napari_sft.codec.tiles import Grid
from napari_sft.models.import_snapshot import (
    import_snapshot,
    network_from_state,
)
from napari_sft.models.registry import load_model, model_for, user_folder
from napari_sft.models.song2021 import Song2021, Song2021Config
from napari_sft.models.song2021_codec import Song2021Codec, export
from napari_sft.models.song2021_entropy import scale_table
from napari_sft.models.song2021_tables import build_tables, sample_symbols

CONFIG = Song2021Config(N=16, M=16, condition_channels=8)


@torch.no_grad()
def random_network(config: Song2021Config = CONFIG, seed: int = 0) -> Song2021:
    """Random weights whose latents are not all zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Song2021(config)
        network.entropy_bottleneck.quantiles.add_(0.3)
    last = 'g_a12' if config.sft else 'g_a8'
    network.get_submodule(last).weight.mul_(30)
    network.h_a6.weight.mul_(8) if config.sft else None
    network.h_s[4].bias[: config.M].add_(0.7)
    return network


def save(path: Path, network: Song2021) -> Path:
    state = network.state_dict()
    # as the public code leaves them, with its own coder's tables
    state['entropy_bottleneck._offset'] = torch.zeros(16).int()
    snapshot = {'itr': 7, 'model': state, 'optimizer': {'state': {}}}
    torch.save(snapshot | {'aux_optimizer': {}}, path)
    return path


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('song2021') / 'song2021.safetensors'
    export(random_network(), path, {'note': 'untrained'})
    return path


@pytest.fixture
def codec(weights: Path) -> Song2021Codec:
    return Song2021Codec(weights, torch.device('cpu'))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where users' weights lie."""
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path / 'weights'))
    return user_folder()


def coded(codec, picture, quality=50.0):
    coded_map = CodedMap.from_quality(quality, picture.shape[:2])
    plane = picture.astype(np.float32) / 255
    return encode_plane(codec, plane, coded_map), coded_map


def test_symbols_are_the_networks_own(codec, make_picture):
    picture = make_picture(128, 192)
    result, coded_map = coded(codec, picture)
    x = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
    fine = torch.from_numpy(coded_map.fine()).float()[None, None]
    q = torch.nn.functional.interpolate(fine / 496, scale_factor=16)
    with torch.no_grad():
        y = codec.network.g_a(x, q)
        z = codec.network.h_a(y, q)
        z = z - codec.network.entropy_bottleneck.medians[None]
    np.testing.assert_array_equal(result.symbols.z, z[0].round().numpy())
    assert np.unique(result.symbols.z).size > 3
    # reconstructed latents lie within half a step of y
    error = (result.symbols.latents[0] - y).abs()
    assert float(error.max()) <= 0.5 + 1e-4
    assert np.unique(result.symbols.y).size > 5


def test_a_file_of_one_thread_decodes_with_two_and_without_onednn(
    codec, make_picture
):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        result, coded_map = coded(codec, make_picture(150, 200))
        picture = codec.synthesise(result.symbols.latents, coded_map.fine())
        torch.set_num_threads(2)
        with torch.backends.mkldnn.flags(enabled=False):
            symbols = parse_plane(
                codec, result.payload, result.symbols_crc, coded_map
            )
            again = codec.synthesise(symbols.latents, coded_map.fine())
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(symbols.y, result.symbols.y)
    np.testing.assert_array_equal(symbols.y_indices, result.symbols.y_indices)
    np.testing.assert_allclose(again, picture, atol=1e-3)


def test_integer_scales_choose_the_public_codes_levels(codec):
    z = sample_symbols(codec.tables, 16, 12, np.random.default_rng(1))
    z_hat = (
        torch.from_numpy(z)[None] + codec.network.entropy_bottleneck.medians
    )
    with torch.no_grad():
        scales, _ = codec.network.gaussian_parameters(z_hat)
    table = torch.tensor(scale_table()[:-1])
    expected = (scales[0, ..., None] > table).sum(-1).numpy()
    given = codec.scales.y_indices(z).astype(int)
    assert np.unique(expected).size > 10
    assert np.abs(given - expected).max() <= 1
    assert (given == expected).mean() > 0.99


@pytest.mark.parametrize('shape', [(1, 1), (64, 300), (129, 63)])
def test_the_smallest_planes_are_coded_too(codec, make_picture, shape):
    picture = make_picture(*shape)
    result, coded_map = coded(codec, picture)
    symbols = parse_plane(codec, result.payload, result.symbols_crc, coded_map)
    np.testing.assert_array_equal(symbols.z, result.symbols.z)
    torch.testing.assert_close(symbols.latents, result.symbols.latents)


def test_the_decoder_needs_no_map(codec, make_picture):
    result, coded_map = coded(codec, make_picture(128, 128))
    blank = replace(coded_map, levels=np.zeros_like(coded_map.levels))
    symbols = parse_plane(codec, result.payload, result.symbols_crc, blank)
    np.testing.assert_array_equal(symbols.y, result.symbols.y)


def test_damaged_payloads_are_refused(codec, make_picture):
    result, coded_map = coded(codec, make_picture(64, 64))
    damaged = bytearray(result.payload)
    damaged[len(damaged) // 2] ^= 0x10
    with pytest.raises(FormatError):
        parse_plane(codec, bytes(damaged), result.symbols_crc, coded_map)


def test_tables_follow_the_probabilities():
    network = random_network()
    tables = build_tables(network.entropy_bottleneck)
    assert tables.levels == 64 + 16
    symbols = np.arange(-4, 5)
    values = torch.from_numpy(symbols) + network.entropy_bottleneck.medians
    with torch.no_grad():
        expected = network.entropy_bottleneck.probability(values.float())
    for channel in (0, 15):
        levels = np.full(symbols.shape, 64 + channel)
        given = 2.0 ** -tables.bits(symbols, levels)
        np.testing.assert_allclose(given, expected[channel, 0], atol=1e-3)
    # a Gaussian of scale 256 has 65 % of its mass within 240
    within = tables.bits(np.arange(-240, 241), np.full(481, 63))
    assert (2.0**-within).sum() == pytest.approx(0.652, abs=0.02)


def test_an_imported_snapshot_codes_files_under_any_name(
    folder, tmp_path, make_picture
):
    snapshot = save(tmp_path / '2M_itrs.pt', random_network())
    path = import_snapshot(snapshot, 'paper')
    assert path == folder / 'paper.safetensors'
    model = load_model('paper', 'cpu')
    assert model.name == 'song2021'
    assert model.about['training'] == {'source': '2M_itrs.pt', 'steps': 7}
    data = napari_sft.encode(make_picture(64, 64), model='paper')
    assert napari_sft.info(data)['model'] == 'song2021'
    assert napari_sft.decode(data).shape == (64, 64, 3)
    # other weights under the model's own name do not get in the way
    import_snapshot(save(snapshot, random_network(seed=1)), 'song2021')
    again = model_for('song2021', model.weights_hash, 'cpu')
    assert again.weights_hash == model.weights_hash


def test_without_weights_one_line_says_how_to_get_them(folder):
    with pytest.raises(ModelError) as caught:
        load_model('song2021', 'cpu')
    message = str(caught.value)
    assert 'napari-sft models import 2M_itrs.pt --name song2021' in message
    assert '\n' not in message


@pytest.mark.parametrize(
    'switches',
    [{'sft': False}, {'spatial_condition': False, 'condition_scales': False}],
    ids=str,
)
def test_ablations_are_told_by_their_tensors(switches):
    config = replace(CONFIG, **switches)
    network = Song2021(config)
    found = network_from_state(network.state_dict()).config
    if not config.sft:  # nothing tells the width of layers it lacks
        config = replace(config, sft_hidden=found.sft_hidden)
    assert found == config


def spoil(state: dict[str, torch.Tensor], how: str) -> None:
    if how == 'lacks':
        del state['g_s14.bias']
    elif how == 'unknown':
        state['more'] = torch.zeros(1)
    elif how == 'shape':
        state['h_a3.weight'] = torch.zeros(16, 16, 3, 3)
    elif how == 'finite':
        state['g_a0.weight'][0] = torch.nan
    elif how == 'no network':
        state.clear()


@pytest.mark.parametrize(
    'how', ['lacks', 'unknown', 'shape', 'finite', 'no network']
)
def test_snapshots_of_other_networks_are_refused(folder, tmp_path, how):
    state = random_network().state_dict()
    spoil(state, how)
    path = tmp_path / 'other.pt'
    torch.save({'itr': 1, 'model': state}, path)
    with pytest.raises(ModelError, match=how) as caught:
        import_snapshot(path)
    assert '\n' not in str(caught.value)
    assert not list(folder.glob('*'))


class Hostile:
    def __reduce__(self):
        return print, ('a snapshot ran code',)


@pytest.mark.parametrize(
    'content', [b'', b'no snapshot', [1, 2], {'model': {'a': 1}}, Hostile()]
)
def test_files_of_another_kind_are_refused(folder, tmp_path, content, capsys):
    path = tmp_path / 'file.pt'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ModelError, match=r'file\.pt'):
        import_snapshot(path)
    assert 'ran code' not in capsys.readouterr().out
    with pytest.raises(ModelError, match='cannot read'):
        import_snapshot(tmp_path / 'missing.pt')


@pytest.mark.parametrize('name', ['compact', '', '../song', 'a/b', '.x'])
def test_names_that_would_not_be_found_are_refused(folder, tmp_path, name):
    with pytest.raises(ModelError, match='cannot name'):
        import_snapshot(tmp_path / 'any.pt', name)


def test_tiles_have_the_symbols_of_the_whole_plane(
    codec, make_picture, monkeypatch
):
    monkeypatch.setattr(tiles, 'COLUMN', 256)
    monkeypatch.setattr(Song2021Codec, 'window', 1 << 15)
    picture = make_picture(260, 420)
    result, coded_map = coded(codec, picture)
    plane = picture.astype(np.float32) / 255
    grid = Grid(plane.shape, 128)

    def read(box):
        return plane[box.top : box.bottom, box.left : box.right]

    found = {
        (tile.row, tile.col): tile
        for unit in encode_tiles(codec, grid, read, coded_map)
        for tile in unit.tiles
    }

    def fetch(row, col):
        tile = found[row, col]
        return Payload(tile.payload, tile.symbols_crc, 'a tile')

    decoder = TileDecoder(codec, grid, coded_map, fetch)
    symbols = decoder.symbols(grid.plane)
    assert np.abs(symbols.y).max() > 1
    # the order of floating-point sums may flip one in thousands
    assert (symbols.z != result.symbols.z).mean() < 1e-3
    assert (symbols.y != result.symbols.y).mean() < 1e-3
    whole = reconstruct_plane(codec, result.symbols, coded_map, plane.shape)
    for box in grid.plane.pieces(8, 12):
        pixels = grid.pixels(box)
        wanted = whole[pixels.top : pixels.bottom, pixels.left : pixels.right]
        errors = np.abs(decoder.picture(box) - wanted)
        assert (errors < 1 / 255).mean() > 0.999
