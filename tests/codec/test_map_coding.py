from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sft.codec.errors import StreamError
from napari_sft.codec.quality import (
    CodedMap,
    centre_focus,
    feather,
    gradient,
    pack,
    unpack,
)

PIXELS = 512, 768


def two_regions():
    y, x = np.mgrid[: PIXELS[0], : PIXELS[1]]
    quality = np.full(PIXELS, 40.0)
    quality[np.hypot(y - 192, x - 288) < 112] = 80
    quality[320:448, 480:704] = 10
    return quality


SMALL = CodedMap.from_quality(two_regions()[::4, ::4])


@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.lists(st.integers(0, 31), min_size=1, max_size=32),
    st.integers(-16, 16),
    st.integers(0, 10**6),
)
@settings(deadline=None)
def test_any_map_comes_back(shape, levels, offset, seed):
    rng = np.random.default_rng(seed)
    coded = CodedMap(rng.choice(levels, shape), offset)
    assert unpack(pack(coded), shape) == coded


@given(st.integers(0, 31), st.integers(-16, 16))
@settings(deadline=None)
def test_uniform_maps_take_two_bytes_or_one_without_offset(level, offset):
    coded = CodedMap(np.full((4, 7), level), offset)
    data = pack(coded)
    assert len(data) == (2 if offset else 1)
    assert unpack(data, (4, 7)) == coded


@pytest.mark.parametrize(
    ('quality', 'size'),
    [
        (two_regions(), 100),
        (feather(two_regions(), 64), 140),
        (gradient(PIXELS, 30, 90, 30), 120),
        (centre_focus(PIXELS, 90, 20), 205),
    ],
    ids=['two regions', 'feathered', 'gradient', 'centre focus'],
)
def test_sizes_of_painted_and_smooth_maps(quality, size):
    coded = CodedMap.from_quality(quality)
    data = pack(coded)
    assert len(data) <= size
    assert unpack(data, coded.shape) == coded


def test_flat_areas_of_large_maps_cost_next_to_nothing():
    levels = np.full((600, 400), 12)
    levels[300:500, 100:300] = 25
    coded = CodedMap(levels)
    data = pack(coded)
    assert len(data) < levels.size / 500
    assert unpack(data, coded.shape) == coded


def test_a_map_without_cells_is_refused():
    with pytest.raises(StreamError, match='cells'):
        unpack(b'\x05', (0, 3))


def test_every_truncation_is_found():
    coded, data = SMALL, pack(SMALL)
    for length in range(len(data)):
        with pytest.raises(StreamError):
            unpack(data[:length], coded.shape)


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_damage_is_found_or_gives_a_map_of_the_same_shape(data):
    coded, packed = SMALL, bytearray(pack(SMALL))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    try:
        assert unpack(bytes(packed), coded.shape).shape == coded.shape
    except StreamError as error:
        assert '\n' not in str(error)  # noqa: PT017


@given(st.binary(max_size=60), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=200)
def test_noise_is_found_or_gives_a_map_of_the_shape_asked_for(noise, y, x):
    try:
        assert unpack(noise, (y, x)).shape == (y, x)
    except StreamError as error:
        assert 'get the file again' in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    'data',
    [
        '',  # nothing
        '20',  # an offset that is missing
        '2000',  # an offset of 0
        '2011',  # an offset of 17
        '0500',  # a byte behind a uniform map
        'c0',  # an unknown kind
        '4001000000000000',  # a range of one level
        '5f02000000000000',  # a range beyond level 31
        '4002020000000000',  # a first cell that is not listed
        '81030000000000',  # a list with a lowest level
        '80010000000000000000',  # a list of one level
    ],
)
def test_nonsense_is_refused(data):
    with pytest.raises(StreamError, match='quality map is damaged'):
        unpack(bytes.fromhex(data), (2, 3))


