"""Integer probability tables for rANS, checked once and for all.

A malformed table crashes CompressAI's coder, so none can be built. How the
tables also keep the coder's escape out of reach is told in `rans`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.errors import ModelError, SftError

_ONE = 1 << 16  # probabilities are counts out of 65536
_LARGEST_OFFSET = 1 << 30

# One table of our own, the guard, follows the caller's as table `levels`. A
# symbol of its wide slot costs next to nothing and fills up short streams.
# Its narrow slots tell the end: a decoded stream leaves the state 2**31, whose
# lower half is 0, then come the words of 1s that streams are padded with.
_GUARD_CDF = [0, 1, _ONE - 1, _ONE, _ONE]
FILLING = 1
ENDING = [0, 2, 2]


@dataclass(frozen=True, eq=False)
class Tables:
    """Integer probability tables, one for each level, as CompressAI has them.

    Row i holds ``sizes[i]`` cumulative counts, from 0 to 65536. They bound
    ``sizes[i] - 1`` slots: slot k is the symbol ``offsets[i] + k``, but for
    the last, CompressAI's escape, which is never coded here. So the symbols
    of level i are ``offsets[i] .. offsets[i] + sizes[i] - 3``.

    Parameters
    ----------
    cdfs : ndarray of int, shape (levels, width)
        Cumulative counts; what lies beyond a row's size is ignored.
    sizes : ndarray of int, shape (levels,)
        Entries used in each row, 3 to width.
    offsets : ndarray of int, shape (levels,)
        The smallest symbol of each level.
    skip : int
        Number of lowest levels that are not coded; their symbols are 0.

    Attributes
    ----------
    low, high : ndarray of int32, shape (levels,)
        The smallest and largest symbol of each level; 0 where skipped.
    coder_lists : tuple
        Rows, sizes and offsets as the extension takes them, 65536 repeated
        at the end of each row, the guard after the last.

    Raises
    ------
    ModelError
        If the tables are malformed.
    """

    cdfs: NDArray[np.int32]
    sizes: NDArray[np.int32]
    offsets: NDArray[np.int32]
    skip: int = 0
    low: NDArray[np.int32] = field(init=False, repr=False)
    high: NDArray[np.int32] = field(init=False, repr=False)
    coder_lists: tuple[list[list[int]], list[int], list[int]] = field(
        init=False, repr=False
    )

    def __post_init__(self) -> None:
        cdfs = int32(self.cdfs, 'cdfs', ModelError)
        sizes = int32(self.sizes, 'sizes', ModelError)
        offsets = int32(self.offsets, 'offsets', ModelError)
        _check_tables(cdfs, sizes, offsets, self.skip)
        skipped = np.arange(len(sizes)) < self.skip
        low = np.where(skipped, 0, offsets).astype(np.int32)
        high = np.where(skipped, 0, offsets + sizes - 3).astype(np.int32)
        for name, array in zip(
            ('cdfs', 'sizes', 'offsets', 'low', 'high'),
            (cdfs, sizes, offsets, low, high),
            strict=True,
        ):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        # The extension converts lists twice as fast as arrays.
        rows = [
            [*row[:size].tolist(), _ONE]
            for row, size in zip(cdfs, sizes, strict=True)
        ]
        lists = (
            [*rows, _GUARD_CDF],
            [*(sizes + 1).tolist(), len(_GUARD_CDF)],
            [*offsets.tolist(), 0],
        )
        object.__setattr__(self, 'coder_lists', lists)

    @property
    def levels(self) -> int:
        """Number of tables."""
        return len(self.sizes)

    def clamp(
        self, symbols: ArrayLike, indexes: ArrayLike
    ) -> NDArray[np.int32]:
        """Bring symbols into the range of their tables.

        Parameters
        ----------
        symbols : array of int, any shape
        indexes : array of int, same shape
            The level of each symbol, 0 to levels - 1.

        Returns
        -------
        ndarray of int32, same shape
            What `Encoder.push` accepts and `Decoder.pull` gives back.

        Raises
        ------
        SftError
            If types or shapes do not fit or an index has no table.
        """
        values = integers(symbols, 'symbols')
        levels = self.check_indexes(indexes)
        if values.shape != levels.shape:
            raise SftError(
                f'symbols of shape {values.shape} do not fit indexes of '
                f'shape {levels.shape}: give each symbol one index'
            )
        clamped = np.clip(values, self.low[levels], self.high[levels])
        return np.asarray(clamped, np.int32)

    def bits(
        self, symbols: ArrayLike, indexes: ArrayLike
    ) -> NDArray[np.float64]:
        """Ideal code length of each symbol in bits; 0 where not coded.

        Parameters
        ----------
        symbols, indexes : arrays of int, any one shape
            As `clamp` returns and takes them.
        """
        values = self.clamp(symbols, indexes)
        levels = np.asarray(indexes)
        skipped = levels < self.skip
        slots = np.where(skipped, 0, values - self.offsets[levels])
        counts = self.cdfs[levels, slots + 1] - self.cdfs[levels, slots]
        lengths: NDArray[np.float64] = 16 - np.log2(counts)
        return np.where(skipped, 0.0, lengths)

    def check_indexes(self, indexes: ArrayLike) -> NDArray[Any]:
        """Return indexes as an integer array, all of which have a table.

        Raises
        ------
        SftError
            If they are not integers or one is not in 0 .. levels - 1.
        """
        levels = integers(indexes, 'indexes')
        if levels.size and (levels.min() < 0 or levels.max() >= self.levels):
            raise SftError(
                f'indexes reach from {levels.min()} to {levels.max()}, the '
                f'tables from 0 to {self.levels - 1}: use the tables of the '
                'model that made the indexes'
            )
        return levels


def tables_from_pmf(
    pmf_rows: Sequence[ArrayLike], offsets: Sequence[int], skip: int = 0
) -> Tables:
    """Turn probabilities into integer tables, the same on every machine.

    Counts are at least 1 and sum to 65536, the escape's included; among
    these they are the cheapest to code with, to first order.

    Parameters
    ----------
    pmf_rows : sequence of arrays of float, shapes (n_i,)
        Probabilities, or anything proportional, of consecutive symbols. Add
        the tails to the outermost ones, since symbols are clamped.
    offsets : sequence of int
        The smallest symbol of each row.
    skip : int
        As in `Tables`.

    Returns
    -------
    Tables

    Raises
    ------
    ModelError
        If a row holds no probabilities or more than 65535 of them.
    """
    rows = [
        np.concatenate([[0], np.cumsum(_counts(row, level)), [_ONE]])
        for level, row in enumerate(pmf_rows)
    ]
    sizes = [len(row) for row in rows]
    cdfs = np.zeros((len(rows), max(sizes, default=0)), np.int32)
    for cdf, row in zip(cdfs, rows, strict=True):
        cdf[: len(row)] = row
    return Tables(cdfs, np.array(sizes), np.array(offsets), skip)


def _counts(pmf: ArrayLike, level: int) -> NDArray[np.int64]:
    weights = np.asarray(pmf, np.float64)
    total = _ONE - 1  # the escape takes one count
    # fsum is exact, so no order of summation can change a table.
    mass = math.fsum(weights.flat) if np.isfinite(weights).all() else 0.0
    if (
        weights.ndim != 1
        or not 1 <= weights.size <= total
        or not 0 < mass < math.inf
        or weights.min() < 0
    ):
        raise ModelError(
            f'row {level} of shape {weights.shape} is no probability mass '
            f'function: give 1 to {total} finite numbers >= 0 with a sum > 0'
        )
    weights = weights / mass
    counts = np.maximum(1, np.rint(weights * total)).astype(np.int64)
    while excess := int(counts.sum()) - total:
        if excess > 0:
            # d/dc of -p log(c), halfway between c and c - 1
            costs = np.where(counts > 1, weights / (counts - 0.5), np.inf)
            counts[np.argmin(costs)] -= 1
        else:
            counts[np.argmax(weights / (counts + 0.5))] += 1
    return counts


def _check_tables(
    cdfs: NDArray[np.int32],
    sizes: NDArray[np.int32],
    offsets: NDArray[np.int32],
    skip: int,
) -> None:
    problem = ''
    if cdfs.ndim != 2 or not len(cdfs):
        problem = f'cdfs have shape {cdfs.shape}, not (levels, width)'
    elif not sizes.shape == offsets.shape == cdfs.shape[:1]:
        problem = (
            f'{len(cdfs)} rows do not fit sizes of shape {sizes.shape} and '
            f'offsets of shape {offsets.shape}'
        )
    elif not 0 <= skip <= len(cdfs):
        problem = f'skip is {skip}, but there are {len(cdfs)} levels'
    elif sizes.min() < 3 or sizes.max() > cdfs.shape[1]:
        problem = f'a size is not in 3 .. {cdfs.shape[1]}'
    elif max(offsets.max(), -int(offsets.min())) > _LARGEST_OFFSET:
        problem = f'an offset is not in +-{_LARGEST_OFFSET}'
    elif (
        cdfs[:, 0].any()
        or (np.take_along_axis(cdfs, sizes[:, None] - 1, 1) != _ONE).any()
    ):
        problem = f'a row does not run from 0 to {_ONE}'
    else:
        unused = np.arange(1, cdfs.shape[1]) >= sizes[:, None]
        if not (unused | (cdfs[:, 1:] > cdfs[:, :-1])).all():
            problem = 'a row does not increase everywhere'
    if problem:
        raise ModelError(
            f'probability tables are malformed, {problem}: get the weights '
            'that hold them again'
        )


def integers(
    array: ArrayLike, name: str, error: type[SftError] = SftError
) -> NDArray[Any]:
    """Return an array as it is if it holds integers that fit int64."""
    values = np.asarray(array)
    if values.dtype.kind not in 'iu' or values.dtype == np.uint64:
        raise error(
            f'{name} are {values.dtype}, not signed integers of up to 64 '
            'bits: round and convert them first'
        )
    return values


def int32(
    array: ArrayLike, name: str, error: type[SftError] = SftError
) -> NDArray[np.int32]:
    """Return an int32 copy of an array whose values fit."""
    values = integers(array, name, error)
    narrow = values.astype(np.int32)
    if not np.array_equal(narrow, values):
        raise error(f'{name} do not fit 32 bits: clamp them first')
    return narrow
