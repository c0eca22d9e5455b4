"""Pictures of microscopy to compare codecs on: one plane of each file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from napari_sft.codec.errors import SftError

KINDS = ('gray', 'RGB', 'gray 16 bits')


@dataclass(frozen=True)
class Subject:
    """A picture to compare on.

    Attributes
    ----------
    name : str
        Of its file, below the folder.
    kind : str
        One of `KINDS`.
    pixels : ndarray of uint8 or uint16, (Y, X) or (Y, X, 3)
    """

    name: str
    kind: str
    pixels: NDArray[Any]


def subjects(
    folder: Path, largest: int, limit: int | None = None
) -> Iterator[Subject]:
    """The pictures in a folder and those below it.

    Parameters
    ----------
    folder : Path
        Files that are no pictures are left out.
    largest : int
        Of larger ones, only the middle is taken, so many pixels a side.
    limit : int, optional
        At most so many of each folder, evenly spread.
    """
    from napari_sft.image_files import find_pictures

    folders = sorted({folder, *(p for p in folder.rglob('*') if p.is_dir())})
    for place in folders:
        paths = find_pictures(place)
        if limit is not None and len(paths) > limit:
            chosen = np.linspace(0, len(paths) - 1, limit)
            paths = [paths[int(n)] for n in np.rint(chosen)]
        for path in paths:
            try:
                pixels = plane_of(path, largest)
            except SftError as error:
                typer.echo(f'left out: {error}', err=True)
                continue
            yield Subject(str(path.relative_to(folder)), *_prepared(pixels))


def plane_of(path: Path, largest: int) -> NDArray[Any]:
    """The middle plane of a picture file, and the middle of that."""
    from napari_sft.codec.image import Image
    from napari_sft.image_files import read_picture

    picture = read_picture(path, alpha='drop')
    image = Image.from_array(picture.data, picture.axes, alpha='drop')
    height, width = image.layout.plane_shape[:2]
    return image.plane(
        image.layout.plane_count // 2,
        _middle(height, largest),
        _middle(width, largest),
    )


def _middle(size: int, largest: int) -> slice:
    start = max(0, size - largest) // 2
    return slice(start, start + min(size, largest))


def _prepared(pixels: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """Kind and pixels: 8 bits as they are, others stretched to 16."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = np.ascontiguousarray(pixels[..., 0])
    if pixels.dtype == np.uint8:
        return KINDS[pixels.ndim == 3], pixels
    values = pixels.astype(np.float64)
    if values.ndim == 3:
        values = values.mean(2)
    low, high = values.min(), values.max()
    stretched = (values - low) * (65535 / max(high - low, 1e-300))
    return KINDS[2], np.rint(stretched).astype(np.uint16)
