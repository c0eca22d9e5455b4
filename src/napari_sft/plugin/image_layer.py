"""What the codec needs to know of napari's image layers.

An image is a stack of planes, (Y, X) or (Y, X, 3); the leading axes of the
layer's data count the planes. Nothing here reads pixels before it is told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Image, Layer

KEY = 'napari-sft'  # of our entry in a layer's metadata
MOVES = ('scale', 'translate', 'rotate', 'shear', 'affine')  # events


@dataclass(frozen=True)
class Plane:
    """One plane of an image layer; `read` fetches its pixels.

    Attributes
    ----------
    data : array
        Of the whole image at its finest scale, perhaps lazy.
    index : tuple of int
        Where the plane lies on the leading axes.
    rgb : bool
        Whether the last axis holds samples; a fourth, alpha, is left out.
    """

    data: Any
    index: tuple[int, ...]
    rgb: bool

    def read(self) -> np.ndarray:
        """Pixels, (Y, X) or (Y, X, 3); may take long for a lazy image."""
        pixels = np.asarray(self.data[self.index])
        return pixels[..., :3] if self.rgb else pixels

    @property
    def identity(self) -> tuple[Any, ...]:
        """Equal for the same plane of the same array."""
        return (id(self.data), self.index, self.rgb)


def finest(layer: Image) -> Any:
    """The layer's data, of a multiscale image those of its finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def size(layer: Layer) -> tuple[int, int]:
    """Height and width of a layer's planes in pixels."""
    shape = finest(layer).shape
    height, width = shape[-3:-1] if is_rgb(layer) else shape[-2:]
    return int(height), int(width)


def stack_shape(layer: Layer) -> tuple[int, ...]:
    """Sizes of the axes that count planes; () for a single plane."""
    shape = finest(layer).shape
    return tuple(map(int, shape[: -3 if is_rgb(layer) else -2]))


def is_rgb(layer: Layer) -> bool:
    """Whether the last axis of a layer's data holds samples of a colour."""
    return bool(getattr(layer, 'rgb', False))


def usable(layer: Layer) -> bool:
    """Whether a layer is an image that can be compressed, results aside."""
    from napari.layers import Image

    return (
        isinstance(layer, Image)
        and layer.ndim >= 2
        and 'result' not in layer.metadata.get(KEY, {})
    )


def current_plane(layer: Image, point: Sequence[float]) -> Plane:
    """The plane at a point of the world, such as `viewer.dims.point`."""
    stack = stack_shape(layer)
    index: tuple[int, ...] = ()
    if stack:
        at = layer.world_to_data(point[-layer.ndim :])[: len(stack)]
        nearest = np.clip(np.rint(at), 0, np.subtract(stack, 1))
        index = tuple(int(n) for n in nearest)
    return Plane(finest(layer), index, is_rgb(layer))


def describe(layer: Image) -> str:
    """Size and kind of an image in one line of plain words."""
    height, width = size(layer)
    data = finest(layer)
    colour = 'gray'
    if is_rgb(layer):
        alpha = data.shape[-1] == 4
        colour = 'colour, transparency left out' if alpha else 'colour'
    dtype = np.dtype(data.dtype)
    bits = 8 * dtype.itemsize
    kind = {'f': f'{bits} bit float', 'b': '1 bit'}
    parts = [f'{width} × {height} pixels', colour]
    parts.append(kind.get(dtype.kind, f'{bits} bit'))
    planes = int(np.prod(stack_shape(layer)))
    if planes > 1:
        parts.append(f'{planes} planes')
    return ', '.join(parts)


def describe_plane(layer: Image, index: tuple[int, ...]) -> str:
    """Which plane of a stack, such as 'Plane 3 of 12'; '' for one plane."""
    stack = stack_shape(layer)
    if int(np.prod(stack)) <= 1:
        return ''
    labels = layer.axis_labels[: len(stack)]
    parts = [
        f'{at + 1} of {count}' + ('' if label.startswith('-') else f' {label}')
        for at, count, label in zip(index, stack, labels, strict=True)
    ]
    return 'Plane ' + ', '.join(parts)


def source_bytes(layer: Layer) -> int | None:
    """Size of the file that a layer was opened from, if it was from one."""
    path = layer.source.path
    try:
        return Path(path).stat().st_size if path else None
    except OSError:
        return None


def placement(layer: Layer) -> dict[str, Any]:
    """Where a layer's planes lie in the world: arguments of 2-D layers.

    Rotation, shear and affine of a stack are those within its planes.
    """
    shear = np.eye(layer.ndim)
    shear[np.triu_indices(layer.ndim, 1)] = layer.shear
    return {
        'scale': tuple(layer.scale[-2:]),
        'translate': tuple(layer.translate[-2:]),
        'rotate': np.asarray(layer.rotate)[-2:, -2:],
        'shear': shear[-2:, -2:][np.triu_indices(2, 1)],
        'affine': layer.affine.set_slice([layer.ndim - 2, layer.ndim - 1]),
        'units': tuple(layer.units[-2:]),
        'axis_labels': tuple(layer.axis_labels[-2:]),
    }


def calibration(layer: Layer, *, plane: bool) -> dict[str, tuple[Any, ...]]:
    """Scale, translate, units and labels of an image for `imwrite`.

    Parameters
    ----------
    layer : Layer
        The image.
    plane : bool
        Whether for one plane, or for the whole stack.

    Returns
    -------
    dict
        What says no more than napari's defaults is left out.
    """
    axes = slice(-2 if plane else None, None)
    values: dict[str, tuple[Any, ...]] = {
        'scale': tuple(map(float, layer.scale[axes])),
        'translate': tuple(map(float, layer.translate[axes])),
        'units': tuple(map(str, layer.units[axes])),
    }
    default = {'scale': 1.0, 'translate': 0.0, 'units': 'pixel'}
    result = {
        name: value
        for name, value in values.items()
        if set(value) != {default[name]}
    }
    labels = tuple(layer.axis_labels[axes])
    if not any(label.startswith('-') for label in labels):
        result['labels'] = labels
    return result


def place(layer: Layer, like: Layer) -> None:
    """Move a 2-D layer to where the planes of another lie."""
    for name, value in placement(like).items():
        setattr(layer, name, value)


def listen(
    layer: Layer, names: Sequence[str], callback: Callable[..., None], on: bool
) -> None:
    """Connect a callback to events of a layer, or disconnect it."""
    for name in names:
        emitter = getattr(layer.events, name)
        (emitter.connect if on else emitter.disconnect)(callback)
