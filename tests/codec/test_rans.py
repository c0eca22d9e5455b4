from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from napari_sft.codec.errors import ModelError, SftError, StreamError
from napari_sft.codec.rans import (
    Decoder,
    Encoder,
    Tables,
    symbols_crc,
    tables_from_pmf,
)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
PMFS = st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(any)


@st.composite
def tables_and_segments(draw):
    rows = draw(st.lists(PMFS, min_size=1, max_size=5))
    offsets = draw(
        st.lists(st.integers(-50, 50), min_size=len(rows), max_size=len(rows))
    )
    tables = tables_from_pmf(
        rows, offsets, skip=draw(st.integers(0, len(rows)))
    )
    segments = []
    for shape in draw(st.lists(SHAPES, max_size=4)):
        indexes = draw(
            hnp.arrays(np.uint8, shape, elements=st.integers(0, len(rows) - 1))
        )
        symbols = draw(
            hnp.arrays(
                np.int64,
                shape,
                elements=st.integers(-100, 100) | st.integers(-(2**62), 2**62),
            )
        )
        segments.append((symbols, indexes))
    return tables, segments


def gaussian_tables(scales, skip=0):
    rows, offsets = [], []
    for scale in scales:
        reach = int(np.ceil(5 * scale)) + 1
        edges = np.arange(-reach, reach + 2) - 0.5
        rows.append(np.diff(norm.cdf(edges, scale=scale)))
        offsets.append(-reach)
    return tables_from_pmf(rows, offsets, skip)


def gaussian_symbols(tables, scales, count, seed=0):
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, len(scales), count)
    values = np.rint(rng.normal(size=count) * np.asarray(scales)[indexes])
    return tables.clamp(values.astype(np.int32), indexes), indexes


def encode(tables, *segments):
    encoder = Encoder(tables)
    for symbols, indexes in segments:
        encoder.push(symbols, indexes)
    return encoder.finish()


def reference_decode(data, indexes, tables):
    """Decode as published (ryg_rans, 64-bit state, 32-bit words)."""
    words = np.frombuffer(data, '<u4').tolist()
    state = words[0] | words[1] << 32
    position = 2
    symbols = []
    for index in indexes:
        cdf = tables.cdfs[index, : tables.sizes[index]]
        slot = int(np.searchsorted(cdf, state & 0xFFFF, 'right')) - 1
        low, high = int(cdf[slot]), int(cdf[slot + 1])
        state = (high - low) * (state >> 16) + (state & 0xFFFF) - low
        if state < 2**31:
            state = state << 32 | words[position]
            position += 1
        symbols.append(int(tables.offsets[index]) + slot)
    return symbols, state, position == len(words)


@settings(deadline=None, max_examples=50)
@given(tables_and_segments())
def test_segments_come_back_clamped_and_in_shape(case):
    tables, segments = case
    clamped = [
        (tables.clamp(symbols, indexes), indexes)
        for symbols, indexes in segments
    ]
    decoder = Decoder(tables, encode(tables, *clamped))
    for symbols, indexes in clamped:
        decoded = decoder.pull(indexes)
        assert decoded.dtype == np.int32
        assert decoded.shape == indexes.shape
        np.testing.assert_array_equal(decoded, symbols)
    decoder.done()


@settings(deadline=None, max_examples=50)
@given(tables_and_segments())
def test_clamp_moves_symbols_to_the_nearest_codable_value(case):
    tables, segments = case
    for symbols, indexes in segments:
        clamped = tables.clamp(symbols, indexes)
        for symbol, index, value in zip(
            symbols.flat, indexes.flat, clamped.flat, strict=True
        ):
            low = tables.offsets[index]
            high = low + tables.sizes[index] - 3
            nearest = min(max(symbol, low), high)
            assert value == (0 if index < tables.skip else nearest)


@settings(deadline=None, max_examples=50)
@given(st.lists(PMFS, min_size=1, max_size=4))
def test_tables_from_pmf_spend_all_counts_and_no_slot_is_empty(rows):
    tables = tables_from_pmf(rows, [0] * len(rows))
    for row, cdf, size in zip(rows, tables.cdfs, tables.sizes, strict=True):
        counts = np.diff(cdf[:size])
        assert len(counts) == len(row) + 1
        assert counts.min() >= 1
        assert counts.sum() == 65536
        assert counts[-1] == 1  # the escape


def test_tables_from_pmf_follow_the_probabilities():
    counts = np.diff(tables_from_pmf([[4, 2, 1, 1, 0]], [0]).cdfs[0])
    np.testing.assert_allclose(
        counts, [32767, 16383.5, 8192, 8192, 1, 1], atol=1.5
    )


def test_tables_from_pmf_are_the_same_whatever_the_scale_of_the_numbers():
    pmf = np.random.default_rng(0).random(300) ** 8
    one, other = (tables_from_pmf([pmf * k], [0]) for k in (1, 2.0**40))
    np.testing.assert_array_equal(one.cdfs, other.cdfs)


