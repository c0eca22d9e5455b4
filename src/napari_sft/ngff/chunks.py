"""Chunks of Zarr arrays as whole `.sft` files, for Zarr formats 2 and 3.

A codec is not told where its chunk lies. What it needs to know about that
(the chunk's part of a quality map, how much of it lies inside the array) is
put aside for it by `array_writing.write`; without that, chunks have one
quality everywhere.

Coding is lossy: writing a part of a chunk decodes and encodes all of it
again. Write each chunk once, as a whole.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import check_quality
from napari_sft.codec.errors import FormatError, MapError, ModelError, SftError
from napari_sft.codec.image import Image
from napari_sft.codec.windows import Window

Windows = str | tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ChunkPlace:
    """What a chunk can't say about itself.

    Attributes
    ----------
    extent : tuple of int
        How much of the chunk lies inside the array, along each axis.
    quality_map : ndarray, optional
        Qualities 0..100 of that part: (Y, X), or of its shape without S.
    windows : tuple of (lo, hi), optional
        Value windows of its channels.
    encoded : bytes, optional
        The chunk as it was encoded already.
    """

    extent: tuple[int, ...]
    quality_map: NDArray[Any] | None = None
    windows: Windows | None = None
    encoded: bytes | None = None


# One chunk keeps all cores busy; zarr hands over many at once, which would
# fight over them and over memory.
_one_at_a_time = threading.Lock()
_place: ContextVar[ChunkPlace | None] = ContextVar('place', default=None)


@contextmanager
def chunk_place(place: ChunkPlace) -> Iterator[None]:
    """Tell the codec where the one chunk lies that is written inside."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


