"""Segmentation-aware maps: quality where it decides what is an object.

A label image says where the objects are: one from napari, a mask from a
file, or what Otsu's threshold finds by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.coded_map import CELL
from napari_sft.codec.errors import MapError
from napari_sft.codec.quality import from_labels
from napari_sft.tasks.planes import fill_cells, plane_of
from napari_sft.tasks.registry import Progress, TaskError

Method = Literal['otsu', 'watershed']
METHODS: tuple[Method, ...] = ('otsu', 'watershed')
EDGES = 'edges'
BLUR = 1.0  # standard deviation in pixels, against noise
SMALLEST = 20  # pixels of an object
APART = 5  # pixels between the centres of touching objects
# A pixel this far from the threshold, in 0..1, is seldom carried over it.
NEAR = 0.1
GRADES = 6  # steps of the graded map, each for twice as many undecided pixels
SPREAD = 0.5  # standard deviation in cells that smooths it


def segmentation_map(
    image: Any,
    labels: ArrayLike | None = None,
    *,
    qualities: Mapping[int, float] | None = None,
    foreground: float = 70,
    background: float = 10,
    margin: int = 4,
    method: Literal['edges', 'otsu', 'watershed'] = 'edges',
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """A map that keeps the objects of an image countable and measurable.

    By default the map is graded: number and area of objects hang on pixels
    near the threshold between them and the background, at edges, in gaps and
    in faint objects, and a cell gets the more quality the more of those it
    has. Flat maps give each object, or each label, a quality of its own.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane.
    labels : array of int (Y, X), optional
        A label image, 0 for none.
    qualities : mapping of label to quality, optional
        Qualities 0..100 of single labels, 0 among them if wanted. The map is
        flat then.
    foreground, background : float
        Quality of the labels not named and where there is none; the highest
        and the lowest of a graded map.
    margin : int
        By how many pixels labels grow, so that their edges are kept.
    method : {'edges', 'otsu', 'watershed'}
        A graded map, within the labels if there are any; or a flat one of
        the labels, found by `find_objects` if there are none.
    progress : callable, optional
        Called with (done, total) steps; may raise to cancel.

    Returns
    -------
    ndarray of float32 (Y, X)
        Qualities 0..100, the same throughout each 16x16 cell.

    Raises
    ------
    TaskError
        Nothing stands out from the background, or there is no such method.
    MapError
        The labels don't fit the image, or a quality leaves 0..100.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> image = skimage.data.cell()
    >>> quality_map = napari_sft.tasks.segmentation_map(image)
    >>> data = napari_sft.encode(image, quality_map=quality_map)
    """
    progress = progress or (lambda done, total: None)
    progress(0, 2)
    graded = method == EDGES and not qualities
    objects = None if labels is None else np.asarray(labels)
    if objects is None and not graded:
        objects = find_objects(image, 'otsu' if method == EDGES else method)
        if not objects.any():
            raise _nothing()
    shape = np.shape(image)[:2]
    if objects is not None and objects.shape != shape:
        raise MapError(
            f'labels of shape {objects.shape} do not cover an image of {shape}'
        )
    progress(1, 2)
    result = None
    if objects is not None:
        chosen = {int(n): foreground for n in np.unique(objects) if n}
        chosen |= dict(qualities or {})
        result = _flat(objects, chosen, chosen.get(0, background), margin)
    if graded:
        grades = _graded(image, foreground, background)
        result = grades if result is None else np.minimum(grades, result)
    progress(2, 2)
    assert result is not None
    return result


def _flat(
    objects: NDArray[Any],
    chosen: Mapping[int, float],
    base: float,
    margin: int,
) -> NDArray[np.float32]:
    """Each label's quality in every cell that it or its margin touches."""
    from skimage.segmentation import expand_labels

    # checks the labels' dtype and the qualities before they are grown
    quality = from_labels(objects, chosen, base)
    if margin > 0:
        grown = expand_labels(objects.astype(np.int64), margin)
        quality = np.maximum(quality, from_labels(grown, chosen, base))
    return fill_cells(quality)


def _graded(image: Any, high: float, low: float) -> NDArray[np.float32]:
    """Quality by how many pixels of a cell are near the threshold."""
    from scipy.ndimage import gaussian_filter

    gray, threshold = _thresholded(image)
    if threshold is None:
        raise _nothing()
    # Where no gray lies between the two sides, Otsu's threshold is at the end
    # of the gap; anywhere else it is midway between the sides' means.
    bright = gray > threshold
    middle = (gray[bright].mean() + gray[~bright].mean()) / 2
    near = np.exp(-(((gray - middle) / NEAR) ** 2) / 2)
    height, width = near.shape
    margin = (0, -height % CELL), (0, -width % CELL)
    padded = np.pad(near, margin, mode='edge')
    rows, columns = (n // CELL for n in padded.shape)
    cells = padded.reshape(rows, CELL, columns, CELL).mean((1, 3))
    cells = gaussian_filter(cells, SPREAD, mode='nearest') + 0.01
    grades = np.rint(GRADES / 2 + np.log2(cells / cells.mean()))
    share = np.clip(grades / GRADES, 0, 1)
    quality = (low + (high - low) * share).astype(np.float32)
    return quality.repeat(CELL, 0).repeat(CELL, 1)[:height, :width]


def unknown_method(method: str) -> TaskError:
    """What to raise for a method that there isn't."""
    names = ', '.join(METHODS)
    return TaskError(f'no method {method!r}: use one of {names}')


def _nothing() -> TaskError:
    return TaskError(
        'nothing stands out from the background of this image; give labels '
        'with a quality for each'
    )


def _thresholded(image: Any) -> tuple[NDArray[np.float32], float | None]:
    """Smoothed gray in 0..1 and Otsu's threshold; None if all is alike."""
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    gray = gaussian_filter(plane_of(image).mean(2), BLUR)
    flat = gray.min() == gray.max()
    return gray, None if flat else float(threshold_otsu(gray))


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
    from scipy.ndimage import binary_fill_holes
    from skimage.measure import label

    if method not in METHODS:
        raise unknown_method(method)
    gray, threshold = _thresholded(image)
    if threshold is None:
        return np.zeros(gray.shape, np.int32)
    bright = gray > threshold
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
