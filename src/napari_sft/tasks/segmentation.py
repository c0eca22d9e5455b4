"""Segmentation-aware maps: quality for objects, less for the rest.

A label image says where the objects are: one from napari, a mask from a
file, or what Otsu's threshold finds by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.errors import MapError
from napari_sft.codec.quality import from_labels
from napari_sft.tasks.planes import fill_cells, plane_of
from napari_sft.tasks.registry import Progress, TaskError

Method = Literal['otsu', 'watershed']
METHODS: tuple[Method, ...] = ('otsu', 'watershed')
BLUR = 1.0  # standard deviation in pixels, against noise
SMALLEST = 20  # pixels of an object
APART = 5  # pixels between the centres of touching objects


def segmentation_map(
    image: Any,
    labels: ArrayLike | None = None,
    *,
    qualities: Mapping[int, float] | None = None,
    foreground: float = 70,
    background: float = 10,
    margin: int = 4,
    method: Method = 'otsu',
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """A map that spends bits on the objects of an image.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane; only looked at where there are no labels.
    labels : array of int (Y, X), optional
        A label image, 0 for none; found by `find_objects` if left out.
    qualities : mapping of label to quality, optional
        Qualities 0..100 of single labels, 0 among them if wanted.
    foreground, background : float
        Quality of the labels not named, and where there is none.
    margin : int
        By how many pixels objects grow, so that their edges are kept.
    method : {'otsu', 'watershed'}
        How objects are found where no labels are given.
    progress : callable, optional
        Called with (done, total) steps; may raise to cancel.

    Returns
    -------
    ndarray of float32 (Y, X)
        Qualities 0..100, the same throughout each 16x16 cell.

    Raises
    ------
    TaskError
        Nothing stands out from the background.
    MapError
        The labels don't fit the image, or a quality leaves 0..100.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> image = skimage.data.coins()
    >>> quality_map = napari_sft.tasks.segmentation_map(image)
    >>> data = napari_sft.encode(image, quality_map=quality_map)
    """
    from skimage.segmentation import expand_labels

    progress = progress or (lambda done, total: None)
    progress(0, 2)
    if labels is None:
        objects = find_objects(image, method)
        if not objects.any():
            raise TaskError(
                'nothing stands out from the background of this image; give '
                'labels'
            )
    else:
        objects = np.asarray(labels)
    shape = np.shape(image)[:2]
    if objects.shape != shape:
        raise MapError(
            f'labels of shape {objects.shape} do not cover an image of {shape}'
        )
    progress(1, 2)
    present = np.unique(objects)
    chosen = {int(n): foreground for n in present if n} | dict(qualities or {})
    base = chosen.get(0, background)
    # checks the labels' dtype and the qualities before they are grown
    quality = from_labels(objects, chosen, base)
    if margin > 0:
        grown = expand_labels(objects.astype(np.int64), margin)
        quality = np.maximum(quality, from_labels(grown, chosen, base))
    progress(2, 2)
    return fill_cells(quality)


def find_objects(image: Any, method: Method = 'otsu') -> NDArray[np.int32]:
    """Objects that are brighter, or darker, than what is around them.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane.
    method : {'otsu', 'watershed'}
        Whether touching pixels are one object, or are cut apart where the
        distance to the background has several tops.

    Returns
    -------
    ndarray of int32 (Y, X)
        0 for the background, which is what covers more; objects of fewer
        than 20 pixels are left out.

    Raises
    ------
    TaskError
        There is no such method.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter
    from skimage.filters import threshold_otsu
    from skimage.measure import label

    if method not in METHODS:
        raise TaskError(
            f'no method {method!r}: use one of {", ".join(METHODS)}'
        )
    gray = gaussian_filter(plane_of(image).mean(2), BLUR)
    if gray.min() == gray.max():
        return np.zeros(gray.shape, np.int32)
    bright = gray > threshold_otsu(gray)
    mask = bright if bright.mean() <= 0.5 else ~bright
    objects = label(binary_fill_holes(mask))
    if method == 'watershed':
        objects = _cut_apart(objects)
    return _without_specks(objects)


def _cut_apart(objects: NDArray[Any]) -> NDArray[Any]:
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = gaussian_filter(distance_transform_edt(objects > 0), BLUR)
    tops = peak_local_max(
        depth, min_distance=APART, labels=objects, exclude_border=False
    )
    markers = np.zeros(objects.shape, np.int32)
    markers[tuple(tops.T)] = np.arange(1, len(tops) + 1)
    return watershed(-depth, markers, mask=objects > 0)


def _without_specks(objects: NDArray[Any]) -> NDArray[np.int32]:
    areas = np.bincount(objects.ravel())
    kept = areas >= SMALLEST
    kept[0] = False
    numbers = np.where(kept, kept.cumsum(), 0).astype(np.int32)
    return numbers[objects]
