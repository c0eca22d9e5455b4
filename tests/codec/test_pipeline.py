"""From planes to payloads and back, whatever their size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import ImageError, StreamError
from napari_sft.codec.pipeline import (
    check_size,
    encode_plane,
    padded_fine,
    parse_plane,
    reconstruct_plane,
    symbol_bits,
)
from napari_sft.models.registry import load_model


@pytest.fixture(scope='module')
def model(tiny_weights):
    return load_model(str(tiny_weights / 'compact.safetensors'), 'cpu')


def there_and_back(model, plane, quality):
    coded_map = CodedMap.from_quality(quality, plane.shape[:2])
    coded = encode_plane(model, plane, coded_map)
    symbols = parse_plane(model, coded.payload, coded.symbols_crc, coded_map)
    decoded = reconstruct_plane(model, symbols, coded_map, plane.shape)
    own = reconstruct_plane(model, coded.symbols, coded_map, plane.shape)
    return coded, own, decoded


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.booleans(),
    st.integers(0, 100),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=20)
def test_any_plane_comes_back_in_its_shape_as_the_encoder_saw_it(
    model, height, width, colour, quality, seed
):
    shape = (height, width, 3) if colour else (height, width)
    plane = np.random.default_rng(seed).random(shape, np.float32)
    coded, own, decoded = there_and_back(model, plane, quality)
    assert decoded.shape == shape
    assert decoded.dtype == np.float32
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    np.testing.assert_array_equal(own, decoded)
    again = encode_plane(model, plane, coded.coded_map)
    assert again.payload == coded.payload


@pytest.mark.parametrize(
    'shape', [(1, 1), (1, 131), (61, 67), (64, 128), (128, 64, 3), (97, 1, 3)]
)
def test_a_plane_is_alike_after_coding(model, make_picture, shape):
    picture = make_picture(*shape[:2], rgb=len(shape) == 3)
    plane = picture.astype(np.float32) / 255
    _, _, decoded = there_and_back(model, plane, 90)
    assert np.mean((plane - decoded) ** 2) < 4e-3


def test_more_quality_takes_more_bits_and_errs_less(model, make_picture):
    plane = make_picture(96, 128).astype(np.float32) / 255
    sizes, errors = [], []
    for quality in (0, 50, 100):
        coded, _, decoded = there_and_back(model, plane, quality)
        sizes.append(len(coded.payload))
        errors.append(float(np.mean((plane - decoded) ** 2)))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_the_painted_part_errs_less(model, make_picture):
    plane = make_picture(128, 256, seed=3).astype(np.float32) / 255
    errors = []
    for left, right in ((0, 100), (100, 0)):
        quality = np.full((128, 256), left)
        quality[:, 128:] = right
        _, _, decoded = there_and_back(model, plane, quality)
        square = (plane - decoded) ** 2
        errors.append((square[:, :96].mean(), square[:, 160:].mean()))
    assert errors[1][0] < errors[0][0]
    assert errors[0][1] < errors[1][1]


def test_ideal_bits_are_a_little_less_than_the_payload(model, make_picture):
    plane = make_picture(128, 192).astype(np.float32) / 255
    coded, _, _ = there_and_back(model, plane, 80)
    ideal = symbol_bits(model, coded.symbols) / 8
    assert ideal < len(coded.payload) < 1.01 * ideal + 20


def test_maps_are_padded_by_their_edge_to_whole_hyper_blocks():
    coded_map = CodedMap(np.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]), 3)
    fine = padded_fine(coded_map)
    assert fine.shape == (4, 8)
    np.testing.assert_array_equal(fine[:2, :5], coded_map.fine())
    np.testing.assert_array_equal(fine[3, 5:], 163)
    np.testing.assert_array_equal(fine[2:, 0], 99)


def test_a_payload_of_another_size_of_plane_is_refused(model, make_picture):
    plane = make_picture(64, 64).astype(np.float32) / 255
    coded, _, _ = there_and_back(model, plane, 50)
    wider = CodedMap.from_quality(50, (64, 192))
    with pytest.raises(StreamError, match='plane: '):
        parse_plane(model, coded.payload, coded.symbols_crc, wider)


@pytest.mark.parametrize('shape', [(1 << 13, 1 << 13), (1 << 20, 1), (1, 1)])
def test_planes_up_to_the_limit_pass(shape):
    check_size(shape)


@pytest.mark.parametrize(
    'shape', [(1 << 13, (1 << 13) + 1), (1, 1 << 21), (1 << 15, 1 << 15, 3)]
)
def test_planes_above_the_limit_of_pixels_are_refused(shape):
    with pytest.raises(ImageError, match='NAPARI_SFT_MAX_PIXELS'):
        check_size(shape)


def test_the_limit_can_be_set(monkeypatch):
    monkeypatch.setenv('NAPARI_SFT_MAX_PIXELS', '4096')
    check_size((64, 64))
    with pytest.raises(ImageError, match='limit of 4096'):
        check_size((64, 65))
    monkeypatch.setenv('NAPARI_SFT_MAX_PIXELS', str(1 << 30))
    check_size((1 << 15, 1 << 15))
