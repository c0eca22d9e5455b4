"""CompressAI's rANS behind a hardened surface.

`compressai.ans` is fast but trusts its caller: short inputs, symbols and
indexes out of range, malformed tables and damaged streams corrupt memory,
crash or hang it. Everything it must be able to trust is made sure of here:

* Tables are validated when they are built; shapes, indexes and symbols on
  every call.
* The extension is handed every table with its last entry, 65536, repeated.
  A coder state can never point into the empty slot between the two, and that
  slot is what the extension takes for its escape, so its escape decoder (the
  one part whose reading has no simple bound) is out of reach of any stream.
* Every symbol then reads one 32-bit word at most. Streams are padded with
  that many words, so a damaged one reads these, not foreign memory.
* The encoder's buffer has one word a symbol and needs ``n // 2 + 2``, so
  short inputs are filled up to four with a symbol that costs nothing. The
  decoder need not ask for these.

A damaged stream may still decode to wrong symbols; checksums find that.

The coder is range asymmetric numeral systems: J. Duda, "Asymmetric numeral
systems", arXiv 1311.2540; F. Giesen's 64-bit variant (ryg_rans).
"""

from __future__ import annotations

import importlib
import importlib.util
import zlib
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.errors import ModelError, SftError, StreamError
from napari_sft.codec.rans_tables import (
    ENDING,
    FILLING,
    Tables,
    int32,
    tables_from_pmf,
)

__all__ = ['Decoder', 'Encoder', 'Tables', 'symbols_crc', 'tables_from_pmf']

_LOWEST_STATE = 1 << 31  # coder states lie in [2**31, 2**63)
_HIGHEST_STATE = 1 << 63
_SHORTEST = 4  # symbols in a stream
_PADDING = b'\xff' * 4  # for one symbol


