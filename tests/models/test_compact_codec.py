"""`compact` with its weights: what is encoded is decoded everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import FormatError, ModelError
from napari_sft.codec.pipeline import (
    encode_plane,
    parse_plane,
    reconstruct_plane,
)
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.weights_file import load_weights, save_weights

DTYPES = (torch.float32, torch.bfloat16)
SHAPE = (80, 70)


def load(folder, dtype=torch.float32):
    path = folder / 'compact.safetensors'
    return CompactCodec(path, torch.device('cpu'), dtype)


@pytest.fixture(scope='module')
def codecs(tiny_weights):
    return {dtype: load(tiny_weights, dtype) for dtype in DTYPES}


@pytest.fixture(scope='module')
def plane(make_picture):
    return make_picture(*SHAPE).astype(np.float32) / 255


@pytest.fixture(scope='module')
def coded_map():
    ramp = np.linspace(0, 100, SHAPE[1])[None].repeat(SHAPE[0], axis=0)
    return CodedMap.from_quality(ramp)


@pytest.fixture(scope='module')
def encodings(codecs, plane, coded_map):
    return {
        dtype: encode_plane(codec, plane, coded_map)
        for dtype, codec in codecs.items()
    }


def assert_same_symbols(a, b):
    for name in ('z', 'y', 'z_indices', 'y_indices'):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize('decoder', DTYPES)
@pytest.mark.parametrize('encoder', DTYPES)
def test_either_precision_decodes_what_either_encoded(
    codecs, encodings, coded_map, encoder, decoder
):
    coded = encodings[encoder]
    symbols = parse_plane(
        codecs[decoder], coded.payload, coded.symbols_crc, coded_map
    )
    assert_same_symbols(symbols, coded.symbols)
    assert np.abs(symbols.y).max() > 3
    assert np.abs(symbols.z).max() > 0


@pytest.mark.filterwarnings('ignore:TF32')
def test_symbols_do_not_depend_on_how_torch_runs(
    tiny_weights, encodings, coded_map, variant
):
    settings, layout = variant
    coded = encodings[torch.float32]
    codec = load(tiny_weights)
    codec.network.to(memory_format=layout)
    with settings():
        symbols = parse_plane(
            codec, coded.payload, coded.symbols_crc, coded_map
        )
    assert_same_symbols(symbols, coded.symbols)


def test_pictures_of_two_precisions_are_alike(codecs, encodings, coded_map):
    coded = encodings[torch.float32]
    pictures = []
    for codec in codecs.values():
        symbols = parse_plane(
            codec, coded.payload, coded.symbols_crc, coded_map
        )
        pictures.append(
            reconstruct_plane(codec, symbols, coded_map, (*SHAPE, 3))
        )
    assert np.abs(pictures[0] - pictures[1]).max() < 3 / 255


@pytest.mark.parametrize('dtype', DTYPES)
def test_the_decoder_gets_the_encoders_own_reconstruction(
    codecs, encodings, coded_map, plane, dtype
):
    codec, coded = codecs[dtype], encodings[dtype]
    symbols = parse_plane(codec, coded.payload, coded.symbols_crc, coded_map)
    own, decoded = (
        reconstruct_plane(codec, s, coded_map, (*SHAPE, 3))
        for s in (coded.symbols, symbols)
    )
    np.testing.assert_array_equal(own, decoded)
    assert np.mean((decoded - plane) ** 2) < 1e-3


def test_symbols_of_the_lowest_levels_are_not_coded(codecs, encodings):
    coded = encodings[torch.float32].symbols
    skipped = coded.y_indices < codecs[torch.float32].tables.skip
    assert skipped.any()
    assert not coded.y[skipped].any()


def test_foreign_symbols_are_refused(codecs, encodings, coded_map):
    codec, coded = codecs[torch.float32], encodings[torch.float32]
    with pytest.raises(FormatError, match='plane 7: symbols differ'):
        parse_plane(
            codec, coded.payload, coded.symbols_crc ^ 1, coded_map, 'plane 7'
        )


def test_another_map_does_not_decode(codecs, encodings, coded_map):
    codec, coded = codecs[torch.float32], encodings[torch.float32]
    with pytest.raises(FormatError, match='plane 7: '):
        parse_plane(
            codec,
            coded.payload,
            coded.symbols_crc,
            coded_map.shifted(160),
            'plane 7',
        )


def test_damaged_payloads_never_decode_silently(codecs, encodings, coded_map):
    codec, coded = codecs[torch.float32], encodings[torch.float32]
    rng = np.random.default_rng(0)
    payload = coded.payload
    damaged = [b'', payload[:4], payload[:-4], payload + bytes(4), bytes(400)]
    for _ in range(20):
        flipped = bytearray(payload)
        flipped[rng.integers(len(payload))] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    for data in damaged:
        with pytest.raises(FormatError):
            parse_plane(codec, data, coded.symbols_crc, coded_map)


def changed(folder, path, change):
    """A copy of the weights with something in it changed."""
    groups, about, _ = load_weights(folder / 'compact.safetensors')
    change(groups, about)
    save_weights(path, groups, about)
    return path


def lose(group):
    return lambda groups, _about: groups.pop(group)


def lose_tensor(groups, _about):
    del groups['network']['kappa']


def rename(_groups, about):
    about['model'] = 'other'


def widen(_groups, about):
    about['config']['latent_channels'] = 48


def unknown_size(_groups, about):
    about['config']['colours'] = 3


def forget_config(_groups, about):
    del about['config']


def drop_tables(groups, _about):
    for name in ('cdfs', 'sizes', 'offsets'):
        groups['tables'][name] = groups['tables'][name][:40].clone()


def disorder(groups, _about):
    groups['tables']['cdfs'][3, 1] = 70000


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lose('tables'), 'lack the table'),
        (lose('scales'), 'lack the integer tensor'),
        (lose('network'), 'do not fit the model'),
        (lose_tensor, 'do not fit the model'),
        (rename, 'of another model'),
        (widen, 'do not fit the model'),
        (unknown_size, 'do not fit the model'),
        (forget_config, 'do not fit the model'),
        (drop_tables, 'do not fit the model'),
        (disorder, 'malformed'),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_their_name(
    tiny_weights, tmp_path, change, message
):
    path = changed(tiny_weights, tmp_path / 'bad.safetensors', change)
    with pytest.raises(ModelError, match=message) as caught:
        CompactCodec(path, torch.device('cpu'))
    assert str(caught.value).startswith(str(path))
    assert '\n' not in str(caught.value)


def test_exported_weights_are_halves_and_integers(tiny_weights):
    tensors = load_file(tiny_weights / 'compact.safetensors')
    kinds = {
        name.partition('/')[0]: {
            tensor.dtype
            for key, tensor in tensors.items()
            if key.partition('/')[0] == name.partition('/')[0]
        }
        for name in tensors
    }
    assert kinds == {
        'network': {torch.float16, torch.float32},
        'scales': {torch.int16, torch.int64},
        'tables': {torch.int32},
    }
    large = [t for n, t in tensors.items() if n.startswith('network/')]
    assert all(t.dtype == torch.float16 for t in large if t.ndim > 1)


def test_what_the_weights_say_is_plain_data(codecs):
    about = codecs[torch.float32].about
    assert json.loads(json.dumps(about)) == about
    assert about['config']['latent_channels'] == 32
    assert about['training'] == {'note': 'untrained'}


def test_one_position_stands_for_a_uniform_map(codecs) -> None:
    network = codecs[torch.float32].network
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(1, 3, 64, 128, generator=generator)
    everywhere = torch.full((1, 1, 4, 8), 0.4)
    once = everywhere[..., :1, :1]
    with torch.inference_mode():
        y = network.analyse(x, everywhere)
        assert torch.allclose(network.analyse(x, once), y, atol=1e-4)
        pictures = [
            network.synthesise(y.round(), q, network.condition(q))
            for q in (everywhere, once)
        ]
    assert torch.allclose(*pictures, atol=1e-5)
