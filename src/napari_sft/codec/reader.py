"""Reads .sft files: everything but the tiles at once, tiles on demand."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

from napari_sft.codec.bodies import (
    check_version,
    unpack_calibration,
    unpack_colours,
    unpack_header,
    unpack_provenance,
    unpack_statistics,
    unpack_windows,
)
from napari_sft.codec.chunks import (
    EXTRAS,
    SIGNATURE,
    ChunkHead,
    Source,
    check_signature,
    chunk,
    chunk_size,
)
from napari_sft.codec.errors import FormatError, VersionError
from napari_sft.codec.fields import Cursor
from napari_sft.codec.header import Header, TileKey
from napari_sft.codec.records import Calibration, Provenance, Statistics
from napari_sft.codec.windows import Window

HEAD = (b'SHDR', b'WNDW', b'COLR')
CRITICAL = (*HEAD, b'TILE', b'QMAP', b'INDX', b'SEND')
ANCILLARY = (b'cALb', b'pROv', b'sTAT', *(k.encode('ascii') for k in EXTRAS))
DATA = (b'TILE', b'QMAP')
MAX_CHUNKS = 1000  # outside the data
MIN_ITEM = 10  # bytes of the smallest possible TILE or QMAP
BARE_END = chunk(b'SEND', b'')
LONG_END = chunk_size(8)


@dataclass(frozen=True)
class Tile:
    """One tile as it lies in the file, its bytes verified.

    Parameters
    ----------
    key : TileKey
        Which tile it is.
    payload : bytes
        The entropy-coded symbols.
    symbols_crc : int
        CRC-32 of the symbols, for the decoder to compare.
    quality_map : bytes
        The tile's own packed map; empty unless the map scope is 'tile'.
    """

    key: TileKey
    payload: bytes
    symbols_crc: int
    quality_map: bytes = b''


class Reader:
    """Reads an .sft file; several threads may share one reader.

    Opening reads and verifies all but tiles and per-plane maps. Nothing is
    allocated on the word of a number in the file that its size belies.

    Parameters
    ----------
    source : str, path, bytes or seekable binary file object
        The whole file; a file object is read from its beginning, not closed.

    Attributes
    ----------
    header : Header
        What the image is.
    calibration, provenance, statistics : or None
        None if the file has none.
    extras : dict of str to bytes
        'iCCp' and 'mETa', as far as they are there.

    Raises
    ------
    SftError
        If the file can't be read.
    FormatError
        If it is damaged, cut short or not an .sft file.
    VersionError
        If it needs a newer reader.
    """

    header: Header
    calibration: Calibration | None = None
    provenance: Provenance | None = None
    statistics: Statistics | None = None

    def __init__(
        self, source: str | os.PathLike[str] | bytes | BinaryIO
    ) -> None:
        self._source = Source(source)
        self._bodies: dict[bytes, bytes] = {}
        self._starts, self._lengths = array('Q'), array('Q')
        try:
            with self._naming():
                self._open()
        except BaseException:
            self.close()
            raise

    @property
    def nbytes(self) -> int:
        """Size of the file in bytes."""
        return self._source.nbytes

    @property
    def windows(self) -> tuple[Window, ...]:
        """The value windows, see `Header`."""
        return self.header.windows

    @property
    def tiles(self) -> tuple[TileKey, ...]:
        """The key of every tile, in the order of their numbers."""
        return tuple(self.header.tiles())

    def read_tile(self, level: int, plane: int, row: int, col: int) -> Tile:
        """Return a tile; FormatError names it if its bytes are damaged."""
        key = TileKey(level, plane, row, col)
        number = self.header.tile_number(key)
        where = (
            f'tile at level {level}, plane {plane}, row {row}, column {col}'
        )
        with self._naming(where):
            cursor = self._item(number, b'TILE')
            if cursor.varint() != number:
                raise FormatError('another tile lies in its place')
            crc = cursor.u32()
            own = self.header.map_scope == 'tile'
            data = cursor.take(cursor.varint()) if own else b''
            return Tile(key, cursor.rest(), crc, data)

    def map(self, plane: int = 0, level: int = 0) -> bytes | None:
        """Return a plane's packed quality map, shared or its own.

        None if the file has no maps, or each tile carries its own.
        """
        number = self.header.plane_number(level, plane)
        if self.header.map_scope == 'shared':
            return self.header.maps[level]
        if self.header.map_scope != 'plane':
            return None
        with self._naming(f'map at level {level}, plane {plane}'):
            cursor = self._item(self.header.tile_count + number, b'QMAP')
            if cursor.varint() != number:
                raise FormatError('another map lies in its place')
            return cursor.rest()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _naming(self, where: str = '') -> Iterator[None]:
        """Put the file's name, and the place, in front of an error."""
        prefix = f'{self._source.name}: {where}: ' if where else ''
        try:
            yield
        except FormatError as error:
            prefix = prefix or f'{self._source.name}: '
            raise type(error)(f'{prefix}{error}') from None

    def _item(self, number: int, kind: bytes) -> Cursor:
        head = self._source.head(self._starts[number])
        if head.kind != kind or head.length != self._lengths[number]:
            raise FormatError(f'{head} is not what the index says')
        return Cursor(self._source.body(head))

    def _open(self) -> None:
        source = self._source
        check_signature(source.read(0, min(len(SIGNATURE), source.nbytes)))
        index = self._find_index()
        first = self._walk(source.head(len(SIGNATURE)), DATA)
        self._unpack_header()
        if index is None:
            end = self._sole_tile(first)
        else:
            end = self._read_index(first.start, source.head(index))
        last = self._walk(source.head(end), (b'SEND',))
        size = len(BARE_END) if index is None else LONG_END
        if last.start != source.nbytes - size or last.end != source.nbytes:
            raise FormatError(f'{last} is not the end; the file is damaged')
        self._unpack_records()

    def _find_index(self) -> int | None:
        """Return where INDX starts, from the end of the file."""
        source = self._source
        tail = source.read(max(0, source.nbytes - LONG_END), LONG_END)
        if tail.endswith(BARE_END):
            return None
        if tail[:5] == b'\x08SEND':
            body = source.body(source.head(source.nbytes - LONG_END))
            return int.from_bytes(body, 'little')
        raise FormatError('the end is missing; the file is cut short')

    def _walk(self, head: ChunkHead, stop: tuple[bytes, ...]) -> ChunkHead:
        """Collect chunks up to one whose type is in `stop`; return that."""
        seen = 0
        while head.kind not in stop:
            self._collect(head, before_data=stop == DATA)
            seen += 1
            if seen > MAX_CHUNKS:
                raise FormatError(f'over {MAX_CHUNKS} chunks besides the data')
            head = self._source.head(head.end)
        return head

    def _collect(self, head: ChunkHead, *, before_data: bool) -> None:
        if (head.kind == b'SHDR') == bool(self._bodies) and before_data:
            raise FormatError(f'{head} where the header should be or was')
        if head.kind in ANCILLARY or (before_data and head.kind in HEAD):
            if head.kind in self._bodies:
                raise FormatError(f'{head} is there for the second time')
            self._bodies[head.kind] = self._source.body(head)
            if head.kind == b'SHDR':
                check_version(self._bodies[head.kind])
        elif head.kind in CRITICAL:
            raise FormatError(f'{head} is out of place; the file is damaged')
        else:
            self._source.check(head)
            if not head.ancillary:
                raise VersionError(
                    f'{head} must be understood, which takes a reader for a '
                    'version of the .sft format above 1; update napari-sft'
                )

    def _unpack_header(self) -> None:
        body = self._bodies.pop(b'SHDR', None)
        if body is None:
            raise FormatError('the header is missing; the file is damaged')
        windows = self._bodies.pop(b'WNDW', None)
        colours = self._bodies.pop(b'COLR', None)
        self.header = unpack_header(
            body,
            () if windows is None else unpack_windows(windows),
            None if colours is None else unpack_colours(colours),
        )
        self._count = self.header.tile_count + self.header.map_count
        if self._count * MIN_ITEM > self.nbytes:
            raise FormatError(
                f'the header speaks of {self._count} tiles and maps, more '
                f'than {self.nbytes} bytes can hold; the file is damaged'
            )

    def _unpack_records(self) -> None:
        bodies = self._bodies
        ndim = len(self.header.axes.rstrip('S'))
        if b'cALb' in bodies:
            self.calibration = unpack_calibration(bodies[b'cALb'], ndim)
        if b'pROv' in bodies:
            self.provenance = unpack_provenance(bodies[b'pROv'])
        if b'sTAT' in bodies:
            self.statistics = unpack_statistics(bodies[b'sTAT'])
        self.extras = {
            kind: bodies[kind.encode('ascii')]
            for kind in EXTRAS
            if kind.encode('ascii') in bodies
        }
        bodies.clear()

    def _sole_tile(self, head: ChunkHead) -> int:
        """Take the only tile of a file without index; return its end."""
        if self._count != 1 or head.kind != b'TILE':
            raise FormatError(
                f'no index to {self._count} tiles and maps; the file is '
                'damaged'
            )
        self._starts.append(head.start)
        self._lengths.append(head.length)
        return head.end

    def _read_index(self, data: int, head: ChunkHead) -> int:
        """Take where tiles and maps lie; return the end of INDX.

        They must fill the bytes between `data` and INDX without a gap.
        """
        if head.kind != b'INDX' or self._count == 1:
            raise FormatError(f'{head} is no index; the file is damaged')
        cursor = Cursor(self._source.body(head))
        extents, end = [], data
        for _ in range(self._count):
            start, length = end + cursor.zigzag(), cursor.varint()
            end = start + chunk_size(length)
            if start < data or end > head.start:
                raise FormatError(f'{head} points outside the data')
            self._starts.append(start)
            self._lengths.append(length)
            extents.append((start, end))
        cursor.finish()
        reach = data
        for start, end in sorted(extents):
            if start != reach:
                raise FormatError(f'{head} has overlaps or gaps')
            reach = end
        if reach != head.start:
            raise FormatError(f'{head} leaves bytes of the data unused')
        return head.end
