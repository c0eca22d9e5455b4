"""Numbers and texts inside a body, written and read."""

from __future__ import annotations

import struct

from napari_sft.codec.errors import FormatError, ImageError, SftError

MAX_VARINT = 2**63 - 1
MAX_TEXT = 1024


def varint(value: int) -> bytes:
    """Return `value` (0 to 2**63 - 1) as LEB128: 7 bits a byte, low first."""
    if not 0 <= value <= MAX_VARINT:
        raise SftError(f'{value} is outside 0..2**63 - 1, so not writable')
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """Return a signed integer as a varint: 0, -1, 1, -2 ... as 0, 1, 2, 3."""
    return varint(2 * value if value >= 0 else -2 * value - 1)


def text(value: str, what: str) -> bytes:
    """Return `value` as UTF-8 behind its length in bytes (at most 1024)."""
    data = value.encode('utf-8', 'replace')
    if len(data) > MAX_TEXT:
        raise ImageError(
            f'{what} takes {len(data)} bytes as UTF-8; shorten it to '
            f'{MAX_TEXT} at most'
        )
    return varint(len(data)) + data


class Cursor:
    """Takes fields from the front of a body; never reads past its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Number of bytes not taken yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > self.left:
            raise FormatError(
                f'a field of {count} bytes where {self.left} are left'
            )
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(self.left)

    def u8(self) -> int:
        """Return one byte as an integer."""
        return self.take(1)[0]

    def u32(self) -> int:
        """Return four bytes, low first, as an integer."""
        return int.from_bytes(self.take(4), 'little')

    def floats(self, code: str, count: int) -> tuple[float, ...]:
        """Return `count` little-endian floats; `code` is 'f' or 'd'."""
        form = f'<{count}{code}'
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def varint(self) -> int:
        """Return one varint; the shortest form is the only one allowed."""
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift == 63:
                raise FormatError('a number above 2**63 - 1')
        if byte == 0 and shift > 7:
            raise FormatError('a number with needless zero bytes')
        return value

    def zigzag(self) -> int:
        """Return one signed varint."""
        value = self.varint()
        return -(value + 1 >> 1) if value & 1 else value >> 1

    def text(self) -> str:
        """Return one string."""
        length = self.varint()
        if length > MAX_TEXT:
            raise FormatError(f'a text of {length} bytes (limit {MAX_TEXT})')
        try:
            return self.take(length).decode('utf-8')
        except UnicodeDecodeError:
            raise FormatError('a text that is not UTF-8') from None

    def finish(self) -> None:
        """Raise FormatError if anything is left."""
        if self.left:
            raise FormatError(f'{self.left} bytes too many')