class Encoder:
    """Code segments of symbols into one stream.

    Parameters
    ----------
    tables : Tables
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._symbols: list[int] = []
        self._indexes: list[int] = []

    def push(self, symbols: ArrayLike, indexes: ArrayLike) -> None:
        """Add a segment, in C order.

        Parameters
        ----------
        symbols, indexes : arrays of int, any one shape
            As `Tables.clamp` returns and takes them.

        Raises
        ------
        SftError
            If the arrays do not fit or a symbol lies outside its table.
        """
        values = self._tables.clamp(symbols, indexes)
        if not np.array_equal(values, np.asarray(symbols)):
            raise SftError(
                'symbols lie outside the range of their tables: bring them '
                'into it by Tables.clamp before coding'
            )
        levels = np.asarray(indexes)
        coded = levels >= self._tables.skip
        self._symbols += values[coded].tolist()
        self._indexes += levels[coded].tolist()

    def finish(self) -> bytes:
        """Return the stream of all segments pushed so far.

        Returns
        -------
        bytes
            Words of 32 bits: the coder's last state in two, then what it
            put out, last first. Empty if no symbol is coded.
        """
        count = len(self._symbols)
        if not count:
            return b''
        filling = max(0, _SHORTEST - count)
        stream: bytes = (
            _extension()
            .RansEncoder()
            .encode_with_indexes(
                self._symbols + [FILLING] * filling,
                self._indexes + [self._tables.levels] * filling,
                *self._tables.coder_lists,
            )
        )
        return stream


class Decoder:
    """Decode the segments of a stream in the order they were pushed.

    Parameters
    ----------
    tables : Tables
        Those the stream was coded with.
    data : bytes
        What `Encoder.finish` returned.
    capacity : int
        A hint. Room is made for that many symbols; pulling more is allowed
        and decodes the earlier ones a second time.

    Raises
    ------
    StreamError
        If no encoder can have written the data.
    """

    def __init__(
        self, tables: Tables, data: bytes, *, capacity: int = 1 << 18
    ) -> None:
        self._tables = tables
        self._data = bytes(data)
        self._indexes: list[int] = []  # of all the symbols decoded so far
        if self._data:
            self._check_data()
            self._open(max(capacity, 0))

    def pull(self, indexes: ArrayLike) -> NDArray[np.int32]:
        """Decode the next segment.

        Parameters
        ----------
        indexes : array of int, any shape
            The level of each symbol, 0 to levels - 1.

        Returns
        -------
        ndarray of int32, same shape
            Symbols within the range of their tables.

        Raises
        ------
        SftError
            If an index has no table.
        StreamError
            If the stream is found to be damaged.
        """
        levels = self._tables.check_indexes(indexes)
        coded = levels >= self._tables.skip
        symbols = np.zeros(levels.shape, np.int32)
        symbols[coded] = self._decode(levels[coded].tolist())
        if (symbols > self._tables.high[levels]).any():
            raise StreamError(
                'stream of symbols is damaged, it holds an escape code: get '
                'the file again from its source'
            )
        return symbols

    def done(self) -> None:
        """Check that the stream ends where the pulled symbols end.

        Most damage, and most decoding with other indexes than were coded,
        leaves the coder in another state than the one encoding began with.

        Raises
        ------
        StreamError
            If the stream does not end here.
        """
        if not self._data:
            return
        filling = max(0, _SHORTEST - len(self._indexes))
        expected = [FILLING] * filling + ENDING
        guards = [self._tables.levels] * len(expected)
        if self._decode(guards).tolist() != expected:
            raise StreamError(
                'stream of symbols does not end with its last symbol: it is '
                'damaged or was coded with other tables or indexes'
            )

    def _check_data(self) -> None:
        size = len(self._data)
        state = int.from_bytes(self._data[:8], 'little')
        if size < 8 or size % 4:
            raise StreamError(
                f'stream of symbols has {size} bytes, not two or more words '
                'of four: it is cut off, get the file again from its source'
            )
        if not _LOWEST_STATE <= state < _HIGHEST_STATE:
            raise StreamError(
                f'stream of symbols begins with the impossible state '
                f'{state:#x}: get the file again from its source'
            )

    def _open(self, capacity: int) -> None:
        # `done` reads beyond the last symbol.
        self._capacity = capacity + _SHORTEST + len(ENDING)
        self._decoder = _extension().RansDecoder()
        self._decoder.set_stream(self._data + _PADDING * self._capacity)

    def _decode(self, indexes: list[int]) -> NDArray[np.int32]:
        if not indexes:
            return np.zeros(0, np.int32)
        if not self._data:
            raise StreamError(
                f'stream of symbols is empty, {len(indexes)} symbols are '
                'missing: get the file again from its source'
            )
        self._indexes += indexes
        wanted = indexes
        if len(self._indexes) > self._capacity:
            self._open(2 * len(self._indexes))
            wanted = self._indexes
        symbols = self._decoder.decode_stream(
            wanted, *self._tables.coder_lists
        )
        return np.array(symbols[-len(indexes) :], np.int32)


def symbols_crc(*arrays: ArrayLike) -> int:
    """CRC-32 of symbols as little-endian int32, one array after the other.

    Parameters
    ----------
    *arrays : arrays of int, any shapes
        In C order, such as z, then y.

    Returns
    -------
    int
        0 to 2**32 - 1.

    Raises
    ------
    SftError
        If an array does not hold 32-bit integers.
    """
    crc = 0
    for array in arrays:
        crc = zlib.crc32(int32(array, 'symbols').astype('<i4').tobytes(), crc)
    return crc


@cache
def _extension() -> ModuleType:
    """Load `compressai.ans`.

    Importing its package takes seconds and loads torch; the extension alone,
    found by location, takes milliseconds.
    """
    name = 'compressai.ans'
    try:
        package = importlib.util.find_spec('compressai')
        places = package and package.submodule_search_locations
        spec = PathFinder.find_spec(name, places) if places else None
        if spec is None or spec.loader is None:
            return importlib.import_module(name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ModelError(
            f'the entropy coder cannot be loaded ({error}): install it by '
            '"pip install compressai"'
        ) from error
    return module
