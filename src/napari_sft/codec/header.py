"""The header of an .sft file: what the picture is and how it is cut up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from napari_sft.codec.errors import ImageError, SftError

DTYPES = (
    'uint8',
    'uint16',
    'uint32',
    'int8',
    'int16',
    'int32',
    'float16',
    'float32',
    'float64',
)
MAP_SCOPES = ('none', 'shared', 'plane', 'tile')
DEFAULT_WINDOWS = {'uint8': (0.0, 255.0), 'uint16': (0.0, 65535.0)}
MAX_NDIM = 8
MAX_LEVELS = 32
MAX_DIM = 2**31
MAX_VALUES = 2**48
MAX_TILE = 2**15
MAX_TILE_PIXELS = 2**30

Shape = tuple[int, ...]
Window = tuple[float, float]


class TileKey(NamedTuple):
    """Names one tile. Planes count through the leading axes, last fastest."""

    level: int
    plane: int
    row: int
    col: int


@dataclass(frozen=True)
class Header:
    """What a decoder must know before it can read a tile.

    Parameters
    ----------
    model : str
        Name of the codec model.
    weights : bytes
        First 8 bytes of the SHA-256 of the model's weights.
    axes : str
        Distinct capital letters, up to 8: leading axes such as T, C, Z in
        any order, then 'YX', then 'S' if each pixel has samples (RGB).
    shape : tuple of int
        One size for each letter of `axes`, 1 to 2**31; S is 2, 3 or 4.
    dtype : str
        NumPy name of the pixels' type, one of `DTYPES`.
    tile : int
        Side of a tile in pixels, up to 2**15; 0 if a whole plane is a tile.
    halo : int
        Width in pixels of the margin that a tile needs from its neighbours.
    windows : tuple of (float, float)
        (lo, hi) that map to 0 and 1: one for all planes, one for each index
        of axis C, or one for each plane. Optional for uint8 and uint16, then
        their full range.
    pyramid : tuple of tuple of int
        Shapes of the smaller levels 1, 2, ...; only Z, Y and X may shrink.
    map_scope : {'none', 'shared', 'plane', 'tile'}
        What a packed quality map holds for.
    maps : tuple of bytes
        The packed maps if they are shared: one for each level.

    Raises
    ------
    ImageError
        If the fields don't describe an image that a file can hold.
    """

    model: str
    weights: bytes
    axes: str
    shape: Shape
    dtype: str
    tile: int = 0
    halo: int = 0
    windows: tuple[Window, ...] = ()
    pyramid: tuple[Shape, ...] = ()
    map_scope: str = 'none'
    maps: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not (self.model.isascii() and 0 < len(self.model) <= 64):
            raise ImageError(f'model name {self.model!r} is not 1..64 ASCII')
        if len(self.weights) != 8:
            raise ImageError('the hash of the weights must have 8 bytes')
        if self.dtype not in DTYPES:
            raise ImageError(
                f'pixels of type {self.dtype} have no place in an .sft file; '
                f'convert to one of {", ".join(DTYPES)}'
            )
        self._check_axes()
        self._check_sizes()
        self._check_windows()
        if self.map_scope not in MAP_SCOPES:
            raise ImageError(f'map scope {self.map_scope!r} is unknown')
        wanted = len(self.shapes) if self.map_scope == 'shared' else 0
        if len(self.maps) != wanted:
            raise ImageError(
                f'{len(self.maps)} shared maps where {wanted} are needed'
            )

    def _check_axes(self) -> None:
        axes, stem = self.axes, self.axes.removesuffix('S')
        if (
            len(axes) > MAX_NDIM
            or not (axes.isascii() and axes.isupper() and axes.isalpha())
            or len(set(axes)) != len(axes)
            or not stem.endswith('YX')
            or 'S' in stem
        ):
            raise ImageError(
                f'axes {axes!r} must be up to {MAX_NDIM} distinct capital '
                "letters that end in 'YX' or 'YXS'"
            )

    def _check_sizes(self) -> None:
        if not 1 <= len(self.shapes) <= MAX_LEVELS:
            raise ImageError(f'more than {MAX_LEVELS} pyramid levels')
        for shape in self.shapes:
            if len(shape) != len(self.axes):
                raise ImageError(f"shape {shape} doesn't fit axes {self.axes}")
            if not all(1 <= size <= MAX_DIM for size in shape):
                raise ImageError(f'shape {shape} has a size outside 1..2**31')
            if math.prod(shape) > MAX_VALUES:
                raise ImageError(f'shape {shape} has over 2**48 values')
        if self.axes[-1] == 'S' and self.shape[-1] not in (2, 3, 4):
            raise ImageError(f'{self.shape[-1]} samples a pixel; 2..4 can be')
        for one, two in zip(self.shapes, self.pyramid, strict=False):
            for axis, big, small in zip(self.axes, one, two, strict=True):
                if small > big or (axis not in 'ZYX' and small != big):
                    raise ImageError(
                        f"pyramid level {two} doesn't follow from {one}"
                    )
        if not 0 <= self.tile <= MAX_TILE or not 0 <= self.halo <= MAX_TILE:
            raise ImageError(f'tile or halo outside 0..{MAX_TILE} pixels')
        if self.tile == 0 and self.halo:
            raise ImageError('a halo without tiles')
        if self.tile == 0 and math.prod(self.size()) > MAX_TILE_PIXELS:
            raise ImageError('a plane above 2**30 pixels must be cut in tiles')

    def _check_windows(self) -> None:
        if not self.windows and self.dtype in DEFAULT_WINDOWS:
            # Frozen: the default is filled in before anyone can look.
            object.__setattr__(self, 'windows', (DEFAULT_WINDOWS[self.dtype],))
        counts = {1, self._channels}
        if all(
            self.planes(n) == self.planes() for n in range(len(self.shapes))
        ):
            counts.add(self.planes())
        if len(self.windows) not in counts:
            raise ImageError(
                f'{len(self.windows)} value windows for {self._channels} '
                f'channels and {self.planes()} planes of {self.dtype}'
            )
        for lo, hi in self.windows:
            if not (math.isfinite(lo) and math.isfinite(hi) and lo <= hi):
                raise ImageError(f'value window ({lo}, {hi}) is not lo <= hi')

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of every level, the full one first."""
        return (self.shape, *self.pyramid)

    @property
    def default_window(self) -> bool:
        """Whether the value window is the one that the dtype implies."""
        default = DEFAULT_WINDOWS.get(self.dtype)
        return len(self.windows) == 1 and self.windows[0] == default

    @property
    def leading(self) -> int:
        """Number of axes before Y and X."""
        return self.axes.index('X') - 1

    @property
    def _channels(self) -> int:
        return self.shape[self.axes.index('C')] if 'C' in self.axes else 1

    def planes(self, level: int = 0) -> int:
        """Return the number of planes of a level."""
        return math.prod(self.shapes[level][: self.leading])

    def size(self, level: int = 0) -> tuple[int, int]:
        """Return (height, width) of a level's planes in pixels."""
        height, width = self.shapes[level][self.leading : self.leading + 2]
        return height, width

    def grid(self, level: int = 0) -> tuple[int, int]:
        """Return (rows, columns) of tiles in each plane of a level."""
        if self.tile == 0:
            return 1, 1
        height, width = self.size(level)
        return -(-height // self.tile), -(-width // self.tile)

    def window(self, plane: int, level: int = 0) -> Window:
        """Return the value window (lo, hi) of a plane."""
        self.plane_number(level, plane)
        if len(self.windows) == 1:
            return self.windows[0]
        if len(self.windows) == self.planes(level):
            return self.windows[plane]
        behind = self.shapes[level][self.axes.index('C') + 1 : self.leading]
        return self.windows[plane // math.prod(behind) % self._channels]

    @property
    def tile_count(self) -> int:
        """Number of tiles of all levels."""
        levels = range(len(self.shapes))
        return sum(self.planes(n) * math.prod(self.grid(n)) for n in levels)

    @property
    def map_count(self) -> int:
        """Number of maps that have a chunk of their own."""
        if self.map_scope != 'plane':
            return 0
        return sum(self.planes(n) for n in range(len(self.shapes)))

    def tiles(self) -> Iterator[TileKey]:
        """Yield the key of every tile, in the order of their numbers."""
        for level in range(len(self.shapes)):
            rows, cols = self.grid(level)
            for plane in range(self.planes(level)):
                for row in range(rows):
                    for col in range(cols):
                        yield TileKey(level, plane, row, col)

    def box(self, key: TileKey) -> tuple[int, int, int, int]:
        """Return (top, bottom, left, right) of a tile, halo excluded."""
        self.tile_number(key)
        height, width = self.size(key.level)
        if self.tile == 0:
            return 0, height, 0, width
        top, left = key.row * self.tile, key.col * self.tile
        bottom, right = top + self.tile, left + self.tile
        return top, min(bottom, height), left, min(right, width)

    def tile_number(self, key: TileKey) -> int:
        """Return a tile's place among all tiles; SftError if it has none."""
        level, plane, row, col = key
        if not (
            0 <= level < len(self.shapes)
            and 0 <= plane < self.planes(level)
            and 0 <= row < self.grid(level)[0]
            and 0 <= col < self.grid(level)[1]
        ):
            raise SftError(f'the image has no {tuple(key)} among its tiles')
        before = sum(
            self.planes(n) * math.prod(self.grid(n)) for n in range(level)
        )
        rows, cols = self.grid(level)
        return before + (plane * rows + row) * cols + col

    def plane_number(self, level: int, plane: int) -> int:
        """Return a plane's place among all planes of all levels."""
        if not (
            0 <= level < len(self.shapes) and 0 <= plane < self.planes(level)
        ):
            raise SftError(f'the image has no plane {plane} at level {level}')
        return sum(self.planes(n) for n in range(level)) + plane
