"""The header of an .sft file: what the picture is and how it is cut up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from napari_sft.codec.colours import ColourTurn
from napari_sft.codec.errors import ImageError, SftError
from napari_sft.codec.layout import Layout
from napari_sft.codec.windows import Window

MAP_SCOPES = ('none', 'shared', 'plane', 'tile')
DEFAULT_WINDOWS = {
    'uint8': Window(0.0, 255.0),
    'uint16': Window(0.0, 65535.0),
}
MAX_LEVELS = 32
MAX_DIM = 2**31
MAX_VALUES = 2**48
MAX_TILE = 2**15
MAX_TILE_PIXELS = 2**30


class TileKey(NamedTuple):
    """Names one tile. Planes are numbered as in `Layout`."""

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
        Name of the codec model, 1 to 64 ASCII characters.
    weights : bytes
        First 8 bytes of the SHA-256 of the model's weights.
    layout : Layout
        Axes, shape and dtype of the image; sizes up to 2**31.
    windows : tuple of Window
        One for all planes, one for each index of axis C, or one for each
        plane; equal ones are kept as one. May be left out for uint8 and
        uint16, then it is their full range.
    tile : int
        Side of a tile in pixels, up to 2**15; 0 if a whole plane is a tile.
    halo : int
        Width in pixels of the margin that a tile needs from its neighbours.
    pyramid : tuple of tuple of int
        Shapes of the smaller levels 1, 2, ...; only Z, Y and X may shrink.
    map_scope : {'none', 'shared', 'plane', 'tile'}
        What a packed quality map holds for.
    maps : tuple of bytes
        The packed maps if they are shared: one for each level.
    colours : ColourTurn, optional
        How RGB colours are turned before the model codes them.

    Raises
    ------
    ImageError
        If the fields don't describe an image that a file can hold.
    """

    model: str
    weights: bytes
    layout: Layout
    windows: tuple[Window, ...] = ()
    tile: int = 0
    halo: int = 0
    pyramid: tuple[tuple[int, ...], ...] = ()
    map_scope: str = 'none'
    maps: tuple[bytes, ...] = field(default=(), repr=False)
    colours: ColourTurn | None = None

    def __post_init__(self) -> None:
        if not (self.model.isascii() and 0 < len(self.model) <= 64):
            raise ImageError(f'model name {self.model!r} is not 1..64 ASCII')
        if len(self.weights) != 8:
            raise ImageError('the hash of the weights must have 8 bytes')
        self._check_sizes()
        self._check_pyramid()
        self._set_windows()
        if self.map_scope not in MAP_SCOPES:
            raise ImageError(f'map scope {self.map_scope!r} is unknown')
        wanted = self.levels if self.map_scope == 'shared' else 0
        if len(self.maps) != wanted:
            raise ImageError(
                f'{len(self.maps)} shared maps where {wanted} are needed'
            )
        if self.colours is not None and not self.layout.rgb:
            raise ImageError('an image without colours has none to turn')

    def _check_sizes(self) -> None:
        shape = self.layout.shape
        if max(shape) > MAX_DIM or math.prod(shape) > MAX_VALUES:
            raise ImageError(
                f'shape {shape} is too large: 2**31 along an axis and 2**48 '
                'values are the limits'
            )
        if not 0 <= self.tile <= MAX_TILE or not 0 <= self.halo <= MAX_TILE:
            raise ImageError(
                f'tile {self.tile} or halo {self.halo} is not in '
                f'0..{MAX_TILE} pixels'
            )
        if self.tile == 0 and self.halo:
            raise ImageError('a halo is of no use without tiles; set it to 0')
        if self.tile == 0 and math.prod(self.size()) > MAX_TILE_PIXELS:
            raise ImageError('a plane above 2**30 pixels must be cut in tiles')

    def _check_pyramid(self) -> None:
        if self.levels > MAX_LEVELS:
            raise ImageError(f'more than {MAX_LEVELS} pyramid levels')
        above = self.layout
        for level in range(1, self.levels):
            below = self.level(level)
            for axis, big, small in zip(
                above.axes, above.shape, below.shape, strict=True
            ):
                if small > big or (axis not in 'ZYX' and small != big):
                    raise ImageError(
                        f'pyramid level {level} of shape {below.shape} '
                        f"doesn't follow from {above.shape}"
                    )
            above = below

    def _set_windows(self) -> None:
        windows = self.windows
        if not windows and self.dtype in DEFAULT_WINDOWS:
            windows = (DEFAULT_WINDOWS[self.dtype],)
        counts = {1, self.layout.channel_count}
        # A plane's number means the same on all levels only if no level has
        # fewer planes.
        if all(self.planes(n) == self.planes() for n in range(self.levels)):
            counts.add(self.planes())
        if len(windows) not in counts:
            raise ImageError(
                f'{len(windows)} value windows for an image of axes '
                f'{self.axes} and shape {self.shape}; give one, or one for '
                'each channel'
            )
        if len(set(windows)) == 1:
            windows = windows[:1]
        object.__setattr__(self, 'windows', windows)

    @property
    def axes(self) -> str:
        """Axes of the image, see `Layout`."""
        return self.layout.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image at level 0."""
        return self.layout.shape

    @property
    def dtype(self) -> str:
        """NumPy name of the pixels' type."""
        return self.layout.dtype.name

    @property
    def levels(self) -> int:
        """Number of pyramid levels, 1 without a pyramid."""
        return 1 + len(self.pyramid)

    def level(self, level: int) -> Layout:
        """Return the layout of a level."""
        if level == 0:
            return self.layout
        return replace(self.layout, shape=self.pyramid[level - 1])

    @property
    def default_window(self) -> bool:
        """Whether the value window is the one that the dtype implies."""
        return self.windows == (DEFAULT_WINDOWS.get(self.dtype),)

    def planes(self, level: int = 0) -> int:
        """Return the number of planes of a level."""
        return self.level(level).plane_count

    def size(self, level: int = 0) -> tuple[int, int]:
        """Return (height, width) of a level's planes in pixels."""
        height, width = self.level(level).plane_shape[:2]
        return height, width

    def grid(self, level: int = 0) -> tuple[int, int]:
        """Return (rows, columns) of tiles in each plane of a level."""
        if self.tile == 0:
            return 1, 1
        height, width = self.size(level)
        return -(-height // self.tile), -(-width // self.tile)

    def window(self, plane: int, level: int = 0) -> Window:
        """Return the value window of a plane."""
        self.plane_number(level, plane)
        if len(self.windows) == 1:
            return self.windows[0]
        if len(self.windows) == self.planes(level):
            return self.windows[plane]
        return self.windows[self.level(level).channel_of(plane)]

    @property
    def tile_count(self) -> int:
        """Number of tiles of all levels."""
        levels = range(self.levels)
        return sum(self.planes(n) * math.prod(self.grid(n)) for n in levels)

    @property
    def map_count(self) -> int:
        """Number of maps that have a chunk of their own."""
        if self.map_scope != 'plane':
            return 0
        return sum(self.planes(n) for n in range(self.levels))

    def tiles(self) -> Iterator[TileKey]:
        """Yield the key of every tile, in the order of their numbers."""
        for level in range(self.levels):
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
            0 <= level < self.levels
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
        if not (0 <= level < self.levels and 0 <= plane < self.planes(level)):
            raise SftError(f'the image has no plane {plane} at level {level}')
        return sum(self.planes(n) for n in range(level)) + plane
