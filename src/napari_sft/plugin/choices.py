"""What the views offer: models, devices, value windows, file names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sft.codec.errors import ModelError
from napari_sft.plugin.image_layer import finest, is_rgb
from napari_sft.plugin.preferences import DEVICES

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ['DEVICES', 'file_for', 'models', 'windows']


def models() -> list[str]:
    """Names of the models whose weights are installed."""
    from napari_sft.models.registry import MODELS, weights_path

    found = []
    for name in MODELS:
        try:
            weights_path(name)
        except ModelError:
            continue
        found.append(name)
    return found


def windows(image: Image) -> tuple[list[tuple[str, str]], str]:
    """Value windows to choose from, each a key and words, and the first.

    8-bit images have nothing to choose: their whole range is kept.
    """
    dtype = np.dtype(finest(image).dtype)
    if dtype.itemsize == 1:
        return [], ''
    offered = [('minmax', 'Darkest to brightest')]
    if dtype.kind in 'iu':
        offered.append(('dtype', f'All of {8 * dtype.itemsize} bits'))
    if not is_rgb(image):
        offered.append(('contrast', 'Contrast limits'))
    return offered, 'minmax'


def file_for(image: Image, folder: Path | None = None) -> str:
    """Where an image is saved unless the user says otherwise."""
    source = image.source.path
    if folder is None:
        folder = Path(source).parent if source else Path.home()
    name = ''.join('_' if c in '<>:"/\\|?*' else c for c in image.name)
    return str(folder / f'{name or "image"}.sft')
