"""What there is to do to encode image files, in pieces that run anywhere.

A thread, or a worker process on another machine, reads the source by itself
and returns the bytes of an `.sft` file; only `parallel_encoding` writes. So a
worker that is lost leaves nothing half-written, and its work can be done
again by another.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from napari_sft.codec.colours import ColourChoice
from napari_sft.codec.image import Image
from napari_sft.codec.layout import Layout
from napari_sft.codec.quality import feather
from napari_sft.codec.windows import Window
from napari_sft.image_files import read_map, read_picture
from napari_sft.picture import Picture

WHOLE_STACK = 1 << 24  # values of a stack that one task may as well encode


@dataclass(frozen=True)
class MapFile:
    """A gray picture that holds the quality map of every plane.

    Attributes
    ----------
    path : Path
        As `read_map` takes it.
    stretch : bool
        Whether to fit a map of another size.
    soften : float
        Pixels to either side by which its edges are softened.
    """

    path: Path
    stretch: bool = False
    soften: float = 0


@dataclass(frozen=True)
class Request:
    """An image file to encode, and how; it can be pickled.

    Attributes
    ----------
    source, target : Path
        The file to read and the one to write.
    settings : dict
        More parameters of `imwrite`.
    axes : str, optional
        What the file's axes are, if it does not know.
    alpha : {'refuse', 'drop'}
        What to do with transparency.
    quality_map : MapFile, optional
        In place of a quality in the settings.
    """

    source: Path
    target: Path
    settings: dict[str, Any] = field(default_factory=dict)
    axes: str | None = None
    alpha: Literal['refuse', 'drop'] = 'refuse'
    quality_map: MapFile | None = None

    @property
    def to_size(self) -> bool:
        """Whether the whole file has to meet a size."""
        targets = ('target_bytes', 'target_bpp')
        return any(self.settings.get(name) is not None for name in targets)


@dataclass(frozen=True)
class StackPlan:
    """A stack whose planes are encoded one by one.

    Attributes
    ----------
    layout : Layout
        Of the stack.
    about : dict
        Calibration and name, as `imwrite` takes them.
    windows : tuple of Window or None
        None if they depend on the values of all planes.
    """

    layout: Layout
    about: dict[str, Any]
    windows: tuple[Window, ...] | None


def begin(request: Request, largest: int = WHOLE_STACK) -> bytes | StackPlan:
    """Encode a file, or tell what a stack of more values is made of."""
    opened = read(request)
    if opened.splits(request) and opened.values > largest:
        choice, image = request.settings.get('windows', 'auto'), opened.image
        windows = None if image.scans(choice) else image.windows(choice)
        about = opened.picture.along(image.layout.axes)
        return StackPlan(image.layout, about, windows)
    buffer = io.BytesIO()
    encode_whole(request, buffer)
    return buffer.getvalue()


def plane_extremes(request: Request, number: int) -> tuple[float, float]:
    """Lowest and highest value of a plane of a stack."""
    return _kept(request).image.extremes(number)


def encode_plane(
    request: Request,
    number: int,
    windows: tuple[Window, ...],
    colours: ColourChoice = 'auto',
) -> bytes:
    """A plane of a stack as a file of its own."""
    import napari_sft

    image = _kept(request).image
    layout = image.layout
    channel = layout.channel_of(number) if len(windows) > 1 else 0
    return napari_sft.encode(
        image.plane(number),
        **request.settings
        | {
            'axes': 'YXS' if layout.rgb else 'YX',
            'windows': windows[channel],
            'quality_map': _quality_map(request, layout.plane_shape[:2]),
            'source': request.source.name,
            'colours': colours,
        },
    )


def encode_whole(
    request: Request,
    target: Path | BinaryIO,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Encode a file into `target`, in this thread."""
    import napari_sft

    opened = read(request)
    layout = opened.image.layout
    napari_sft.imwrite(
        target,
        opened.picture.data,
        **opened.picture.along(layout.axes)
        | request.settings
        | {
            'axes': opened.image.source_axes,
            'alpha': request.alpha,
            'quality_map': _quality_map(request, layout.plane_shape[:2]),
            'source': request.source.name,
            'progress': progress,
        },
    )


@dataclass(frozen=True)
class Opened:
    """A file to encode, opened."""

    picture: Picture
    image: Image

    @property
    def values(self) -> int:
        """How many values it has."""
        return int(np.prod(self.image.layout.shape, dtype=object))

    def splits(self, request: Request) -> bool:
        """Whether its planes can be encoded apart."""
        return self.image.layout.plane_count > 1 and not request.to_size


def read(request: Request) -> Opened:
    """Open the source; the pixels of a large one are read later."""
    picture = read_picture(request.source, alpha=request.alpha)
    axes = (request.axes or picture.axes).upper()
    image = Image.from_array(picture.data, axes, alpha=request.alpha)
    return Opened(picture, image)


def _kept(request: Request) -> Opened:
    """The source; those opened last stay so, for their other planes."""
    about = os.stat(request.source)
    version = about.st_mtime_ns, about.st_size
    return _opened(request.source, request.axes, request.alpha, version)


@lru_cache(maxsize=2)
def _opened(
    source: Path,
    axes: str | None,
    alpha: Literal['refuse', 'drop'],
    _version: tuple[int, int],
) -> Opened:
    return read(Request(source, source, axes=axes, alpha=alpha))


def _quality_map(request: Request, shape: tuple[int, ...]) -> Any:
    how = request.quality_map
    return None if how is None else _planar_map(how, (shape[0], shape[1]))


@lru_cache(maxsize=2)
def _planar_map(how: MapFile, shape: tuple[int, int]) -> np.ndarray:
    quality = read_map(how.path, shape, stretch=how.stretch)
    return feather(quality, how.soften)
