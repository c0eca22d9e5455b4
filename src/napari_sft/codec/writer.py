"""Writes .sft files: tile after tile, all or nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import BinaryIO

from napari_sft.codec.bodies import (
    pack_calibration,
    pack_colours,
    pack_header,
    pack_provenance,
    pack_statistics,
    pack_windows,
)
from napari_sft.codec.chunks import (
    EXTRAS,
    SIGNATURE,
    chunk,
    chunk_size,
)
from napari_sft.codec.errors import ImageError, SftError
from napari_sft.codec.fields import varint, zigzag
from napari_sft.codec.header import Header, TileKey
from napari_sft.codec.records import Calibration, Provenance, Statistics


class Writer:
    """Writes an .sft file, each tile as soon as it is made.

    Use it as a context manager. A path gets its file only when all is
    written (a temporary file in the same folder takes its name); whatever
    goes wrong before, nothing is left behind.

    Parameters
    ----------
    target : str, path or binary file object
        Where to write; a file object is only ever appended to, not closed.
    header : Header
        What the image is.
    calibration, provenance : optional
        Left out of the file if None.
    extras : mapping of str to bytes, optional
        An ICC profile under 'iCCp', the source's metadata under 'mETa'.

    Attributes
    ----------
    statistics : Statistics or None
        Set it before the end to have it in the file.
    nbytes : int
        Number of bytes written so far.

    Raises
    ------
    SftError
        If the target can't be written, a tile is written twice or is
        missing at the end.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        header: Header,
        *,
        calibration: Calibration | None = None,
        provenance: Provenance | None = None,
        extras: Mapping[str, bytes] | None = None,
    ) -> None:
        self.header = header
        self.statistics: Statistics | None = None
        self.nbytes = 0
        # Per item (tiles, then maps): where its chunk starts, body length.
        self._items: dict[int, tuple[int, int]] = {}
        self._count = header.tile_count + header.map_count
        head = self._head(calibration, provenance, extras or {})
        self._path = ''
        if isinstance(target, (str, os.PathLike)):
            # Through a link, so that the file and not the link is replaced.
            self._path = os.path.realpath(target)
            self._name = os.fspath(target)
            self._file = self._open_part()
        else:
            self._name = str(getattr(target, 'name', 'the stream'))
            self._file = target
        try:
            self._write(head)
        except SftError:
            self.abort()
            raise

    def _head(
        self,
        calibration: Calibration | None,
        provenance: Provenance | None,
        extras: Mapping[str, bytes],
    ) -> bytes:
        header = self.header
        parts = [SIGNATURE, chunk(b'SHDR', pack_header(header))]
        if not header.default_window:
            parts.append(chunk(b'WNDW', pack_windows(header.windows)))
        if header.colours is not None:
            parts.append(chunk(b'COLR', pack_colours(header.colours)))
        if calibration is not None:
            if calibration.ndim not in (0, len(header.axes.rstrip('S'))):
                raise ImageError(
                    f'a calibration of {calibration.ndim} axes for an image '
                    f'of axes {header.axes}'
                )
            parts.append(chunk(b'cALb', pack_calibration(calibration)))
        if provenance is not None:
            parts.append(chunk(b'pROv', pack_provenance(provenance)))
        for kind, body in extras.items():
            if kind not in EXTRAS:
                raise SftError(f'{kind!r} is not among the extras {EXTRAS}')
            parts.append(chunk(kind.encode('ascii'), body))
        return b''.join(parts)

    def _open_part(self) -> BinaryIO:
        if os.path.exists(self._path) and not os.path.isfile(self._path):
            raise SftError(f"can't write {self._name}: it is no regular file")
        folder, name = os.path.split(self._path)
        self._part = os.path.join(
            folder, f'.{name[:100]}.{secrets.token_hex(4)}.part'
        )
        try:
            # Closed by close() or abort().
            return open(self._part, 'xb')  # noqa: SIM115
        except OSError as error:
            raise self._os_error(error) from error

    def _os_error(self, error: OSError) -> SftError:
        return SftError(
            f"can't write {self._name}: {error.strerror or error}; make room "
            'or choose another place'
        )

    def _write(self, data: bytes) -> None:
        try:
            taken = self._file.write(data)
        except OSError as error:
            raise self._os_error(error) from error
        if taken is not None and taken != len(data):
            raise SftError(f"can't write {self._name}: it takes no more")
        self.nbytes += len(data)

    def _item(self, number: int, kind: bytes, body: bytes, what: str) -> None:
        if number in self._items:
            raise SftError(f'{what} is written a second time')
        self._items[number] = self.nbytes, len(body)
        self._write(chunk(kind, body))

    def write_tile(
        self,
        key: TileKey,
        payload: bytes,
        symbols_crc: int,
        quality_map: bytes = b'',
    ) -> None:
        """Append a tile; tiles may come in any order, see `Tile`."""
        own = self.header.map_scope == 'tile'
        if quality_map and not own:
            raise SftError(
                f"a map for tile {tuple(key)}, but the file's map scope is "
                f'{self.header.map_scope!r}'
            )
        number = self.header.tile_number(key)
        body = b''.join(
            (
                varint(number),
                struct.pack('<I', symbols_crc),
                varint(len(quality_map)) if own else b'',
                quality_map,
                payload,
            )
        )
        self._item(number, b'TILE', body, f'tile {tuple(key)}')

    def write_map(self, plane: int, data: bytes, level: int = 0) -> None:
        """Append the packed quality map of a plane (map scope 'plane')."""
        if self.header.map_scope != 'plane':
            raise SftError(
                f'a map for plane {plane}, but the map scope of the file is '
                f'{self.header.map_scope!r}'
            )
        number = self.header.plane_number(level, plane)
        body = varint(number) + data
        number += self.header.tile_count
        self._item(number, b'QMAP', body, f'map of plane {plane}')

    def _index(self) -> bytes:
        body, end = [], min(start for start, _ in self._items.values())
        for number in range(self._count):
            start, length = self._items[number]
            body += [zigzag(start - end), varint(length)]
            end = start + chunk_size(length)
        return b''.join(body)

    def close(self) -> None:
        """Finish the file and give it its name."""
        try:
            self._write_end()
            self._publish()
        except BaseException:
            self.abort()
            raise

    def _write_end(self) -> None:
        missing = self._count - len(self._items)
        if missing:
            raise SftError(
                f'{missing} of {self._count} tiles and maps of {self._name} '
                'were never written; no file is made'
            )
        where = b''
        if self._count > 1:
            where = struct.pack('<Q', self.nbytes)
            self._write(chunk(b'INDX', self._index()))
        if self.statistics is not None:
            self._write(chunk(b'sTAT', pack_statistics(self.statistics)))
        self._write(chunk(b'SEND', where))

    def _publish(self) -> None:
        try:
            self._file.flush()
            if self._path:
                os.fsync(self._file.fileno())
                self._file.close()
                os.replace(self._part, self._path)
        except OSError as error:
            raise self._os_error(error) from error

    def abort(self) -> None:
        """Give up: remove the temporary file of a path."""
        if not self._path:
            return
        # A disk that is still full must not keep the file from going.
        with contextlib.suppress(OSError):
            self._file.close()
        if os.path.exists(self._part):
            os.remove(self._part)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
