"""What makes the raw coder crash, hang or read foreign memory is harmless.

Each case runs in a process of its own (this file run as a script with the
case's name), so that a crash fails that case and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from napari_sft.codec.errors import SftError, StreamError
from napari_sft.codec.rans import Decoder, Encoder, Tables, tables_from_pmf

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def make_tables(skip=0):
    rng = np.random.default_rng(1)
    rows = [rng.random(n) ** 4 for n in (1, 2, 7, 50, 400)]
    return tables_from_pmf(rows, [0, -1, -3, -25, -200], skip)


def make_stream(tables, count=500):
    rng = np.random.default_rng(2)
    indexes = rng.integers(0, tables.levels, count)
    symbols = tables.clamp(rng.integers(-200, 200, count), indexes)
    encoder = Encoder(tables)
    encoder.push(symbols, indexes)
    return encoder.finish(), indexes


def check_harmless(tables, data, indexes):
    """Decoding is refused or gives symbols of the tables."""
    try:
        decoder = Decoder(tables, data, capacity=len(indexes) // 2)
        # Twice, to read on far beyond the stream's end.
        for _ in range(2):
            symbols = decoder.pull(indexes)
            assert (symbols >= tables.low[indexes]).all()
            assert (symbols <= tables.high[indexes]).all()
        decoder.done()
    except StreamError:
        pass


def refuses(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return
    raise AssertionError(f'{function} accepts {arguments}')


@case
def encode_no_symbols():
    tables = make_tables()
    for _ in range(50):
        assert Encoder(tables).finish() == b''
        encoder = Encoder(tables)
        encoder.push(np.zeros((0, 3), np.int32), np.zeros((0, 3), np.int32))
        assert encoder.finish() == b''


@case
def encode_few_symbols_of_one_count_each():
    # The rarest symbols need the most words, 2 + n // 2.
    tables = tables_from_pmf([[1, 0]], [0])
    for _ in range(50):
        for count in range(1, 9):
            encoder = Encoder(tables)
            encoder.push(np.ones(count, int), np.zeros(count, int))
            decoder = Decoder(tables, encoder.finish())
            assert decoder.pull(np.zeros(count, int)).tolist() == [1] * count
            decoder.done()


@case
def encode_symbols_far_outside():
    tables = make_tables()
    for symbol in (2**28, -(2**28), 2**31 - 1, -(2**31), 2**40, 2**63 - 1):
        refuses(SftError, Encoder(tables).push, [symbol], [2])
        assert abs(tables.clamp([symbol], [2])[0]) == 3


@case
def encode_just_outside():
    tables = make_tables(skip=1)
    for index in range(tables.levels):
        for symbol in (tables.low[index] - 1, tables.high[index] + 1):
            refuses(SftError, Encoder(tables).push, [symbol], [index])


@case
def indexes_without_a_table():
    tables = make_tables()
    data, _ = make_stream(tables)
    for index in (5, 6, 2**31 - 1, 2**40, -1, -5, -6, -(2**31)):
        refuses(SftError, Encoder(tables).push, [0], [index])
        refuses(SftError, Decoder(tables, data).pull, [index])


@case
def arrays_of_other_types():
    tables = make_tables()
    data, indexes = make_stream(tables)
    decoded = Decoder(tables, data).pull(indexes.astype(np.int32))
    for dtype in (np.int8, np.uint8, np.int16, np.uint32, np.int64, '>i4'):
        encoder = Encoder(tables)
        encoder.push(decoded.astype(np.int64), indexes.astype(dtype))
        assert encoder.finish() == data
        again = Decoder(tables, data).pull(indexes.astype(dtype))
        assert (again == decoded).all()
    for dtype in (bool, float, complex, object, str, np.uint64):
        refuses(SftError, Decoder(tables, data).pull, indexes.astype(dtype))
        refuses(SftError, Encoder(tables).push, decoded, indexes.astype(dtype))
    refuses(SftError, Encoder(tables).push, np.full(500, np.nan), indexes)


@case
def arrays_with_gaps():
    tables = make_tables()
    data, indexes = make_stream(tables)
    gaps = np.stack([indexes, indexes * 0 - 9], axis=1)[::-1, 0]
    decoded = Decoder(tables, data).pull(gaps[::-1])
    encoder = Encoder(tables)
    encoder.push(np.repeat(decoded, 3)[::3], gaps[::-1])
    assert encoder.finish() == data


@case
def decode_constant_bytes():
    tables = make_tables()
    _, indexes = make_stream(tables, 3000)
    for size in (*range(13), 16, 1000, 100_000):
        for byte in (0, 255, 1, 15, 127, 128):
            for count in (0, 1, 4, 3000):
                data = bytes([byte]) * size
                check_harmless(tables, data, indexes[:count])
                check_harmless(tables, data, indexes[:count] * 0 + 4)


@case
def decode_impossible_states():
    tables = make_tables()
    for data in (b'', bytes(3), bytes(8), b'\xff' * 8, b'\xff' * 10):
        refuses(StreamError, lambda d: Decoder(tables, d).pull([1]), data)


@case
def decode_truncated():
    tables = make_tables()
    data, indexes = make_stream(tables)
    for size in range(len(data)):
        check_harmless(tables, data[:size], indexes)
        check_harmless(tables, data[size:], indexes)


@case
def decode_with_flipped_bits():
    tables = make_tables()
    data, indexes = make_stream(tables, 200)
    for bit in range(0, 8 * len(data), 3):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        check_harmless(tables, bytes(damaged), indexes)


@case
def decode_escapes():
    # All but one state lead to the escape; in the raw coder ones that follow
    # announce a number of digits that grows with the stream.
    tables = Tables(np.array([[0, 1, 65536]]), np.array([3]), np.array([0]))
    for tail in (b'\xff', b'\x00', b'\x0f', b'\xf0'):
        data = (2**32 + 0xFFFF).to_bytes(8, 'little') + tail * 1_000_000
        refuses(StreamError, Decoder(tables, data).pull, [0] * 1000)


@case
def decode_anything():
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    tables = make_tables()
    stream, indexes = make_stream(tables, 64)
    words = st.sampled_from(
        [0, 1, 15, 0xFFFF, 2**27, 2**31 - 1, 2**31, 2**32 - 1]
    ) | st.integers(0, 2**32 - 1)
    wild = st.lists(words, max_size=40).map(
        lambda values: np.array(values, '<u4').tobytes()
    )
    states = st.integers(2**31, 2**63 - 1).map(
        lambda state: state.to_bytes(8, 'little')
    )
    places = st.integers(0, len(stream))
    damaged = st.builds(
        lambda start, end, middle: stream[:start] + middle + stream[end:],
        places,
        places,
        st.binary(max_size=12) | wild,
    )

    @settings(
        max_examples=2000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.binary(max_size=60)
        | wild
        | st.builds(lambda a, b: a + b, states, wild)
        | damaged,
        st.integers(0, 200),
        st.integers(0, 63),
    )
    def feed(data, count, shift):
        check_harmless(tables, data, np.resize(indexes[shift:], count))

    feed()


@case
def load_neither_torch_nor_compressai():
    make_stream(make_tables())
    assert not {'torch', 'compressai'} & set(sys.modules)


@case
def say_how_to_install_a_missing_coder():
    sys.modules['compressai'] = None
    try:
        make_stream(make_tables())
    except SftError as error:
        assert 'pip install compressai' in str(error)
        assert '\n' not in str(error)
    else:
        raise AssertionError('a coder was found')


@pytest.mark.parametrize('name', CASES)
def test_harmless(name):
    result = subprocess.run(
        [sys.executable, '-X', 'faulthandler', __file__, name],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr


if __name__ == '__main__':
    CASES[sys.argv[1]]()
