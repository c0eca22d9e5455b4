"""Value windows: which values of a channel map to 0..1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sft.codec.errors import ImageError


@dataclass(frozen=True)
class Window:
    """The values `lo` and `hi` that map to 0 and 1; they may be equal."""

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lo) and math.isfinite(self.hi)):
            raise ImageError(
                f'value window {self.lo}..{self.hi} is not finite; give two '
                'finite numbers, or windows="minmax"'
            )
        if self.lo > self.hi:
            raise ImageError(
                f'value window {self.lo}..{self.hi} is upside down; give the '
                'lower value first'
            )

    @property
    def ends(self) -> tuple[float, float]:
        """`(lo, hi)`."""
        return self.lo, self.hi

    @property
    def scaled(self) -> tuple[float, float, float]:
        """`(factor, lo, span)` after scaling values by `factor`.

        The factor is 1, or 1/2 where `hi - lo` would overflow; halving is
        exact.
        """
        factor = 1.0 if math.isfinite(self.hi - self.lo) else 0.5
        lo = self.lo * factor
        return factor, lo, self.hi * factor - lo


WindowChoice = (
    Literal['auto', 'dtype', 'minmax']
    | Window
    | Sequence[float]
    | Sequence[Window]
    | Sequence[Sequence[float]]
)


def dtype_window(dtype: DTypeLike) -> Window:
    """The whole range of an integer dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind not in 'iu':
        raise ImageError(
            f'{dtype} has no range of its own to use as a value window; use '
            'windows="minmax" or give (lo, hi)'
        )
    limits = np.iinfo(dtype)
    return Window(float(limits.min), float(limits.max))


def normalise(plane: NDArray[Any], window: Window) -> NDArray[np.float32]:
    """Map values to 0..1: `lo` and below to 0, `hi` and above to 1.

    Parameters
    ----------
    plane : ndarray
        Finite values of any shape and of a dtype in `DTYPES`.
    window : Window
        Where `lo == hi`, everything maps to 0.

    Returns
    -------
    ndarray of float32
        The same shape.
    """
    # float32 holds 16-bit integers exactly and is twice as fast.
    small = plane.dtype.kind in 'iu' and plane.dtype.itemsize <= 2
    work = np.float32 if small else np.float64
    values: NDArray[Any] = plane.astype(work)
    factor, lo, span = window.scaled
    if span == 0:
        return np.zeros(plane.shape, np.float32)
    np.clip(values, window.lo, window.hi, out=values)
    values *= factor
    values -= lo
    values /= span
    return values.astype(np.float32, copy=False)


def denormalise(
    plane: NDArray[Any], window: Window, dtype: DTypeLike
) -> NDArray[Any]:
    """Map 0..1 back to values: undoes `normalise`.

    Integers up to 16 bits come back exactly from `normalise`; wider ones and
    float64 keep the 24 bits that float32 has.

    Parameters
    ----------
    plane : ndarray of float
        What lies outside 0..1 is clipped first.
    window : Window
        That of `normalise`.
    dtype : dtype
        One of `DTYPES`. Integers are rounded to the nearest, ties to even.

    Returns
    -------
    ndarray of `dtype`
        The same shape.
    """
    dtype = np.dtype(dtype)
    factor, lo, span = window.scaled
    values = np.clip(plane, 0, 1).astype(np.float64)
    values *= span
    values += lo
    # Halves and doubles may round past the window, so the clip comes last.
    with np.errstate(over='ignore'):
        values /= factor
    np.clip(values, window.lo, window.hi, out=values)
    if dtype.kind in 'iu':
        np.rint(values, out=values)
    return values.astype(dtype)


def mapping_error(window: Window, dtype: DTypeLike) -> float:
    """Largest error of `normalise` and `denormalise` by themselves.

    Parameters
    ----------
    window : Window
        Values outside it are clipped, which is not counted.
    dtype : dtype
        One of `DTYPES`.

    Returns
    -------
    float
        In values of the image; 0 for integers up to 16 bits.
    """
    dtype = np.dtype(dtype)
    if dtype.kind in 'iu' and dtype.itemsize <= 2:
        return 0.0
    # float32 in 0..1 is off by 2**-25 at most; taking the nearest value of
    # the dtype can double that. The rest is what float64 rounds off.
    half, end = window.hi / 2 - window.lo / 2, max(map(abs, window.ends))
    error = half * 2.0**-23 + 4 * float(np.spacing(end))
    return float(math.floor(error)) if dtype.kind in 'iu' else error


def parse_windows(
    choice: WindowChoice, count: int, dtype: np.dtype[Any]
) -> tuple[Window, ...]:
    """The windows given, one for each of `count` channels of `dtype`."""
    if isinstance(choice, Window):
        windows = [choice] * count
    elif isinstance(choice, str):
        raise ImageError(
            f'there is no value window {choice!r}; use "auto", "dtype", '
            '"minmax" or (lo, hi)'
        )
    elif _is_pair(choice):
        windows = [_window(choice)] * count
    elif len(choice) == count and all(map(_is_pair, choice)):
        windows = [_window(part) for part in choice]
    else:
        raise ImageError(
            f'{choice!r} is no value window for {count} channels; give '
            '(lo, hi), or a sequence with one such pair for each channel'
        )
    for window in windows:
        _check_range(window, dtype)
    return tuple(windows)


def _is_pair(value: Any) -> bool:
    if isinstance(value, Window):
        return True
    sized = hasattr(value, '__len__') and len(value) == 2
    return sized and all(isinstance(v, Real) for v in value)


def _window(value: Any) -> Window:
    if isinstance(value, Window):
        return value
    return Window(float(value[0]), float(value[1]))


def _check_range(window: Window, dtype: np.dtype[Any]) -> None:
    if dtype.kind == 'f':
        limits = np.finfo(dtype)
        whole = Window(float(limits.min), float(limits.max))
    else:
        whole = dtype_window(dtype)
    if window.lo < whole.lo or window.hi > whole.hi:
        raise ImageError(
            f'value window {window.lo}..{window.hi} exceeds the range of '
            f'{dtype}, {whole.lo}..{whole.hi}; narrow it'
        )
