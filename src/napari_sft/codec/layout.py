"""How an N-D array is made of planes, without its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sft.codec.errors import ImageError

DTYPES = (
    'uint8',
    'int8',
    'uint16',
    'int16',
    'uint32',
    'int32',
    'float16',
    'float32',
    'float64',
)
"""Names of the dtypes that can be encoded; each comes back as it was."""


MAX_AXES = 8


@dataclass(frozen=True)
class Layout:
    """How an array of `shape` and `dtype` is made of planes.

    Parameters
    ----------
    axes : str
        One distinct capital letter for each axis, at most 8: those that stack
        planes in any order, then `YX`, then `S` where planes are RGB. C is
        the channel.
    shape : tuple of int
        All sizes at least 1; that of S is 3.
    dtype : numpy.dtype
        One of `DTYPES`, in native byte order.

    Raises
    ------
    ImageError
        Axes, shape or dtype can't be an image.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, 'dtype', parse_dtype(self.dtype))
        check_axes(self.axes, self.shape)
        if self.axes != canonical(self.axes):
            raise ImageError(
                f'axes {self.axes!r} must end in "YX" or "YXS"; transpose '
                f'the image to {canonical(self.axes)!r}'
            )
        if min(self.shape) < 1:
            raise ImageError(
                f'image of shape {self.shape} is empty; every axis needs a '
                'size of at least 1'
            )
        if self.rgb and self.shape[-1] != 3:
            raise ImageError(
                f'axis S has {self.shape[-1]} samples where RGB has 3; name '
                'it C to encode each sample as a gray plane'
            )

    @property
    def rgb(self) -> bool:
        """Whether planes are RGB pictures."""
        return self.axes.endswith('S')

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """(Y, X) or (Y, X, 3)."""
        return self.shape[len(self.stack_axes) :]

    @property
    def stack_axes(self) -> str:
        """The axes before YX."""
        return self.axes[: self.axes.index('Y')]

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Sizes of `stack_axes`; planes are numbered over it in C order."""
        return self.shape[: len(self.stack_axes)]

    @property
    def plane_count(self) -> int:
        """How many planes there are."""
        return math.prod(self.stack_shape)

    @property
    def channel_count(self) -> int:
        """Size of axis C (1 without one); each channel has one window."""
        return self.shape[self.axes.index('C')] if 'C' in self.axes else 1

    def index_of(self, plane: int) -> tuple[int, ...]:
        """Index over `stack_shape` of the plane numbered `plane`."""
        if not 0 <= plane < self.plane_count:
            raise ImageError(
                f'there is no plane {plane}; the image has planes 0 to '
                f'{self.plane_count - 1}'
            )
        return tuple(int(i) for i in np.unravel_index(plane, self.stack_shape))

    def plane_of(self, index: Sequence[int]) -> int:
        """Number of the plane at `index` over `stack_shape`."""
        shape = self.stack_shape
        index = tuple(index)
        inside = len(index) == len(shape) and all(
            0 <= i < n for i, n in zip(index, shape, strict=True)
        )
        if not inside:
            raise ImageError(
                f'there is no plane at index {index}; the stack '
                f'{self.stack_axes!r} has the shape {shape}'
            )
        return int(np.ravel_multi_index(index, shape)) if shape else 0

    def channel_of(self, plane: int) -> int:
        """The plane's position on axis C, 0 without one."""
        position = dict(
            zip(self.stack_axes, self.index_of(plane), strict=True)
        )
        return position.get('C', 0)

    def describe(self, plane: int) -> str:
        """The plane's name in messages: `plane 3 (T=1, Z=0)`."""
        named = zip(self.stack_axes, self.index_of(plane), strict=True)
        where = ', '.join(f'{a}={i}' for a, i in named)
        return f'plane {plane} ({where})' if where else f'plane {plane}'


def canonical(axes: str) -> str:
    """`axes` with Y, X and S moved to the end, the others in their order."""
    stack = ''.join(a for a in axes if a not in 'YXS')
    return stack + ('YXS' if 'S' in axes else 'YX')


def check_axes(axes: str, shape: tuple[int, ...]) -> None:
    """Raise ImageError unless `axes`, in any order, can name `shape`."""
    letters = axes.isascii() and axes.isalpha() and axes.isupper()
    if not letters or len(set(axes)) < len(axes) or len(axes) > MAX_AXES:
        raise ImageError(
            f'axes {axes!r} must be at most {MAX_AXES} distinct letters A-Z, '
            'such as "TCZYX"'
        )
    if not {'Y', 'X'} <= set(axes):
        raise ImageError(f'axes {axes!r} lack Y or X; every image needs both')
    if len(axes) != len(shape):
        raise ImageError(
            f'axes {axes!r} name {len(axes)} axes but the image has '
            f'{len(shape)}, of shape {shape}; give one letter an axis'
        )


def parse_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype in native byte order; ImageError if unsupported."""
    dtype = np.dtype(dtype).newbyteorder('=')
    if dtype.kind == 'b':
        raise ImageError(
            'images of dtype bool can not be encoded: the codec is lossy and '
            'frays masks; use a lossless format, or mask.astype("uint8") * 255'
        )
    if dtype.name not in DTYPES:
        raise ImageError(
            f'images of dtype {dtype} can not be encoded; convert to one of '
            f'{", ".join(DTYPES)}'
        )
    return dtype
