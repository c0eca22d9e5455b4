"""Chunks, and where they are read from: the grammar of an .sft file.

A chunk is a length (varint), a type (4 ASCII letters), a body and the CRC-32
of type and body, in the manner of PNG. See ``docs/format.md``.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from typing import BinaryIO, NamedTuple

from napari_sft.codec.errors import FormatError, SftError
from napari_sft.codec.fields import Cursor, varint

SIGNATURE = b'\x89SFT\r\n\x1a\n'
# Ancillary chunks kept as they come: an ICC profile, the source's metadata.
EXTRAS = ('iCCp', 'mETa')
BLOCK = 1 << 20


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return one whole chunk."""
    crc = zlib.crc32(body, zlib.crc32(kind))
    return b''.join((varint(len(body)), kind, body, struct.pack('<I', crc)))


def chunk_size(length: int) -> int:
    """Return the size in bytes of a chunk whose body has `length` bytes."""
    return len(varint(length)) + 8 + length


def check_signature(data: bytes) -> None:
    """Raise FormatError unless `data`, a file's first 8 bytes, is ours."""
    if data == SIGNATURE:
        return
    if data[:4] == b'\x09SFT':
        raise FormatError(
            'the highest bit of every byte is lost; transfer the file again '
            'in binary mode'
        )
    if data[:4] == SIGNATURE[:4]:
        raise FormatError(
            'the signature is damaged, as by a transfer in text mode; '
            'transfer the file again in binary mode'
        )
    raise FormatError('this is not an .sft file')


class ChunkHead(NamedTuple):
    """Where a chunk lies; its body is not read yet."""

    kind: bytes
    start: int  # of the length
    body: int
    length: int

    @property
    def end(self) -> int:
        return self.body + self.length + 4

    @property
    def ancillary(self) -> bool:
        return bool(self.kind[0] & 0x20)

    def __str__(self) -> str:
        return f"chunk '{self.kind.decode()}' at byte {self.start}"


class Source:
    """Positioned reads from a path, bytes or a binary file object.

    A lock guards the position, so that threads can share one source.
    """

    def __init__(
        self, source: str | os.PathLike[str] | bytes | BinaryIO
    ) -> None:
        self._lock = threading.Lock()
        self._owned = True
        if isinstance(source, (bytes, bytearray, memoryview)):
            self.name = 'data'
            self._file: BinaryIO = io.BytesIO(source)
        elif isinstance(source, (str, os.PathLike)):
            self.name = os.fspath(source)
            try:
                # Closed by close(): reads go on after this call.
                self._file = open(source, 'rb')  # noqa: SIM115
            except OSError as error:
                raise self._os_error(error) from error
        else:
            self.name = str(getattr(source, 'name', 'data'))
            self._file = source
            self._owned = False
        try:
            self.nbytes = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            self.close()
            raise self._os_error(error) from error

    def _os_error(self, error: OSError) -> SftError:
        return SftError(
            f"can't read {self.name}: {error.strerror or error}; "
            'check the path and its permissions'
        )

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._owned:
            self._file.close()

    def read(self, start: int, count: int) -> bytes:
        """Return exactly `count` bytes from byte `start`."""
        if start < 0 or count < 0 or start + count > self.nbytes:
            raise FormatError(
                f'byte {start + count} lies outside the file, which ends at '
                f'{self.nbytes}; it is damaged or cut short'
            )
        try:
            with self._lock:
                self._file.seek(start)
                data = self._file.read(count)
        except OSError as error:
            raise self._os_error(error) from error
        if len(data) != count:
            raise FormatError('the file became shorter while it was read')
        return data

    def head(self, start: int) -> ChunkHead:
        """Return the head of the chunk that starts at byte `start`."""
        data = self.read(start, min(14, self.nbytes - start))
        cursor = Cursor(data)
        try:
            length = cursor.varint()
            kind = cursor.take(4)
        except FormatError as error:
            raise FormatError(
                f'no chunk at byte {start} ({error}); the file is damaged or '
                'cut short'
            ) from None
        head = ChunkHead(kind, start, start + len(data) - cursor.left, length)
        if not (kind.isascii() and kind.isalpha()):
            raise FormatError(f'no chunk at byte {start}; the file is damaged')
        if head.end > self.nbytes:
            raise FormatError(
                f'{head} would end at byte {head.end}, the file ends at '
                f'{self.nbytes}; it is damaged or cut short'
            )
        return head

    def body(self, head: ChunkHead) -> bytes:
        """Return the body of a chunk, its checksum verified."""
        data = self.read(head.body, head.length + 4)
        body, crc = data[:-4], data[-4:]
        self._verify(head, zlib.crc32(body, zlib.crc32(head.kind)), crc)
        return body

    def check(self, head: ChunkHead) -> None:
        """Verify a chunk's checksum in bounded memory."""
        crc, stop = zlib.crc32(head.kind), head.end - 4
        for at in range(head.body, stop, BLOCK):
            crc = zlib.crc32(self.read(at, min(BLOCK, stop - at)), crc)
        self._verify(head, crc, self.read(stop, 4))

    @staticmethod
    def _verify(head: ChunkHead, crc: int, stored: bytes) -> None:
        if crc != int.from_bytes(stored, 'little'):
            raise FormatError(
                f'{head} fails its checksum; the file is damaged, get it again'
            )
