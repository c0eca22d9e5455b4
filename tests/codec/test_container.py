from __future__ import annotations

import errno
import io
import os
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sft.codec import writer as writer_module
from napari_sft.codec.chunks import SIGNATURE, Source, chunk
from napari_sft.codec.colours import ColourTurn
from napari_sft.codec.container import (
    Calibration,
    Header,
    Provenance,
    Reader,
    Region,
    Statistics,
    Tile,
    TileKey,
    Writer,
)
from napari_sft.codec.errors import (
    FormatError,
    ImageError,
    SftError,
    VersionError,
)
from napari_sft.codec.fields import varint, zigzag
from napari_sft.codec.layout import DTYPES, Layout
from napari_sft.codec.windows import Window

WEIGHTS = bytes.fromhex('0123456789abcdef')
CALIBRATION = Calibration(
    scale=(2.0, 0.325, 0.325),
    translate=(0.0, -10.5, 4.0),
    units=('µm', 'µm', 'µm'),
    labels=('z', 'y', 'x'),
    name='nuclei',
)
PROVENANCE = Provenance(
    software=('napari-sft 0.1.0', 'torch 2.14.1'),
    source='cells.tif',
    date=datetime(2026, 3, 1, 12, 30, 15, tzinfo=timezone.utc),
)
STATISTICS = Statistics(
    mse=0.25,
    largest_error=0.5,
    ms_ssim=0.75,
    regions=(
        Region(
            quality=(0, 33.25), pixels=70_000, mse=0.5, largest_error=0.625
        ),
        Region(
            quality=(80, 100),
            pixels=5,
            mse=0.0,
            largest_error=0.0,
            ms_ssim=1.0,
        ),
    ),
)


def layout(axes='YXS', shape=(40, 50, 3), dtype='uint8') -> Layout:
    return Layout(axes, shape, np.dtype(dtype))


def plain_header(**changes) -> Header:
    fields = {
        'model': 'compact',
        'weights': WEIGHTS,
        'layout': layout(),
        'map_scope': 'shared',
        'maps': (b'M',),
    }
    return Header(**(fields | changes))


def payload_of(key: TileKey) -> bytes:
    return bytes(key) * 5


def crc_of(key: TileKey) -> int:
    return zlib.crc32(payload_of(key)[::-1])


def write(header: Header, keys=None, statistics=None, **kwargs) -> bytes:
    """Return a file with a payload of its own for each tile and map."""
    stream = io.BytesIO()
    own = header.map_scope == 'tile'
    with Writer(stream, header, **kwargs) as writer:
        for key in header.tiles() if keys is None else keys:
            if header.map_scope == 'plane' and key.row == key.col == 0:
                writer.write_map(key.plane, b'P%d' % key.plane, key.level)
            data = b'T%d' % key.col if own else b''
            writer.write_tile(key, payload_of(key), crc_of(key), data)
        writer.statistics = statistics
    return stream.getvalue()


def plain_file() -> bytes:
    return write(plain_header())


def rich_file() -> bytes:
    """Return a small file in which every kind of chunk is used."""
    header = Header(
        model='trial',
        weights=WEIGHTS,
        layout=layout('ZYXS', (2, 40, 50, 3), 'float32'),
        windows=(Window(-1.0, 2.5), Window(0.0, 1e30)),
        tile=32,
        halo=16,
        map_scope='plane',
        colours=ColourTurn((1, -2, 3), (4, 5, 6)),
    )
    return write(
        header,
        calibration=CALIBRATION,
        provenance=PROVENANCE,
        extras={'iCCp': b'profile', 'mETa': b'{}'},
        statistics=STATISTICS,
    )


def read_all(data: bytes) -> None:
    """Read every byte that means something."""
    with Reader(data) as reader:
        for key in reader.tiles:
            reader.read_tile(*key)
            reader.map(key.plane, key.level)


