"""An N-D image seen as a stack of 2-D planes with value windows.

The codec works on planes, (Y, X) or (Y, X, 3), with values in 0..1.
:class:`Layout` says how the planes lie in the array; it needs no pixels, so
the decoder uses it too. :class:`Image` adds the array, which may be a dask,
zarr or memory-mapped one: only the slices asked for are read.
:class:`Window` is the range of values that maps to 0..1, one for each
channel; it is stored in the file, so that values come back in their own units
and dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.errors import ImageError
from napari_sft.codec.layout import (
    DTYPES,
    MAX_AXES,
    Layout,
    canonical,
    check_axes,
    parse_dtype,
)
from napari_sft.codec.mapped import give_back_pages
from napari_sft.codec.windows import (
    Window,
    WindowChoice,
    denormalise,
    dtype_window,
    normalise,
    parse_windows,
)

__all__ = [
    'DTYPES',
    'Image',
    'Layout',
    'Window',
    'WindowChoice',
    'denormalise',
    'dtype_window',
    'normalise',
]

_ALL = slice(None)
_LEADING_AXES = 'PQVTCZ'  # guessed for axes before YX, taken from the right
_SCAN_PIXELS = 1 << 24  # pixels read at once when looking for a window


@dataclass(frozen=True)
class Image:
    """An array, its layout and its own order of axes; see `from_array`.

    `layout` always ends in YX or YXS; `source_axes` names the same axes in
    the order of `data`.
    """

    data: Any
    layout: Layout
    source_axes: str

    @classmethod
    def from_array(
        cls,
        data: Any,
        axes: str | None = None,
        *,
        rgb: bool | None = None,
        alpha: Literal['refuse', 'drop'] = 'refuse',
    ) -> Image:
        """Check an array and find out how it is made of planes.

        Parameters
        ----------
        data : array
            Anything with `shape`, `dtype` and basic slicing (numpy, memmap,
            dask, zarr, h5py), or nested sequences. Nothing is read here.
        axes : str, optional
            As in `Layout`, but in any order; planes come out as (Y, X) or
            (Y, X, 3) all the same. Guessed where left out: `YX` with the last
            of `TCZ` before it, and S last for RGB.
        rgb : bool, optional
            Whether the last axis holds RGB samples. Without it and without
            `axes`, a last axis of 3 or 4 in uint8 or uint16 does.
        alpha : {'refuse', 'drop'}
            What to do with a fourth sample.

        Raises
        ------
        ImageError
            The array can't be encoded as it is; the message says why and
            what to do.
        """
        if not hasattr(data, 'shape') or not hasattr(data, 'dtype'):
            data = np.asarray(data)
        shape = tuple(int(n) for n in data.shape)
        dtype = parse_dtype(data.dtype)
        if axes is None:
            axes = _guess_axes(shape, dtype, rgb)
        axes = axes.upper()
        if rgb is not None and rgb != ('S' in axes):
            raise ImageError(
                f'axes {axes!r} and rgb={rgb} disagree; RGB images have an '
                'axis S, others have none'
            )
        check_axes(axes, shape)
        size = dict(zip(axes, shape, strict=True))
        if size.get('S') == 4:
            if alpha != 'drop':
                raise ImageError(
                    'image has an alpha channel, which .sft files do not '
                    'hold; pass alpha="drop", or name the axis C to encode '
                    'four gray channels'
                )
            size['S'] = 3
        final = canonical(axes)
        layout = Layout(final, tuple(size[a] for a in final), dtype)
        return cls(data, layout, axes)

    def plane(
        self, number: int, rows: slice = _ALL, columns: slice = _ALL
    ) -> NDArray[Any]:
        """Read one plane, or `rows` and `columns` of it.

        Returns
        -------
        ndarray
            (Y, X) or (Y, X, 3) in the image's dtype.

        Raises
        ------
        ImageError
            The plane does not exist, or holds NaN or infinity.
        """
        layout, source = self.layout, self.source_axes
        index = layout.index_of(number)
        at: dict[str, int | slice] = {'Y': rows, 'X': columns, 'S': slice(3)}
        at.update(zip(layout.stack_axes, index, strict=True))
        block = np.asarray(self.data[tuple(at[a] for a in source)])
        if block.dtype.kind == 'f' and not np.isfinite(block).all():
            raise ImageError(
                f'{layout.describe(number)} holds NaN or infinity; replace '
                'them first, for instance with numpy.nan_to_num'
            )
        axes = [a for a in source if a in 'YXS']
        block = block.transpose([axes.index(a) for a in 'YXS' if a in axes])
        return np.ascontiguousarray(block, dtype=layout.dtype)

    def ordered_map(self, quality_map: Any) -> Any:
        """A map of the array's shape with its axes in the layout's order.

        A map (Y, X) comes back as it is, and so does one of another number
        of axes than the array has besides samples.
        """
        source = self.source_axes.replace('S', '')
        if len(source) == 2 or np.ndim(quality_map) != len(source):
            return quality_map
        order = [source.index(axis) for axis in canonical(source)]
        if order == sorted(order):  # a lazy map stays lazy
            return quality_map
        return np.transpose(quality_map, order)

    def windows(self, choice: WindowChoice = 'auto') -> tuple[Window, ...]:
        """One value window for each channel; RGB samples share theirs.

        Parameters
        ----------
        choice : {'auto', 'dtype', 'minmax'}, (lo, hi), Window or sequence
            'dtype' is the integer type's whole range. 'minmax' reads the
            whole image once and takes each channel's extremes. 'auto' is
            'dtype' for 8-bit images and 'minmax' for all others, so that 12
            bits stored as uint16 use the codec's full range and nothing is
            clipped. A window of your own clips what lies outside; give one
            for all channels or a sequence with one for each.

        Raises
        ------
        ImageError
            The choice doesn't fit the image.
        """
        dtype, count = self.layout.dtype, self.layout.channel_count
        if self.scans(choice):
            planes = range(self.layout.plane_count)
            return self.windows_from(map(self.extremes, planes))
        if isinstance(choice, str) and choice in ('auto', 'dtype'):
            choice = dtype_window(dtype)
        return parse_windows(choice, count, dtype)

    def extremes(self, number: int) -> tuple[float, float]:
        """Lowest and highest value of one plane, which is read in strips."""
        lo, hi = math.inf, -math.inf
        height, width = self.layout.plane_shape[:2]
        # Whole chunks of the usual sizes, whatever the width.
        step = max(1, _SCAN_PIXELS // width // 512) * 512
        for top in range(0, height, step):
            strip = self.plane(number, slice(top, top + step))
            lo, hi = min(lo, float(strip.min())), max(hi, float(strip.max()))
            give_back_pages(self.data)
        return lo, hi

    def scans(self, choice: WindowChoice = 'auto') -> bool:
        """Whether `windows` reads the whole image for this choice."""
        if not isinstance(choice, str):
            return False
        wide = self.layout.dtype.itemsize > 1
        return choice == 'minmax' or (choice == 'auto' and wide)

    def windows_from(
        self, extremes: Iterable[tuple[float, float]]
    ) -> tuple[Window, ...]:
        """One window for each channel from the `extremes` of all planes."""
        count = self.layout.channel_count
        lo, hi = [math.inf] * count, [-math.inf] * count
        for number, (lowest, highest) in enumerate(extremes):
            channel = self.layout.channel_of(number)
            lo[channel] = min(lo[channel], lowest)
            hi[channel] = max(hi[channel], highest)
        return tuple(map(Window, lo, hi))


def _guess_axes(
    shape: tuple[int, ...], dtype: np.dtype[Any], rgb: bool | None
) -> str:
    if len(shape) < 2:
        raise ImageError(
            f'image of shape {shape} has {len(shape)} axes; at least two, Y '
            'and X, are needed'
        )
    colour = len(shape) > 2 and shape[-1] in (3, 4)
    if rgb is None:
        rgb = colour and dtype.name in ('uint8', 'uint16')
    if rgb and not colour:
        raise ImageError(
            f'rgb=True needs a last axis of 3 samples (or 4 with alpha), but '
            f'the shape is {shape}; name the axes, such as axes="SYX"'
        )
    stacked = len(shape) - (3 if rgb else 2)
    if stacked > len(_LEADING_AXES):
        raise ImageError(
            f'image of shape {shape} has too many axes; name them with '
            f'axes=, at most {MAX_AXES} of them'
        )
    leading = _LEADING_AXES[len(_LEADING_AXES) - stacked :]
    return leading + ('YXS' if rgb else 'YX')