def test_stream_is_close_to_the_ideal_code_length():
    scales = np.geomspace(0.2, 40, 16)
    tables = gaussian_tables(scales)
    symbols, indexes = gaussian_symbols(tables, scales, 20_000)
    edge = symbols / scales[indexes]
    half = 0.5 / scales[indexes]
    bits = -np.log2(norm.cdf(edge + half) - norm.cdf(edge - half)).sum()
    size = len(encode(tables, (symbols, indexes)))
    assert size <= 1.01 * bits / 8 + 16


def test_stream_is_plain_rans_as_published():
    scales = [0.3, 2, 20]
    tables = gaussian_tables(scales)
    symbols, indexes = gaussian_symbols(tables, scales, 500)
    data = encode(tables, (symbols, indexes))
    decoded, state, at_end = reference_decode(data, indexes, tables)
    assert decoded == symbols.tolist()
    assert state == 2**31
    assert at_end


def test_later_indexes_may_depend_on_earlier_symbols():
    tables = gaussian_tables([1, 3, 9])
    z, z_indexes = gaussian_symbols(tables, [1, 3, 9], (4, 5))
    y_indexes = np.abs(z) % 3
    y = tables.clamp(z * 7, y_indexes)
    decoder = Decoder(tables, encode(tables, (z, z_indexes), (y, y_indexes)))
    np.testing.assert_array_equal(
        decoder.pull(np.abs(decoder.pull(z_indexes)) % 3), y
    )


def test_more_symbols_than_the_capacity_decode_all_the_same():
    scales = [0.3, 2, 20]
    tables = gaussian_tables(scales)
    segments = [
        gaussian_symbols(tables, scales, 50, seed) for seed in range(9)
    ]
    decoder = Decoder(tables, encode(tables, *segments), capacity=0)
    for symbols, indexes in segments:
        np.testing.assert_array_equal(decoder.pull(indexes), symbols)
    decoder.done()


def test_skipped_levels_take_no_bytes_and_decode_to_zero():
    tables = gaussian_tables([1, 3, 9], skip=2)
    indexes = np.tile([0, 1], 5000)
    symbols = tables.clamp(np.full(10_000, 3), indexes)
    data = encode(tables, (symbols, indexes))
    assert data == b''
    assert not Decoder(tables, data).pull(indexes).any()


def test_certain_symbols_take_next_to_nothing():
    tables = tables_from_pmf([[1.0]], [5])
    data = encode(tables, (np.full(10_000, 5), np.zeros(10_000, int)))
    assert len(data) == 8


def test_memory_order_of_the_arrays_does_not_matter():
    tables = gaussian_tables([1, 3, 9])
    symbols, indexes = gaussian_symbols(tables, [1, 3, 9], (6, 7, 8))
    data = encode(tables, (symbols, indexes))
    fortran = encode(
        tables, (np.asfortranarray(symbols), np.asfortranarray(indexes))
    )
    assert fortran == data
    padded = np.zeros((6, 14, 8), np.int16)
    padded[:, ::2] = indexes
    decoded = Decoder(tables, data).pull(padded[:, ::2])
    np.testing.assert_array_equal(decoded, symbols)


def test_finish_leaves_the_encoder_open_for_more():
    tables = gaussian_tables([2])
    segment = gaussian_symbols(tables, [2], 30)
    encoder = Encoder(tables)
    encoder.push(*segment)
    assert encoder.finish() == encoder.finish() == encode(tables, segment)
    encoder.push(*segment)
    assert encoder.finish() == encode(tables, segment, segment)


@pytest.mark.parametrize('count', [1, 2, 3, 5, 100])
def test_done_refuses_a_stream_with_symbols_left(count):
    tables = gaussian_tables([20])
    symbols, indexes = gaussian_symbols(tables, [20], count)
    decoder = Decoder(tables, encode(tables, (symbols, indexes)))
    decoder.pull(indexes[1:])
    with pytest.raises(StreamError, match='does not end'):
        decoder.done()


def test_done_finds_nearly_every_flipped_bit():
    tables = gaussian_tables([20])
    symbols, indexes = gaussian_symbols(tables, [20], 300)
    data = encode(tables, (symbols, indexes))
    missed = 0
    for bit in range(0, 8 * len(data), 5):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decoder = Decoder(tables, bytes(damaged))
            decoder.pull(indexes)
            decoder.done()
        except StreamError:
            continue
        missed += 1
    assert missed <= 1


GOOD = {'cdfs': [[0, 9, 65536, 0], [0, 5, 6, 65536]], 'sizes': [3, 4]}


