"""The quality map of a file as labels that can be painted on.

The file holds one value for each 16x16 block; the labels repeat it over the
block's pixels. The value that most of them have is the base quality, and its
blocks are unpainted, as if the rest had been painted over them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.plugin.map_layer import UNPAINTED, arguments, to_labels

if TYPE_CHECKING:
    from napari_sft.sft_image import SftImage


def map_of(image: SftImage, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The map of an opened `.sft` file.

    Parameters
    ----------
    image : SftImage
        The file.
    name : str
        The image's name.

    Returns
    -------
    labels, arguments
        uint8, (Y, X), or with the image's leading axes if each plane has a
        map of its own; and arguments of the labels layer, which is hidden if
        nothing is painted.

    Raises
    ------
    FormatError
        The file is damaged.
    """
    planar = image.shape[:-1] if image.rgb else image.shape
    *stack, height, width = planar
    own = image.info()['map'] == 'plane'
    planes = range(math.prod(stack) if own else 1)
    maps = [image.coded_map(plane) for plane in planes]
    qualities = np.concatenate([m.quality().ravel() for m in maps])
    counts = np.bincount(to_labels(qualities))
    base = int(counts.argmax())
    # The very quality, not the whole number that labels can hold.
    exact = float(np.median(qualities[to_labels(qualities) == base]))
    about = arguments(name, round(exact, 1))
    painted = np.count_nonzero(counts) > 1
    labels = np.stack([_pixels(m, base, (height, width)) for m in maps])
    return (
        labels.reshape(*(stack if own else ()), height, width),
        {**about, 'visible': bool(painted)},
    )


def _pixels(
    coded_map: CodedMap, base: int, size: tuple[int, int]
) -> np.ndarray:
    labels = to_labels(coded_map.quality())
    labels[labels == base] = UNPAINTED
    rows, columns = (np.arange(n) // CELL for n in size)
    return labels[rows[:, None], columns]