@dataclass(frozen=True)
class ChunkCoder:
    """How the chunks of one array are coded; its fields are JSON.

    Parameters
    ----------
    quality : float
        0..100, where there is no map.
    quality_map : str, optional
        Path of the array of qualities, relative to the group of the coded
        one. With it, only `array_writing.write` can write.
    windows : {'auto', 'dtype', 'minmax'}, (lo, hi) or a pair a channel
        Values that map to 0 and 1, see `Image.windows`. 'auto' and 'minmax'
        look at each chunk on its own; pairs treat all chunks alike.
    axes : str, optional
        A letter for each axis of the array; guessed from each chunk if left
        out. S holds RGB samples, at any place, three in each chunk.
    model : str
        Name of the model.
    weights : str
        First 8 bytes of the SHA-256 of its weights, in hexadecimal; by
        default that of the installed ones.

    Raises
    ------
    SftError
        A field makes no sense, or the model is not installed.
    """

    quality: float = 75
    quality_map: str | None = None
    windows: Windows = 'auto'
    axes: str | None = None
    model: str = 'compact'
    weights: str = field(default='')

    def __post_init__(self) -> None:
        from napari_sft.models.registry import MODELS

        check_quality(self.quality, (1, 1))
        object.__setattr__(self, 'windows', _windows(self.windows))
        if self.axes is not None:
            object.__setattr__(self, 'axes', self.axes.upper())
        if self.model not in MODELS:
            raise ModelError(
                f'a Zarr array can not name the model {self.model!r}; there '
                f'are {", ".join(MODELS)}'
            )
        if not self.weights:
            object.__setattr__(self, 'weights', installed_weights(self.model))

    def config(self) -> dict[str, Any]:
        """The fields as JSON has them, those that are unset left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if not isinstance(self.windows, str):
            values['windows'] = [list(pair) for pair in self.windows]
        return {k: v for k, v in values.items() if v is not None}

    def axes_of(self, shape: Sequence[int], dtype: np.dtype[Any]) -> str:
        """The letters of the axes of an array or a chunk.

        Raises
        ------
        ImageError
            An array of this shape or dtype can't be coded.
        """
        some = tuple(max(n, 1) for n in shape)  # arrays may be empty yet
        blank = np.broadcast_to(np.zeros(1, dtype), some)
        return Image.from_array(blank, self.axes).source_axes

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """A chunk as the bytes of an `.sft` file."""
        import napari_sft

        place = _place.get()
        if place is not None and place.encoded is not None:
            return place.encoded
        if self.weights != installed_weights(self.model):
            raise ModelError(
                f'the array is coded with weights {self.weights} of '
                f'{self.model!r}, here are {installed_weights(self.model)}: '
                'install the napari-sft version it was made with, or write '
                'a new array'
            )
        if place is None:
            self._check_alone()
            place = ChunkPlace(chunk.shape)
        axes = self.axes_of(chunk.shape, chunk.dtype)
        margin = {
            axis: (0, whole - inside)
            for axis, whole, inside in zip(
                axes, chunk.shape, place.extent, strict=True
            )
        }
        inside = chunk[tuple(map(slice, place.extent))]
        # What lies outside the array repeats the edge and so costs little.
        padded = np.pad(inside, list(margin.values()), 'edge')
        missing = margin.get('C', (0, 0))[1]
        with _one_at_a_time:
            return napari_sft.encode(
                padded,
                quality=self.quality,
                quality_map=_padded_map(place.quality_map, axes, margin),
                axes=axes,
                windows=_choice(place.windows or self.windows, missing),
                model=self.model,
                provenance=False,
                statistics=False,
                colours=None,  # chunks must fit together in one file
            )

    def decode(
        self, data: bytes, shape: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        """The chunk that `encode` took.

        Parameters
        ----------
        data : bytes
            What `encode` gave.
        shape : tuple of int, optional
            That of the chunk, to be checked.

        Raises
        ------
        FormatError
            The bytes are damaged, or hold a chunk of another shape.
        """
        import napari_sft

        with napari_sft.open(data) as image:
            axes = self.axes or image.axes
            found = dict(zip(image.axes, image.shape, strict=True))
            stored = tuple(found.get(axis, 0) for axis in axes)
            if set(axes) != set(image.axes) or stored != (shape or stored):
                raise FormatError(
                    f'a chunk holds an image of axes {image.axes} and shape '
                    f'{image.shape}, the array has {axes} and {shape}'
                )
            with _one_at_a_time:
                chunk = image.read()
        return chunk.transpose([image.axes.index(axis) for axis in axes])

    def _check_alone(self) -> None:
        if self.quality_map is not None:
            raise MapError(
                f'the qualities of this array lie in {self.quality_map!r}; '
                'write it by napari_sft.ngff.array_writing.write'
            )


def installed_weights(model: str) -> str:
    """First 8 bytes of the SHA-256 of a model's weights, in hexadecimal."""
    from napari_sft.models.registry import weights_path

    path = weights_path(model)
    stat = path.stat()
    return _hash(path, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=16)
def _hash(path: Path, _version: object) -> str:
    return hashlib.sha256(path.read_bytes()).digest()[:8].hex()


def _windows(value: Any) -> Windows:
    """Checked and in the one form that is compared and stored."""
    if isinstance(value, str):
        if value not in ('auto', 'dtype', 'minmax'):
            raise SftError(
                f'there is no value window {value!r}; use "auto", "dtype", '
                '"minmax" or (lo, hi)'
            )
        return value
    try:
        pairs = np.asarray(value, float).reshape(-1, 2)
    except (TypeError, ValueError):
        raise SftError(
            f'{value!r} is no value window; give (lo, hi) or such a pair for '
            'each channel'
        ) from None
    return tuple((w.lo, w.hi) for w in (Window(*map(float, p)) for p in pairs))


def _padded_map(
    quality_map: NDArray[Any] | None,
    axes: str,
    margin: dict[str, tuple[int, int]],
) -> NDArray[Any] | None:
    """The map of a whole chunk from that of its part inside the array."""
    if quality_map is None:
        return None
    order = 'YX' if quality_map.ndim == 2 else axes.replace('S', '')
    return np.pad(quality_map, [margin[axis] for axis in order], 'edge')


def _choice(windows: Windows, outside: int) -> Any:
    """Windows as `imwrite` takes them; channels outside repeat the last."""
    if isinstance(windows, str):
        return windows
    if len(windows) == 1:
        return windows[0]
    return (*windows, *windows[-1:] * outside)
