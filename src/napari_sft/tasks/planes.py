"""The picture that a task looks at, and maps that fill whole cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL
from napari_sft.codec.image import Image, normalise
from napari_sft.tasks.registry import TaskError


def plane_of(image: Any) -> NDArray[np.float32]:
    """The plane of an image in 0..1.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        Of any dtype that `napari_sft.encode` takes; a stack of one plane
        will do. Three samples of any dtype are colours here.

    Returns
    -------
    ndarray of float32, (Y, X, 3)
        Gray is repeated.

    Raises
    ------
    TaskError
        There are several planes.
    ImageError
        The image can't be encoded at all.
    """
    shape = np.shape(image)
    rgb = True if len(shape) == 3 and shape[-1] == 3 else None
    picture = Image.from_array(image, rgb=rgb)
    if picture.layout.plane_count != 1:
        raise TaskError(
            f'an image of shape {shape} has '
            f'{picture.layout.plane_count} planes: find the map of one of '
            'them'
        )
    window = picture.windows()[0]
    plane = normalise(picture.plane(0), window)
    if plane.ndim == 2:
        plane = np.repeat(plane[..., None], 3, 2)
    return plane


def bytes_of(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A plane in 0..1 as 8 bits."""
    return np.rint(plane * 255).astype(np.uint8)


def fill_cells(quality: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raise every 16x16 cell of a map to its highest quality.

    The codec takes the mean of a cell; what reaches into a cell by a few
    pixels would lose most of its quality.
    """
    height, width = quality.shape
    margin = (0, -height % CELL), (0, -width % CELL)
    padded = np.pad(quality, margin, mode='edge')
    rows, columns = (n // CELL for n in padded.shape)
    cells = padded.reshape(rows, CELL, columns, CELL).max((1, 3))
    filled = cells.repeat(CELL, 0).repeat(CELL, 1)
    return filled[:height, :width]
