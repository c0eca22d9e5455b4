"""The levels of an `.sft` file for OME-Zarr, and their quality maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.image import Image
from napari_sft.codec.job import halved
from napari_sft.codec.layout import Layout
from napari_sft.codec.pixels import HalvedImage, pyramid_levels
from napari_sft.regions import Region
from napari_sft.sft_image import SftImage


def levels_of(image: SftImage, chunk: int, pyramid: bool) -> Sequence[Any]:
    """The image and its smaller levels, as it holds them or made of it."""
    if len(image.levels) > 1 or not pyramid:
        return image.levels
    original = Image.from_array(image, image.axes)
    count = pyramid_levels(original.layout, chunk)
    return (
        image,
        *(_Halved(HalvedImage(original, n + 1)) for n in range(count)),
    )


class _Halved:
    """A smaller level as an array."""

    def __init__(self, image: HalvedImage) -> None:
        self._image = image
        self.shape, self.dtype = image.layout.shape, image.layout.dtype

    def __getitem__(self, region: Region) -> NDArray[Any]:
        layout = self._image.layout
        count = len(layout.stack_shape)
        stack, rows, columns = region[:count], region[count], region[count + 1]
        places = [
            range(n)[part]
            for part, n in zip(stack, layout.shape, strict=False)
        ]
        planes = [
            self._image.plane(layout.plane_of(index), rows, columns)
            for index in _indexes(places)
        ]
        result = np.stack(planes)
        return result.reshape(*map(len, places), *result.shape[1:])


class LevelMaps:
    """The quality maps of a level, as an array of one value a pixel.

    It has the shape (Y, X) if all planes share one map, or that of the
    level's array without samples.
    """

    def __init__(
        self, image: SftImage, level: int, order: str, shared: bool
    ) -> None:
        self._image = image
        self._level = level
        self._stored = len(image.levels) > 1
        self._layout = Layout(image.axes, image.shape, image.dtype)
        size = dict(zip(image.axes, image.shape, strict=True))
        for axis in 'YX':
            size[axis] = -(-size[axis] // 2**level)
        self._axes = 'YX' if shared else order.replace('S', '')
        self.shape = tuple(size[axis] for axis in self._axes)

    @property
    def uniform(self) -> bool:
        """Whether there is one quality for all."""
        if len(self.shape) > 2 and self._layout.plane_count > 1:
            return False
        return self.coded(0).uniform

    @property
    def first(self) -> float:
        """The quality of the first cell."""
        return float(self.coded(0).quality()[0, 0])

    def coded(self, plane: int) -> CodedMap:
        """The map of a plane as it is stored."""
        if self._stored:
            return self._image.levels[self._level].coded_map(plane)
        return halved(self._image.coded_map(plane), self._level)

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        stack = self._axes[:-2]
        places = [
            range(n)[part] for part, n in zip(region, self.shape, strict=True)
        ]
        rows, columns = (np.asarray(part) // CELL for part in places[-2:])
        maps = []
        for index in _indexes(places[:-2]):
            at = dict(zip(stack, index, strict=True))
            own = [at.get(axis, 0) for axis in self._layout.stack_axes]
            cells = self.coded(self._layout.plane_of(own)).quality()
            maps.append(cells[np.ix_(rows, columns)])
        return np.stack(maps).reshape([len(part) for part in places])


def _indexes(places: Sequence[range]) -> Iterator[tuple[int, ...]]:
    for index in np.ndindex(*map(len, places)):
        yield tuple(p[i] for p, i in zip(places, index, strict=True))
