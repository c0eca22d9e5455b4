"""napari's reader of .sft files: the image and, as labels, its quality map."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_sft
from napari_sft.codec.chunks import SIGNATURE

if TYPE_CHECKING:
    from napari_sft.sft_image import SftImage

LayerData = tuple[Any, dict[str, Any], str]

# Above this number an image is decoded part by part as napari looks at it,
# so that opening it keeps the window alive and the memory small.
LAZY_PIXELS = 4_000_000


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

    The map is a labels layer as the widget paints it, see `opened_map`; for
    an image of many planes it is of one plane if they share it.

    Raises
    ------
    FormatError
        A file is damaged or cut short.
    VersionError
        A file needs a newer napari-sft.
    ModelError
        The model or the weights that a file was made with are missing.
    """
    return [
        layer
        for one in _paths(path)
        for layer in layers_of(str(one), Path(one).stem)
    ]


def _paths(path: str | list[str]) -> list[str]:
    return list(path) if isinstance(path, list | tuple) else [path]


def _is_sft(path: str) -> bool:
    try:
        with Path(path).open('rb') as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def layers_of(source: str | bytes, default_name: str) -> list[LayerData]:
    """The image of a file and its map as layers.

    Parameters
    ----------
    source : str or bytes
        Path of an `.sft` file, or the file itself.
    default_name : str
        The image's name if the file does not tell it.
    """
    from napari_sft.plugin.opened_map import map_of

    with ExitStack() as opened:
        image = opened.enter_context(napari_sft.open(source))
        name = image.calibration.name or default_name
        about = image.info()
        labels, arguments = map_of(image, name)
        pixels, display = _pixels(image, about)
        if not isinstance(pixels, np.ndarray):
            opened.pop_all()  # read from as long as the layer is there
    path = {'path': source} if isinstance(source, str) else {}
    world = _world(image.calibration)
    # Axes that stack planes say nothing about a map that is flat.
    flat = {key: values[-labels.ndim :] for key, values in world.items()}
    return [
        (
            pixels,
            {
                'name': name,
                'rgb': image.rgb,
                'metadata': {'napari-sft': {**path, **about}},
                **display,
                **world,
            },
            'image',
        ),
        (labels, {**arguments, **flat}, 'labels'),
    ]


def _pixels(
    image: SftImage, about: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Pixels, lazy if there are many, and how to show them."""
    samples = 3 if image.rgb else 1
    if math.prod(image.shape) // samples <= LAZY_PIXELS:
        return image.read(), {}
    display: dict[str, Any] = {}
    lo = min(window[0] for window in about['windows'])
    hi = max(window[1] for window in about['windows'])
    if not image.rgb and lo < hi:
        # napari would decode planes to find out.
        display['contrast_limits'] = (lo, hi)
    levels = [level.to_dask() for level in image.levels]
    if len(levels) == 1:
        return levels[0], display
    return levels, {**display, 'multiscale': True}


def _world(calibration: Any) -> dict[str, tuple[Any, ...]]:
    """Layer arguments that place an image; what a file leaves out is absent"""
    world = {
        'scale': calibration.scale,
        'translate': calibration.translate,
        'units': tuple(unit or 'pixel' for unit in calibration.units),
        'axis_labels': calibration.labels,
    }
    return {key: tuple(values) for key, values in world.items() if values}