def assemble(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a file of chunks with right checksums, whatever they say."""
    return SIGNATURE + b''.join(chunk(*one) for one in chunks)


def shdr(
    shape=(40, 50), *, version=1, dtype=0, pixels=24, tile=0, maps=b'\0'
) -> bytes:
    sizes = b''.join(varint(size) for size in shape)
    halo = b'\0' if tile else b''
    head = bytes((version, 2)) + WEIGHTS + bytes((dtype, pixels))
    return head + varint(tile) + halo + maps + sizes


TILE = (b'TILE', b'\0' + bytes(4) + b'payload')
END = (b'SEND', b'')


# Round trips


colour_turns = st.none() | st.builds(
    ColourTurn,
    st.tuples(*3 * [st.integers(-32767, 32767)]),
    st.tuples(*3 * [st.integers(0, 255)]),
)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    leading = draw(st.permutations('TCZ'))[: draw(st.integers(0, 3))]
    axes = ''.join(leading) + draw(st.sampled_from(['YX', 'YXS']))
    size = {'Y': st.integers(1, 70), 'X': st.integers(1, 70), 'S': st.just(3)}
    shape = tuple(draw(size.get(a, st.integers(1, 3))) for a in axes)
    image = layout(axes, shape, draw(st.sampled_from(DTYPES)))
    tile = draw(st.sampled_from([0, 16, 32]))
    pyramid, below = [], shape
    for _ in range(draw(st.integers(0, 2))):
        below = tuple(
            (n + 1) // 2 if a in 'YX' else n
            for a, n in zip(axes, below, strict=True)
        )
        pyramid.append(below)
    counts = [1, image.channel_count, image.plane_count]
    finite = st.floats(allow_nan=False, allow_infinity=False)
    pairs = st.tuples(finite, finite).map(sorted)
    count = draw(st.sampled_from(counts))
    windows = draw(st.lists(pairs, min_size=count, max_size=count))
    scope = draw(st.sampled_from(['none', 'shared', 'plane', 'tile']))
    maps = tuple(draw(st.binary(max_size=4)) for _ in (shape, *pyramid))
    return Header(
        model=draw(st.sampled_from(['compact', 'song2021', 'other-model'])),
        weights=draw(st.binary(min_size=8, max_size=8)),
        layout=image,
        windows=tuple(Window(*pair) for pair in windows),
        tile=tile,
        halo=draw(st.integers(0, 64)) if tile else 0,
        pyramid=tuple(pyramid),
        map_scope=scope,
        maps=maps if scope == 'shared' else (),
        colours=draw(colour_turns) if image.rgb else None,
    )


@settings(max_examples=40)
@given(data=st.data(), header=headers())
def test_every_header_and_tile_comes_back(data, header):
    keys = list(header.tiles())
    shuffled = data.draw(st.permutations(keys)) if len(keys) < 50 else keys
    with Reader(write(header, shuffled)) as reader:
        assert reader.header == header
        assert reader.windows == header.windows
        assert list(reader.tiles) == keys
        own = header.map_scope == 'tile'
        for key in keys:
            wanted = Tile(
                key,
                payload_of(key),
                crc_of(key),
                b'T%d' % key.col if own else b'',
            )
            assert reader.read_tile(*key) == wanted
            found = reader.map(key.plane, key.level)
            if header.map_scope == 'shared':
                assert found == header.maps[key.level]
            elif header.map_scope == 'plane':
                assert found == b'P%d' % key.plane
            else:
                assert found is None


def test_records_and_extras_come_back():
    data = rich_file()
    with Reader(data) as reader:
        assert reader.calibration == CALIBRATION
        assert reader.provenance == PROVENANCE
        assert reader.statistics == STATISTICS
        assert reader.extras == {'iCCp': b'profile', 'mETa': b'{}'}
        assert reader.nbytes == len(data)


def test_turned_colours_lie_where_the_format_has_them():
    read_all(assemble((b'SHDR', shdr()), (b'COLR', bytes(9)), TILE, END))
    data = assemble(
        (b'SHDR', shdr()),
        (b'COLR', b'\1\0\xfe\xff\0\x7f\0\x80\xff'),
        TILE,
        END,
    )
    turn = Reader(data).header.colours
    assert turn == ColourTurn((1, -2, 0x7F00), (0, 128, 255))


def test_absent_records_are_none():
    reader = Reader(plain_file())
    assert reader.header.colours is None
    assert reader.calibration is None
    assert reader.provenance is None
    assert reader.statistics is None
    assert reader.extras == {}


@pytest.mark.parametrize(
    'calibration',
    [
        Calibration(),
        Calibration(name='only a name'),
        Calibration(units=('', 'µm')),
        Calibration(scale=(-1.0, 2.0), labels=('row', 'column')),
    ],
)
def test_partial_calibration_comes_back(calibration):
    header = plain_header(layout=layout('YX', (4, 4)))
    reader = Reader(write(header, calibration=calibration))
    assert reader.calibration == calibration


def test_date_is_kept_in_utc_to_the_second():
    zone = timezone(timedelta(hours=2))
    given = datetime(2026, 3, 1, 1, 0, 0, 987654, tzinfo=zone)
    reader = Reader(
        write(plain_header(), provenance=Provenance(date=given)),
    )
    assert reader.provenance is not None
    assert reader.provenance.date == given.replace(microsecond=0)


def test_psnr_follows_from_the_mean_squared_error():
    assert Statistics(mse=1e-4, largest_error=1).psnr == pytest.approx(40)
    assert Statistics(mse=0, largest_error=0).psnr == float('inf')


def test_windows_belong_to_channels_or_planes():
    first, second = Window(0, 10), Window(5, 6)
    image = layout('TCZYX', (2, 2, 3, 8, 8), 'uint16')
    channels = plain_header(layout=image, windows=(first, second))
    assert [channels.window(p) for p in (0, 2, 3, 5, 6, 9)] == [
        first,
        first,
        second,
        second,
        first,
        second,
    ]
    each = tuple(Window(0, p) for p in range(12))
    planes = plain_header(layout=image, windows=each)
    assert [planes.window(p) for p in range(12)] == list(each)


def test_tile_boxes_cover_a_plane_once():
    header = plain_header(layout=layout('YX', (70, 33)), tile=32)
    seen = np.zeros((70, 33), int)
    for key in header.tiles():
        top, bottom, left, right = header.box(key)
        seen[top:bottom, left:right] += 1
    assert (seen == 1).all()


# Size


@pytest.mark.parametrize('maps, payload', [(1, 100), (150, 30_000)])
def test_a_small_rgb_plane_costs_64_bytes_at_most(maps, payload):
    header = plain_header(
        layout=layout(shape=(512, 768, 3)), maps=(bytes(maps),)
    )
    stream = io.BytesIO()
    with Writer(stream, header) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), bytes(payload), 1)
    assert writer.nbytes == len(stream.getvalue())
    assert writer.nbytes - maps - payload <= 64


def test_a_tile_more_costs_24_bytes_at_most():
    def size(columns: int) -> int:
        image = layout('YX', (16, 16 * columns))
        return len(write(plain_header(layout=image, tile=16)))

    assert (size(102) - size(2)) / 100 - len(bytes(4) * 5) <= 24


def test_statistics_cost_tens_of_bytes():
    header = plain_header()
    extra = len(write(header, statistics=STATISTICS)) - len(write(header))
    assert extra <= 64


# Damage


@pytest.mark.parametrize('make', [plain_file, rich_file])
def test_truncation_anywhere_is_an_error(make):
    data = make()
    for size in range(len(data)):
        with pytest.raises(FormatError):
            read_all(data[:size])


@pytest.mark.parametrize('make', [plain_file, rich_file])
def test_a_flipped_bit_in_any_byte_is_an_error(make):
    data = make()
    for at in range(len(data)):
        for mask in (1 << at % 8, 0xFF):
            bad = bytearray(data)
            bad[at] ^= mask
            with pytest.raises(FormatError):
                read_all(bytes(bad))


@settings(max_examples=100)
@given(data=st.data(), make=st.sampled_from([plain_file, rich_file]))
def test_a_part_cut_moved_or_overwritten_is_an_error(data, make):
    good = make()
    start = data.draw(st.integers(0, len(good) - 1))
    stop = data.draw(st.integers(start, min(start + 40, len(good))))
    at = data.draw(st.integers(0, len(good)))
    new = data.draw(
        st.one_of(
            st.binary(max_size=40), st.just(good[at : at + stop - start])
        )
    )
    bad = good[:start] + new + good[stop:]
    if bad != good:
        with pytest.raises(FormatError):
            read_all(bad)


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_noise_behind_a_signature_is_an_error(noise):
    with pytest.raises(FormatError):
        read_all(SIGNATURE + noise)


def test_hostile_bodies_with_right_checksums_are_read_or_an_error():
    source = Source(rich_file())
    heads = [source.head(len(SIGNATURE))]
    while heads[-1].kind != b'SEND':
        heads.append(source.head(heads[-1].end))
    bodies = [source.body(head) for head in heads]

    @settings(max_examples=200)
    @given(
        which=st.integers(0, len(heads) - 1),
        place=st.floats(0, 1),
        new=st.binary(min_size=1, max_size=12),
    )
    def check(which, place, new):
        old = bodies[which]
        at = int(place * max(0, len(old) - len(new)))
        body = (old[:at] + new + old[at + len(new) :])[: len(old)]
        parts = [*bodies[:which], body, *bodies[which + 1 :]]
        kinds = [head.kind for head in heads]
        try:
            read_all(assemble(*zip(kinds, parts, strict=True)))
        except FormatError as error:
            assert '\n' not in str(error)

    check()


def test_a_damaged_tile_is_named_and_the_others_are_read():
    header = plain_header(layout=layout('YX', (32, 48)), tile=16)
    data = bytearray(write(header))
    at = bytes(data).index(payload_of(TileKey(0, 0, 1, 2)))
    data[at] ^= 1
    reader = Reader(bytes(data))
    assert reader.read_tile(0, 0, 1, 1).payload
    with pytest.raises(FormatError, match='row 1, column 2.*checksum'):
        reader.read_tile(0, 0, 1, 2)


@pytest.mark.parametrize(
    'data, words',
    [
        (b'', 'not an .sft file'),
        (b'\x89PNG\r\n\x1a\n', 'not an .sft file'),
        (plain_file().replace(b'\r\n', b'\n'), 'text mode'),
        (plain_file().replace(b'\n', b'\r\n'), 'text mode'),
        (bytes(byte & 0x7F for byte in plain_file()), 'highest bit'),
        (plain_file() + b'\0', 'cut short'),
    ],
)
def test_foreign_files_and_bad_transfers_are_told_apart(data, words):
    with pytest.raises(FormatError, match=words):
        Reader(data)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / 'cut.sft'
    path.write_bytes(plain_file()[:-1])
    with pytest.raises(FormatError, match=r'cut\.sft: '):
        Reader(path)
    with pytest.raises(SftError, match=r'gone\.sft'):
        Reader(tmp_path / 'gone.sft')


# Versions


def test_unknown_ancillary_chunks_are_skipped():
    odd = (b'oDDs', b'from the future')
    data = assemble((b'SHDR', shdr()), odd, odd, TILE, odd, END)
    assert Reader(data).read_tile(0, 0, 0, 0).payload == b'payload'


def test_a_damaged_unknown_chunk_is_an_error():
    data = assemble((b'SHDR', shdr()), (b'oDDs', b'future'), TILE, END)
    with pytest.raises(FormatError, match='oDDs.*checksum'):
        Reader(data.replace(b'future', b'futurf'))


def test_unknown_critical_chunks_need_a_newer_version():
    data = assemble((b'SHDR', shdr()), (b'NEWS', b''), TILE, END)
    with pytest.raises(VersionError, match="'NEWS'.*version.*above 1"):
        Reader(data)


def test_a_newer_version_is_named():
    newer = assemble((b'SHDR', shdr(version=3)), (b'NEWS', b''), TILE, END)
    with pytest.raises(VersionError, match='version 3'):
        Reader(newer)


@pytest.mark.parametrize(
    'body', [shdr(dtype=9), shdr(pixels=32), shdr(maps=b'\x80')]
)
def test_unknown_codes_in_the_header_need_a_newer_version(body):
    with pytest.raises(VersionError):
        Reader(assemble((b'SHDR', body), TILE, END))


# Hostile files, with right checksums


def head_of_length(length: int) -> bytes:
    return SIGNATURE + varint(length) + b'SHDR' + bytes(40)


def indexed(*entries: tuple[int, int], at: int | None = None) -> bytes:
    """Return a file of two tiles of 20 bytes, with a forged index."""
    body = b''.join(zigzag(gap) + varint(n) for gap, n in entries)
    tiles = [(b'TILE', bytes((n,)) + bytes(10)) for n in (0, 1)]
    front = assemble(
        (b'SHDR', shdr((16, 32), pixels=0, tile=16)),
        *tiles,
    )
    where = len(front) if at is None else at
    return (
        front + chunk(b'INDX', body) + chunk(b'SEND', struct.pack('<Q', where))
    )


def test_the_forged_index_is_good_when_it_is_true():
    read_all(indexed((0, 11), (0, 11)))


@pytest.mark.parametrize(
    'data',
    [
        head_of_length(2**60),
        head_of_length(2**63 - 1),
        assemble((b'SHDR', shdr((2**40, 50))), TILE, END),
        assemble((b'SHDR', shdr((2**31, 2**31))), TILE, END),
        assemble((b'SHDR', shdr((0, 50))), TILE, END),
        assemble((b'SHDR', shdr((2**31, 2**16), tile=1)), TILE, END),
        assemble((b'SHDR', shdr(maps=b'\1') + varint(2**60)), TILE, END),
        assemble((b'SHDR', shdr()), (b'pROv', varint(2**60)), TILE, END),
        assemble(
            (b'SHDR', shdr()), (b'sTAT', bytes(12) + varint(2**60)), TILE, END
        ),
        assemble(
            (b'SHDR', shdr()), (b'pROv', b'\1' + varint(2**40)), TILE, END
        ),
        assemble((b'SHDR', shdr()), (b'cALb', b'\xff\xff'), TILE, END),
        assemble((b'SHDR', shdr()), *[(b'oDDs', b'')] * 1001, TILE, END),
        indexed((0, 11), (0, 2**60)),
        indexed((2**60, 11), (0, 11)),
        indexed((-(2**60), 11), (0, 11)),
        indexed((0, 11)),
        indexed((0, 11), (0, 11), (0, 11)),
        indexed((0, 11), (0, 11), at=2**62),
        indexed((0, 11), (0, 11), at=0),
    ],
)
def test_hostile_sizes_are_refused_without_allocating(data):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            read_all(data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'entries',
    [
        [(0, 11), (-20, 11)],  # the same tile twice
        [(0, 11), (-10, 11)],  # overlap
        [(0, 11), (1, 10)],  # gap
        [(0, 31), (-40, 31)],
        [(20, 11), (-40, 11)],  # swapped: each holds the other
    ],
)
def test_an_index_that_lies_is_an_error(entries):
    with pytest.raises(FormatError):
        read_all(indexed(*entries))


@pytest.mark.parametrize(
    'chunks',
    [
        [TILE, END],
        [(b'cALb', b''), (b'SHDR', shdr()), TILE, END],
        [(b'SHDR', shdr()), (b'SHDR', shdr()), TILE, END],
        [(b'SHDR', shdr()), TILE, TILE, END],
        [(b'SHDR', shdr()), (b'QMAP', b'\0'), END],
        [(b'SHDR', shdr()), TILE, (b'WNDW', bytes(16)), END],
        [(b'SHDR', shdr()), TILE, (b'INDX', b'\0\0'), END],
        [(b'SHDR', shdr()), (b'INDX', b''), TILE, END],
        [(b'SHDR', shdr()), (b'mETa', b''), TILE, (b'mETa', b''), END],
        [(b'SHDR', shdr()), TILE, END, END],
        [(b'SHDR', shdr()), END],
        [(b'SHDR', shdr(dtype=7)), TILE, END],
        [(b'SHDR', shdr() + b'\0'), TILE, END],
        [(b'SHDR', shdr()), (b'WNDW', b''), TILE, END],
        [(b'SHDR', shdr()), (b'T\n1E', b''), TILE, END],
        [(b'SHDR', shdr(pixels=0)), (b'COLR', bytes(9)), TILE, END],
        [(b'SHDR', shdr()), (b'COLR', bytes(8)), TILE, END],
        [(b'SHDR', shdr()), (b'COLR', b'\0\x80' + bytes(7)), TILE, END],
        [(b'SHDR', shdr()), *[(b'COLR', bytes(9))] * 2, TILE, END],
        [(b'SHDR', shdr()), TILE, (b'COLR', bytes(9)), END],
    ],
)
def test_misplaced_missing_or_doubled_chunks_are_an_error(chunks):
    with pytest.raises(FormatError):
        read_all(assemble(*chunks))


# Reading


def test_threads_share_a_reader(tmp_path):
    path = tmp_path / 'many.sft'
    header = plain_header(layout=layout('YX', (160, 160)), tile=16)
    path.write_bytes(write(header))
    with Reader(path) as reader, ThreadPoolExecutor(8) as pool:
        keys = reader.tiles * 5
        tiles = pool.map(lambda key: reader.read_tile(*key), keys)
        assert [t.payload for t in tiles] == [payload_of(k) for k in keys]


def test_a_file_object_is_read_and_left_open():
    stream = io.BytesIO(rich_file())
    with Reader(stream) as reader:
        assert reader.map(1) == b'P1'
    assert not stream.closed


def test_a_tile_or_map_that_the_image_lacks_is_refused():
    reader = Reader(plain_file())
    with pytest.raises(SftError, match='tiles'):
        reader.read_tile(0, 0, 0, 1)
    with pytest.raises(SftError, match='plane 7'):
        reader.map(7)


# Writing


def test_a_path_gets_its_file_at_the_end(tmp_path):
    path = tmp_path / 'image.sft'
    path.write_bytes(b'old')
    header = plain_header()
    with Writer(path, header) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), b'payload', 7)
        assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]
    assert Reader(path).read_tile(0, 0, 0, 0).symbols_crc == 7


def test_a_failure_of_the_caller_leaves_nothing_behind(tmp_path):
    path = tmp_path / 'image.sft'
    with pytest.raises(KeyboardInterrupt), Writer(path, plain_header()):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


class FullDisk(io.FileIO):
    """Takes some bytes, then no more."""

    room = 0

    def write(self, data) -> int:
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return super().write(data)


@pytest.mark.parametrize('room', [0, 60, 150, 190])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(
    tmp_path, monkeypatch, room
):
    path = tmp_path / 'image.sft'
    path.write_bytes(b'old')

    def open_full(name, mode):
        file = FullDisk(name, mode)
        file.room = room
        return file

    monkeypatch.setattr(writer_module, 'open', open_full, raising=False)
    with (
        pytest.raises(SftError, match=r'image\.sft: No space') as caught,
        Writer(path, plain_header()) as writer,
    ):
        writer.write_tile(TileKey(0, 0, 0, 0), bytes(136), 7)
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b'old'


def test_a_disk_that_fails_at_the_last_moment_leaves_nothing(
    tmp_path, monkeypatch
):
    def fail(number):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, 'fsync', fail)
    with (
        pytest.raises(SftError, match=r'image\.sft: '),
        Writer(tmp_path / 'image.sft', plain_header()) as writer,
    ):
        writer.write_tile(TileKey(0, 0, 0, 0), b'', 0)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_folder_is_an_error_of_ours(tmp_path):
    with pytest.raises(SftError, match='nowhere'):
        Writer(tmp_path / 'nowhere' / 'image.sft', plain_header())


def test_only_regular_files_are_replaced(tmp_path):
    with pytest.raises(SftError, match='no regular file'):
        Writer(tmp_path, plain_header())


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / 'real.sft', tmp_path / 'link.sft'
    real.write_bytes(b'old')
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip('no symbolic links here')
    with Writer(link, plain_header()) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), b'', 0)
    assert link.is_symlink()
    assert Reader(real).tiles == (TileKey(0, 0, 0, 0),)


def test_a_missing_tile_makes_no_file(tmp_path):
    header = plain_header(tile=16)
    with (
        pytest.raises(SftError, match='11 of 12'),
        Writer(tmp_path / 'image.sft', header) as writer,
    ):
        writer.write_tile(TileKey(0, 0, 2, 3), b'', 0)
    assert list(tmp_path.iterdir()) == []


def test_tiles_and_maps_must_suit_the_header():
    key = TileKey(0, 0, 0, 0)
    writer = Writer(io.BytesIO(), plain_header())
    writer.write_tile(key, b'', 0)
    with pytest.raises(SftError, match='second time'):
        writer.write_tile(key, b'', 0)
    with pytest.raises(SftError, match='no .* among its tiles'):
        writer.write_tile(TileKey(0, 1, 0, 0), b'', 0)
    with pytest.raises(SftError, match='map scope'):
        writer.write_tile(key, b'', 0, b'map')
    with pytest.raises(SftError, match='map scope'):
        writer.write_map(0, b'map')


@pytest.mark.parametrize(
    'kwargs',
    [
        {'calibration': Calibration(scale=(1.0, 1.0, 1.0))},
        {'calibration': Calibration(name='x' * 2000)},
        {'extras': {'tEXt': b''}},
    ],
)
def test_records_that_do_not_fit_make_no_file(tmp_path, kwargs):
    with pytest.raises(SftError):
        Writer(tmp_path / 'image.sft', plain_header(), **kwargs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'changes',
    [
        {'model': ''},
        {'model': 'naïve'},
        {'weights': b'short'},
        {'layout': layout('YX', (2**32, 1))},
        {'layout': layout('YX', (2**16, 2**15))},
        {'layout': layout('YX', (8, 8), 'float32')},
        {'tile': 2**16},
        {'halo': 1},
        {'pyramid': ((80, 50, 3),), 'maps': (b'', b'')},
        {'pyramid': ((20, 25, 3),)},
        {'windows': (Window(0, 1), Window(0, 2))},
        {'map_scope': 'pixel'},
        {'map_scope': 'none'},
    ],
)
def test_headers_that_no_file_can_hold_are_refused(changes):
    with pytest.raises(ImageError):
        plain_header(**changes)


@pytest.mark.parametrize(
    'make',
    [
        lambda: Calibration(scale=(1.0,), units=('a', 'b')),
        lambda: Calibration(scale=(0.0, 1.0)),
        lambda: Calibration(translate=(float('nan'), 1.0)),
        lambda: Provenance(date=datetime(2026, 1, 1)),
        lambda: Provenance(software=('x',) * 65),
        lambda: Statistics(mse=-1, largest_error=0),
        lambda: Statistics(mse=float('nan'), largest_error=0),
        lambda: Region(quality=(5, 101), pixels=1, mse=0, largest_error=0),
        lambda: Region(quality=(5, 6), pixels=-1, mse=0, largest_error=0),
    ],
)
def test_records_without_sense_are_refused(make):
    with pytest.raises(ImageError):
        make()


# The specification


def example() -> bytes:
    """Return the file that docs/format.md takes apart."""
    header = Header(
        model='compact',
        weights=WEIGHTS,
        layout=layout('YXS', (32, 300, 3)),
        tile=256,
        halo=64,
        map_scope='shared',
        maps=(b'MAP',),
    )
    stream = io.BytesIO()
    with Writer(stream, header) as writer:
        writer.write_tile(TileKey(0, 0, 0, 0), b'first', 0x11111111)
        writer.write_tile(TileKey(0, 0, 0, 1), b'second', 0x22222222)
    return stream.getvalue()


def test_the_example_of_the_specification_is_what_the_code_writes():
    page = Path(__file__).parents[2] / 'docs' / 'format.md'
    text = page.read_text('utf-8')
    block = text.split('```hex\n')[1].split('```')[0]
    shown = ''.join(line.split('|')[0] for line in block.splitlines())
    assert bytes.fromhex(shown) == example()
