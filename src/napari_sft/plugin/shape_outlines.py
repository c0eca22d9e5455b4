"""The area that a shape of a napari layer covers, as polygons."""

from __future__ import annotations

import numpy as np

_CORNERS = 64  # of the polygon that stands for an ellipse
_ROUND = 16  # of a line's round ends


def outlines(
    kind: str, vertices: np.ndarray, width: float
) -> list[np.ndarray]:
    """Polygons that together cover a shape.

    Parameters
    ----------
    kind : str
        One of napari's shape types.
    vertices : ndarray (N, D)
        As `Shapes.data` holds them: the corners of its box for an ellipse.
        The last two columns are the row and the column.
    width : float
        Width of lines and paths.

    Returns
    -------
    list of ndarray (M, D)
    """
    vertices = np.asarray(vertices, float)
    if kind == 'ellipse':
        return [_ellipse(vertices)]
    if kind in ('line', 'path'):
        return _stroke(vertices, width)
    return [vertices]


def _ellipse(box: np.ndarray) -> np.ndarray:
    centre = box.mean(0)
    # Half axes from the centre to the middle of two sides.
    first, second = (box[0] + box[1]) / 2, (box[1] + box[2]) / 2
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    return (
        centre
        + np.cos(angles) * (first - centre)
        + np.sin(angles) * (second - centre)
    )


def _stroke(path: np.ndarray, width: float) -> list[np.ndarray]:
    """A rectangle for each part of a path, a disc for each vertex."""
    radius = width / 2
    angles = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    circle = np.zeros((_ROUND, path.shape[1]))
    circle[:, -2:] = radius * np.column_stack([np.sin(angles), np.cos(angles)])
    parts = [vertex + circle for vertex in path]
    for start, end in zip(path[:-1], path[1:], strict=True):
        along = (end - start)[-2:]
        length = np.hypot(*along)
        if length:
            aside = np.zeros(path.shape[1])
            aside[-2:] = along[1], -along[0]
            aside *= radius / length
            parts.append(
                np.array(
                    [start + aside, end + aside, end - aside, start - aside]
                )
            )
    return parts
