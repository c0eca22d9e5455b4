"""Colours turned before they are coded, and turned back after decoding.

A model knows the colours of photographs, in which most detail is gray. What
has its detail along other colours (one dye on black, above all) is coded in
fewer bits if these are turned onto those that the model knows. A rotation
keeps squared errors as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sft.codec.model import CodecModel, Latents
    from napari_sft.codec.refinement import Refiner

UNITS = 4096  # in a radian
MAX_ROTATION, MAX_PIVOT = (1 << 15) - 1, 255

Colours = NDArray[np.float32]
ColourChoice = Union['ColourTurn', Literal['auto'], None]


@dataclass(frozen=True)
class ColourTurn:
    """A rotation of RGB colours about a colour that stays.

    Parameters
    ----------
    rotation : tuple of three int
        Axis (R, G, B) times angle, in 1/4096 rad; each at most 2**15 - 1.
    pivot : tuple of three int
        The colour that stays, 0..255 for 0..1.

    Raises
    ------
    ImageError
        If a number is out of its range.
    """

    rotation: tuple[int, int, int]
    pivot: tuple[int, int, int]

    def __post_init__(self) -> None:
        if max(map(abs, self.rotation)) > MAX_ROTATION or not all(
            0 <= n <= MAX_PIVOT for n in self.pivot
        ):
            raise ImageError(
                f'colours can not be turned by {self.rotation} about '
                f'{self.pivot}: one of these is out of range'
            )

    @classmethod
    def of_matrix(
        cls, matrix: NDArray[Any], pivot: NDArray[Any]
    ) -> ColourTurn:
        """The nearest to a rotation matrix (3, 3) about a colour in 0..1."""
        from scipy.spatial.transform import Rotation

        vector = Rotation.from_matrix(matrix).as_rotvec() * UNITS
        r, g, b = (round(float(n)) for n in vector)
        x, y, z = (round(float(n) * MAX_PIVOT) for n in np.clip(pivot, 0, 1))
        return cls((r, g, b), (x, y, z))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The rotation (3, 3), by Rodrigues' formula."""
        x, y, z = (n / UNITS for n in self.rotation)
        angle = math.hypot(x, y, z)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        first, second = 1.0, 0.5
        if angle:
            first = math.sin(angle) / angle
            second = (1 - math.cos(angle)) / angle**2
        matrix: NDArray[np.float64] = (
            np.eye(3) + first * cross + second * (cross @ cross)
        )
        return matrix

    @property
    def angle(self) -> float:
        """By how many degrees colours turn."""
        return math.degrees(math.hypot(*self.rotation) / UNITS)

    def there(self, picture: Colours) -> Colours:
        """Colours (Y, X, 3) as the model is to see them."""
        return self._turned(picture, self.matrix)

    def back(self, picture: Colours) -> Colours:
        """Colours (Y, X, 3) as they were."""
        return self._turned(picture, self.matrix.T)

    def _turned(self, picture: Colours, matrix: NDArray[Any]) -> Colours:
        pivot = np.array(self.pivot) / MAX_PIVOT
        shift = pivot - matrix @ pivot
        return picture @ matrix.T.astype(np.float32) + shift.astype(np.float32)


class TurnedModel:
    """A `CodecModel` that sees turned colours.

    Parameters
    ----------
    model : CodecModel
        The model; all that has no colours is its own.
    colours : ColourTurn
        How colours turn on the way to the model.
    """

    def __init__(self, model: CodecModel, colours: ColourTurn) -> None:
        self.colours = colours
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def analyse(self, x: Colours, fine: NDArray[Any]) -> Tensor:
        """As `CodecModel.analyse`."""
        return self._model.analyse(self.colours.there(x), fine)

    def synthesise(self, latents: Latents, fine: NDArray[Any]) -> Colours:
        """As `CodecModel.synthesise`."""
        return self.colours.back(self._model.synthesise(latents, fine))


class TurnedRefiner:
    """A `Refiner` that sees turned colours."""

    def __init__(self, refiner: Refiner, colours: ColourTurn) -> None:
        self._refiner = refiner
        self._colours = colours

    @property
    def steps(self) -> int:
        """As of the refiner."""
        return self._refiner.steps

    def __call__(
        self,
        x: Colours,
        y: Tensor,
        fine: NDArray[Any],
        step: Callable[[], None],
    ) -> Tensor:
        """As the refiner."""
        return self._refiner(self._colours.there(x), y, fine, step)
