"""Quality maps: made, drawn, blurred, resampled.

A quality map says for each pixel of a plane how good it must be: 0..100, an
array (Y, X), or one number for all pixels. A stack has one map for all planes
or one for each. What a file holds of it is a :class:`CodedMap`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.coded_map import CodedMap, check_quality
from napari_sft.codec.errors import MapError
from napari_sft.codec.layout import Layout
from napari_sft.codec.map_coding import pack, unpack

__all__ = [
    'CodedMap',
    'centre_focus',
    'check_quality',
    'feather',
    'from_gray',
    'from_labels',
    'from_shapes',
    'gradient',
    'lambda_of',
    'pack',
    'plane_map',
    'resample',
    'to_gray',
    'unpack',
]

Shape = tuple[int, int]
Map = NDArray[np.float32]


def lambda_of(quality: ArrayLike) -> NDArray[np.float64]:
    """Weight of squared error (pixels in 0..1, times 255**2) against bpp.

    The paper's T(q) = 1e-3 exp(4.382 q) with q = quality / 100 (Song, Choi,
    Han, ICCV 2021, arXiv 2108.09551).

    Parameters
    ----------
    quality : number or array
        0..100.

    Returns
    -------
    ndarray of float64
        0.001 to 0.08, of the same shape.
    """
    return 1e-3 * np.exp(4.382 * np.asarray(quality, np.float64) / 100)


def plane_map(quality: Any, layout: Layout, plane: int) -> CodedMap:
    """The coded map of one plane of a stack.

    Parameters
    ----------
    quality : number, array (Y, X) or array (stack_shape, Y, X)
        One map for all planes or one for each; of a lazy array, only some
        rows of the plane's are read at once.
    layout : Layout
        That of the image.
    plane : int
        The plane's number.

    Raises
    ------
    MapError
        The map has another shape, or as in `check_quality`.
    """
    shape: Shape = (layout.plane_shape[0], layout.plane_shape[1])
    if np.ndim(quality) <= 2:
        return CodedMap.from_quality(quality, shape)
    full = (*layout.stack_shape, *shape)
    if np.shape(quality) != full:
        raise MapError(
            f'quality map has the shape {np.shape(quality)} but the '
            f'stack has {full}; give a map of that shape, or one of '
            f'shape {shape} for all planes'
        )
    plane_index = layout.index_of(plane)

    def rows_of(rows: slice) -> Any:
        part = (*plane_index, rows)
        return quality[part]

    return CodedMap.from_rows(rows_of, shape)


def resample(quality: ArrayLike, shape: Shape) -> Map:
    """Stretch a map to another shape, averaging where it shrinks.

    Parameters
    ----------
    quality : array (Y, X)
        0..100.
    shape : (int, int)
        New height and width.

    Returns
    -------
    ndarray of float32, `shape`
    """
    from skimage.transform import resize

    values = _as_map(quality)
    if min(shape) < 1:
        raise MapError(f'a map can not be resampled to the shape {shape}')
    shrinks = shape[0] < values.shape[0] or shape[1] < values.shape[1]
    resized = resize(
        values, shape, order=1, mode='edge', anti_aliasing=shrinks
    )
    return np.clip(resized, 0, 100).astype(np.float32)


def feather(quality: ArrayLike, px: float) -> Map:
    """Soften the edges of a map by a Gaussian blur.

    Parameters
    ----------
    quality : array (Y, X)
        0..100.
    px : float
        How far an edge reaches to either side, in pixels: two standard
        deviations. 0 leaves the map as it is.

    Returns
    -------
    ndarray of float32 (Y, X)
    """
    from scipy.ndimage import gaussian_filter

    values = _as_map(quality)
    if not (math.isfinite(px) and px >= 0):
        raise MapError(f'feather of {px} px; give 0 or more')
    blurred = gaussian_filter(values, px / 2, mode='nearest')
    return np.clip(blurred, 0, 100)


def from_labels(
    labels: ArrayLike, qualities: Mapping[int, float], base: float
) -> Map:
    """A map from a label image.

    Parameters
    ----------
    labels : array of int (Y, X)
    qualities : mapping of label to quality
        0..100 for each label that matters.
    base : float
        Quality of all other labels.

    Returns
    -------
    ndarray of float32 (Y, X)

    Raises
    ------
    MapError
        The labels are no 2-D integers, or a quality leaves 0..100.
    """
    array = np.asarray(labels)
    if array.ndim != 2 or array.dtype.kind not in 'biu':
        raise MapError(
            f'labels of shape {array.shape} and dtype {array.dtype} are no '
            'map; give integers (Y, X)'
        )
    present, inverse = np.unique(array, return_inverse=True)
    chosen = [_number(qualities.get(int(n), base)) for n in present]
    return np.array(chosen, np.float32)[inverse].reshape(array.shape)


def from_shapes(
    shape: Shape, shapes: Iterable[tuple[ArrayLike, float]], base: float
) -> Map:
    """A map from polygons, later ones on top.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the map in pixels.
    shapes : iterable of (vertices, quality)
        Vertices (N, 2) as (y, x) in pixels, N at least 3; a polygon may
        reach outside.
    base : float
        Quality everywhere else.

    Returns
    -------
    ndarray of float32, `shape`

    Raises
    ------
    MapError
        Vertices are no polygon, or a quality leaves 0..100.
    """
    from skimage.draw import polygon

    result = np.full(_shape(shape), _number(base), np.float32)
    for number, (vertices, quality) in enumerate(shapes):
        corners = np.asarray(vertices, np.float64)
        good = corners.ndim == 2 and corners.shape[1] == 2
        if not good or len(corners) < 3 or not np.isfinite(corners).all():
            raise MapError(
                f'shape {number} with vertices of shape {corners.shape} is '
                'no polygon; give at least 3 finite points (y, x)'
            )
        result[polygon(corners[:, 0], corners[:, 1], shape)] = _number(quality)
    return result


def gradient(shape: Shape, start: float, stop: float, angle: float = 0) -> Map:
    """A ramp from `start` in one corner or edge to `stop` in the opposite.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    start, stop : float
        Quality at the ends, 0..100.
    angle : float
        Direction in degrees: 0 from left to right, 90 from top to bottom.

    Returns
    -------
    ndarray of float32, `shape`
    """
    y, x = _centred(shape)
    angle = math.radians(angle)
    along = math.sin(angle) * y * shape[0] + math.cos(angle) * x * shape[1]
    span = np.ptp(along)
    # A single pixel has no direction.
    at = (along - along.min()) / span if span else np.zeros(shape)
    start, stop = _number(start), _number(stop)
    return np.clip(start + (stop - start) * at, 0, 100).astype(np.float32)


def centre_focus(
    shape: Shape, centre: float, edge: float, radius: float | None = None
) -> Map:
    """A map that goes smoothly from its centre to its corners.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    centre, edge : float
        Quality in the centre and in the corners, 0..100; half a cosine
        between them.
    radius : float, optional
        Where `edge` is reached, in pixels around the centre; by default on
        an ellipse through the corners.

    Returns
    -------
    ndarray of float32, `shape`
    """
    y, x = _centred(shape)
    if radius is None:
        away = np.hypot(y, x) / math.sqrt(0.5)
    elif math.isfinite(radius) and radius > 0:
        away = np.hypot(y * shape[0], x * shape[1]) / radius
    else:
        raise MapError(f'a radius of {radius} pixels; give more than 0')
    share = (1 + np.cos(np.pi * np.minimum(away, 1))) / 2
    centre, edge = _number(centre), _number(edge)
    return np.clip(edge + (centre - edge) * share, 0, 100).astype(np.float32)


def from_gray(gray: ArrayLike) -> Map:
    """A map from a gray picture: 0..255 becomes 0..100."""
    values = np.asarray(gray)
    if values.ndim != 2 or values.dtype != np.uint8:
        raise MapError(
            f'map picture of shape {values.shape} and dtype {values.dtype} '
            'is not 8-bit gray; convert it to uint8 (Y, X)'
        )
    return (values / 2.55).astype(np.float32).clip(0, 100)


def to_gray(quality: ArrayLike) -> NDArray[np.uint8]:
    """A gray picture of a map: 0..100 becomes 0..255."""
    return np.rint(_as_map(quality) * 2.55).astype(np.uint8)


def _as_map(quality: ArrayLike) -> Map:
    shape = np.shape(quality)
    if len(shape) != 2:
        raise MapError(f'quality map of shape {shape} is no (Y, X) array')
    return check_quality(quality, shape).astype(np.float32)


def _number(quality: float) -> float:
    return float(check_quality(quality, (1, 1))[0, 0])


def _shape(shape: Shape) -> Shape:
    if len(shape) != 2 or min(shape) < 1:
        raise MapError(f'{shape} is no height and width of a map')
    return shape


def _centred(shape: Shape) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows (Y, 1) and columns (1, X) of pixel centres in -0.5..0.5."""
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in _shape(shape))
    return y[:, None], x[None, :]
