"""Zarr arrays and OME-Zarr images, opened.

`ome_metadata` knows what their metadata mean, `ome_zarr_writing` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sft.codec.errors import ImageError, SftError
from napari_sft.codec.image import Image
from napari_sft.ome_metadata import OmeImage, parse
from napari_sft.picture import Picture
from napari_sft.regions import Turned
from napari_sft.zarr_chunks import ChunkCoder
from napari_sft.zarr_writing import coder_of, sibling


@dataclass(frozen=True)
class ZarrImage:
    """An opened image.

    Attributes
    ----------
    array : zarr.Array
        Its full size.
    about : OmeImage
        What it says about itself.
    """

    array: Any
    about: OmeImage

    @property
    def picture(self) -> Picture:
        """As other files hold it, the axes in their former order."""
        about = self.about
        return Picture(
            self._turned(self.array),
            about.order,
            about.scale,
            about.units,
            about.translate,
            about.name,
        )

    @property
    def coder(self) -> ChunkCoder | None:
        """How its chunks are coded, if by this package's codec."""
        try:
            return coder_of(self.array)
        except SftError:
            return None

    @property
    def quality_map(self) -> Any:
        """Its qualities, an array beside it; None if it has one quality."""
        coder = self.coder
        if coder is None or coder.quality_map is None:
            return None
        return sibling(self.array, coder.quality_map)

    def settings(self) -> dict[str, Any]:
        """Parameters of `imwrite` that keep all of it."""
        about, picture, coder = self.about, self.picture, self.coder
        spatial = about.order.replace('S', '')
        settings = picture.along(about.order) | {
            'image': picture.data,
            'axes': about.order,
            'pyramid': len(about.paths) > 1,
        }
        if about.labels:
            settings['labels'] = tuple(
                about.labels.get(axis, axis.lower()) for axis in spatial
            )
        if about.windows:
            several = len(about.windows) > 1
            settings['windows'] = (
                about.windows if several else about.windows[0]
            )
        if coder is not None:
            settings['quality'] = coder.quality
        if self.quality_map is not None:
            settings['quality_map'] = self._turned(self.quality_map)
        return settings

    def _turned(self, array: Any) -> Any:
        """An array of the image's axes, or of (Y, X), in the former order."""
        axes, order = self.about.axes, self.about.order
        if len(array.shape) < len(self.array.shape):
            axes, order = axes.replace('S', ''), order.replace('S', '')
        if axes == order or len(array.shape) != len(axes):
            return array
        return Turned(array, axes, order)


def open_zarr(path: Path) -> ZarrImage:
    """Open a Zarr array, or the first image of an OME-Zarr group.

    Raises
    ------
    ImageError
        It is neither, or zarr is not installed.
    """
    try:
        import zarr
    except ModuleNotFoundError:
        raise ImageError(
            f'{path} is a Zarr folder: pip install "napari-sft[large]"'
        ) from None
    try:
        node = zarr.open(path, mode='r')
    # What zarr raises differs from one version to the next.
    except Exception as error:
        raise ImageError(f"can't read {path}: {error}") from error
    if hasattr(node, 'dtype'):
        return ZarrImage(node, _plain(node))
    if 'bioformats2raw.layout' in _ome(node):
        node = node['0']
    if 'multiscales' not in _ome(node):
        raise ImageError(
            f'{path} is a Zarr group without OME-Zarr metadata; give the path '
            'of an array in it'
        )
    attrs = node.attrs.asdict()
    about = parse(attrs, np.dtype(np.uint8))
    try:
        array = node[about.paths[0]]
    except KeyError:
        raise ImageError(
            f'{path} lacks the array {about.paths[0]!r} of its image'
        ) from None
    return ZarrImage(array, parse(attrs, array.dtype))


def _ome(group: Any) -> dict[str, Any]:
    attrs = group.attrs.asdict()
    found: dict[str, Any] = attrs.get('ome', attrs)
    return found


def _plain(array: Any) -> OmeImage:
    """An array by itself, its axes those it names or a guess."""
    names = getattr(array.metadata, 'dimension_names', None)
    letters = [str(name or '')[:1].upper() for name in names or ()]
    distinct = len(set(letters)) == len(letters)
    if letters and distinct and {'Y', 'X'} <= set(letters):
        axes = ''.join(letters)
    else:
        axes = Image.from_array(array, alpha='drop').source_axes
    return OmeImage(axes, ('',), axes)
