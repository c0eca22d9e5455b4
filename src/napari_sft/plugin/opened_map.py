"""The quality map of a file as labels that can be painted on.

The file holds one value for each 16x16 block; the labels repeat it over the
block's pixels. The value that most of them have is the base quality, and its
blocks are unpainted, as if the rest had been painted over them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.container import Reader
from napari_sft.codec.errors import FormatError
from napari_sft.codec.quality import unpack
from napari_sft.plugin.map_layer import UNPAINTED, arguments, to_labels


def map_of(
    source: str | bytes, name: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """The map of an `.sft` file.

    Parameters
    ----------
    source : str or bytes
        Path of the file, or the file itself.
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
    with Reader(source) as reader:
        layout = reader.header.layout
        height, width = reader.header.size()
        own = reader.header.map_scope == 'plane'
        planes = range(layout.plane_count if own else 1)
        maps = [_coded(reader, plane, (height, width)) for plane in planes]
    counts = np.bincount(
        np.concatenate([to_labels(m.quality()).ravel() for m in maps])
    )
    base = int(counts.argmax())
    labels = np.stack([_pixels(m, base, (height, width)) for m in maps])
    stack = layout.stack_shape if own else ()
    painted = bool(np.count_nonzero(counts) > 1)
    about = arguments(name, _quality(maps, base))
    return (
        labels.reshape(*stack, height, width),
        {**about, 'visible': painted},
    )


def _coded(reader: Reader, plane: int, size: tuple[int, int]) -> CodedMap:
    packed = reader.map(plane)
    if packed is None:
        raise FormatError('the file has no quality map')
    return unpack(packed, (-(-size[0] // CELL), -(-size[1] // CELL)))


def _pixels(
    coded_map: CodedMap, base: int, size: tuple[int, int]
) -> np.ndarray:
    labels = to_labels(coded_map.quality())
    labels[labels == base] = UNPAINTED
    rows, columns = (np.arange(n) // CELL for n in size)
    return labels[rows[:, None], columns]


def _quality(maps: list[CodedMap], base: int) -> float:
    """The quality itself, to a tenth, that most blocks have."""
    values = np.concatenate([m.quality().ravel() for m in maps])
    return round(float(np.median(values[to_labels(values) == base])), 1)