def read_by_the_specification(data, rows, columns):
    """A second decoder, as slow and plain as docs/format.md puts it."""
    first, at = data[0], 1
    offset = 0
    if first & 32:
        offset, at = int.from_bytes(data[1:2], 'little', signed=True), 2
    if first >> 6 == 0:
        return [[first & 31] * columns] * rows, offset
    if first >> 6 == 1:
        palette = [(first & 31) + n for n in range(data[at])]
        at += 1
    else:
        mask = int.from_bytes(data[at : at + 4], 'little')
        palette = [n for n in range(32) if mask >> n & 1]
        at += 4
    grid = {(0, 0): data[at]}
    choice = [n >> s & 15 for n in data[at + 1 : at + 5] for s in (0, 4)]
    words = [
        int.from_bytes(data[n : n + 4], 'little')
        for n in range(at + 5, len(data), 4)
    ]
    state = words.pop(0) | words.pop(0) << 32
    s = 1
    while s < max(rows, columns):
        s *= 2
    while s > 1:
        s //= 2
        for odd_row, odd_column in ((1, 1), (1, 0), (0, 1)):
            for r in range(s * odd_row, rows, 2 * s):
                for c in range(s * odd_column, columns, 2 * s):
                    near = _neighbours(grid, r, c, s, odd_row, odd_column)
                    mean, quarter = sum(near) >> 2, sum(near) & 3
                    spread = max(near) - min(near)
                    n = choice[2 * min(spread, 3) + (s > 1)]
                    low = state & 65535
                    start = 0
                    for symbol, count in _counts(n, quarter, len(palette)):
                        if start <= low < start + count:
                            grid[r, c] = mean + symbol
                            break
                        start += count
                    state = count * (state >> 16) + low - start
                    if state < 2**31:
                        state = state << 32 | words.pop(0)
    assert rows * columns < 5 or (state == 2**31 and not words)
    levels = [
        [palette[grid[r, c]] for c in range(columns)] for r in range(rows)
    ]
    return levels, offset


def _neighbours(grid, r, c, s, odd_row, odd_column):
    def known(*pairs):
        inside = [grid[p] for p in pairs if p in grid]
        return inside * (2 // len(inside)) if inside else []

    if odd_row and odd_column:
        return [
            value
            for dr in ((-s, s) if (r + s, c - s) in grid else (-s, -s))
            for value in known((r + dr, c - s), (r + dr, c + s))
        ]
    vertical = known((r - s, c), (r + s, c))
    horizontal = known((r, c - s), (r, c + s))
    return (vertical or horizontal) + (horizontal or vertical)


def _counts(n, quarter, size):
    decay = (1, 8, 32, 96, 192, 320, 512, 768)[n & 7]
    lean = ((0, 10, 32, 54), (0, 2, 32, 62))[n >> 3][quarter]
    weights = [2**30]
    for _ in range(size):
        weights.append(weights[-1] * decay >> 10)
    symbols = range(1 - size, size)
    masses = [
        (64 - lean) * weights[abs(e)] + lean * weights[abs(e - 1)]
        for e in symbols
    ]
    share = 65535 - len(symbols)
    counts = [1 + m * share // sum(masses) for m in masses]
    counts[masses.index(max(masses))] += 65535 - sum(counts)
    return zip(symbols, counts, strict=True)


@pytest.mark.parametrize('shape', [(5, 7), (1, 9), (9, 1), (2, 2), (4, 3)])
def test_the_specification_alone_is_enough_to_read_a_map(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    levels = (3 * x + y * y) // 2 % 32
    levels[-1, -1] = 31
    coded = CodedMap(levels, -5)
    expected = levels.tolist(), -5
    assert read_by_the_specification(pack(coded), *shape) == expected


def test_the_example_of_the_specification_reads_as_it_says():
    page = Path(__file__).parents[2] / 'docs' / 'format.md'
    section = page.read_text('utf8').split('\n## Quality map\n')[1]
    data = bytes.fromhex(section.split('```hex\n')[1].split('```')[0])
    y, x = np.mgrid[:5, :7]
    coded = CodedMap((3 * x + y * y) // 2, -5)
    assert pack(coded) == data
    assert unpack(data, (5, 7)) == coded