@pytest.mark.parametrize(
    'change',
    [
        {'cdfs': [[0, 9, 65536, 0], [0, 6, 6, 65536]]},
        {'cdfs': [[0, 9, 65536, 0], [0, 7, 6, 65536]]},
        {'cdfs': [[0, 2**31 - 1, 65536, 0], [0, 5, 6, 65536]]},
        {'cdfs': [[0, 9, 65536, 0], [0, 2**31 - 1, -(2**31), 65536]]},
        {'cdfs': [[1, 9, 65536, 0], [0, 5, 6, 65536]]},
        {'cdfs': [[0, 9, 65535, 0], [0, 5, 6, 65536]]},
        {'cdfs': [[0, 9, 2**32, 0], [0, 5, 6, 65536]]},
        {'cdfs': [[0, 9.0, 65536, 0], [0, 5, 6, 65536]]},
        {'cdfs': [0, 9, 65536]},
        {'cdfs': np.zeros((0, 4), int)},
        {'cdfs': [[0, 9, 65536, 0]]},
        {'sizes': [4, 4]},
        {'sizes': [3, 5]},
        {'sizes': [2, 4]},
        {'sizes': [3, -1]},
        {'sizes': [3]},
        {'sizes': [[3, 4]]},
        {'offsets': [0]},
        {'offsets': [0, 2**31 - 1]},
        {'offsets': [0, -(2**31)]},
        {'skip': 3},
        {'skip': -1},
    ],
    ids=str,
)
def test_malformed_tables_are_refused(change):
    Tables(**GOOD, offsets=[0, 0])
    with pytest.raises(ModelError):
        Tables(**{**GOOD, 'offsets': [0, 0], **change})


def test_tables_do_not_change_with_the_arrays_they_were_made_of():
    cdfs = np.array(GOOD['cdfs'], np.int32)
    tables = Tables(cdfs, np.array([3, 4]), np.array([0, 0]))
    cdfs[:] = 0
    assert tables.cdfs[0, 1] == 9
    with pytest.raises(ValueError, match='read-only'):
        tables.cdfs[0, 1] = 3


@pytest.mark.parametrize(
    'row', [[], [0.0, 0.0], [1.0, -0.5], [np.nan], [np.inf], [[1.0]]], ids=str
)
def test_rows_that_are_no_probabilities_are_refused(row):
    with pytest.raises(ModelError, match='row 1'):
        tables_from_pmf([[1.0], row], [0, 0])


def test_more_symbols_than_counts_are_refused():
    with pytest.raises(ModelError, match='65535'):
        tables_from_pmf([np.ones(65536)], [0])


@pytest.mark.parametrize(
    ('symbols', 'indexes', 'message'),
    [
        ([1.0, 2.0], [0, 0], 'symbols are float64'),
        ([1, 2], [0.0, 0.0], 'indexes are float64'),
        ([1, 2], [True, False], 'indexes are bool'),
        (np.array([1, 2], np.uint64), [0, 0], 'symbols are uint64'),
        ([1, 2], [0], 'do not fit'),
        ([[1, 2]], [0, 0], 'do not fit'),
    ],
)
def test_arrays_that_do_not_fit_are_refused(symbols, indexes, message):
    tables = gaussian_tables([2])
    with pytest.raises(SftError, match=message):
        tables.clamp(symbols, indexes)
    with pytest.raises(SftError, match=message):
        Encoder(tables).push(symbols, indexes)


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.int32, SHAPES), hnp.arrays(np.int32, SHAPES))
def test_checksum_is_crc32_of_little_endian_int32(z, y):
    data = z.astype('<i4').tobytes() + y.astype('<i4').tobytes()
    assert symbols_crc(z, y) == zlib.crc32(data)
    wide = np.asfortranarray(y.astype(np.int64))
    assert symbols_crc(z, wide) == symbols_crc(z, y)


def test_checksum_refuses_what_32_bits_cannot_hold():
    with pytest.raises(SftError, match='32 bits'):
        symbols_crc(np.array([2**31]))


@given(tables_and_segments())
@settings(max_examples=30, deadline=None)
def test_bits_are_logarithms_of_probabilities_and_0_where_skipped(case):
    tables, segments = case
    for symbols, indexes in segments:
        clamped = tables.clamp(symbols, indexes)
        bits = tables.bits(symbols, indexes)
        assert bits.shape == symbols.shape
        for symbol, level, length in zip(
            clamped.flat, indexes.flat, bits.flat, strict=True
        ):
            row, slot = tables.cdfs[level], symbol - tables.offsets[level]
            if level < tables.skip:
                assert length == 0
            else:
                count = int(row[slot + 1]) - int(row[slot])
                assert 2.0**-length == pytest.approx(count / 65536)


def test_bits_are_what_the_stream_takes():
    scales = [0.2, 0.5, 1.0, 3.0, 9.0]
    tables = gaussian_tables(scales, skip=1)
    symbols, indexes = gaussian_symbols(tables, scales, 20000)
    ideal = tables.bits(symbols, indexes).sum() / 8
    real = len(encode(tables, (symbols, indexes)))
    assert ideal < real < 1.002 * ideal + 16
