"""napari's reader of .sft files: the image and, as labels, its quality map."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_sft
from napari_sft.codec.chunks import SIGNATURE

if TYPE_CHECKING:
    import numpy as np

LayerData = tuple[Any, dict[str, Any], str]

# Above this size an image is decoded tile by tile as napari looks at it, so
# that opening it keeps the window alive and the memory small.
LAZY_BYTES = 64 * 2**20


def get_reader(
    path: str | list[str],
) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return the reader if every path holds an .sft file, else None.

    Only the signature is looked at: what else may be wrong with a file is
    said, precisely, when it is read.
    """
    return read if all(map(_is_sft, _paths(path))) else None


def read(path: str | list[str]) -> list[LayerData]:
    """Read files as layers, two for each: the image and its quality map.

    The map is a uint8 labels layer, (Y, X), with the value quality + 1 (1 to
    101), as the widget paints it; 0 would mean the base quality.

    Raises
    ------
    FormatError
        A file is damaged or cut short.
    VersionError
        A file needs a newer napari-sft.
    ModelError
        The model or the weights that a file was made with are missing.
    """
    return [layer for one in _paths(path) for layer in _read_one(one)]


def _paths(path: str | list[str]) -> list[str]:
    return list(path) if isinstance(path, list | tuple) else [path]


def _is_sft(path: str) -> bool:
    try:
        with Path(path).open('rb') as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def _read_one(path: str) -> list[LayerData]:
    image = napari_sft.open(path)
    size = math.prod(image.shape) * image.dtype.itemsize
    data = image.to_dask() if size > LAZY_BYTES else image.read()
    world = _world(image.calibration)
    name = image.calibration.name or Path(path).stem
    labels = to_labels(image.quality_map)
    uniform = bool((labels == labels.flat[0]).all())
    # Axes that stack planes say nothing about the map, which is flat.
    flat = {key: values[-2:] for key, values in world.items()}
    about = {'path': str(path), 'statistics': image.statistics}
    return [
        (
            data,
            {
                'name': name,
                'rgb': image.rgb,
                'metadata': {'napari-sft': about},
                **world,
            },
            'image',
        ),
        (
            labels,
            {
                'name': f'{name} quality',
                'opacity': 0.4,
                'visible': not uniform,
                **flat,
            },
            'labels',
        ),
    ]


def to_labels(quality_map: np.ndarray) -> np.ndarray:
    """Turn qualities, float in 0 to 100, into labels, uint8 in 1 to 101."""
    return (quality_map.round() + 1).astype('uint8')


def _world(calibration: Any) -> dict[str, tuple[Any, ...]]:
    """Layer arguments that place an image; what a file leaves out is absent"""
    world = {
        'scale': calibration.scale,
        'translate': calibration.translate,
        'units': tuple(unit or 'pixel' for unit in calibration.units),
        'axis_labels': calibration.labels,
    }
    return {key: tuple(values) for key, values in world.items() if values}
