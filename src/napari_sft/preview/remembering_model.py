"""A codec model that does not compute again what it was asked before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.cache import Cache
from napari_sft.codec.coded_map import CELL
from napari_sft.codec.model import Indices, Latents, Symbols

if TYPE_CHECKING:
    from napari_sft.codec.model import CodecModel
    from napari_sft.codec.refinement import Refiner

Memory = Cache[Any]
Value = TypeVar('Value')

# Side in pixels of the windows that are computed anew around a change. With
# margins of a quarter on each side they take at most 9/4 of the whole's time.
SIDE, MARGINS = 512, 4


def memory(nbytes: int) -> Memory:
    """Room for so many bytes of results."""
    return Cache(nbytes, _size)


@dataclass(frozen=True)
class Coded:
    """Symbols of a window, under the key of what they were made from."""

    key: Hashable
    z: Symbols
    y: Symbols
    y_indices: Indices


class RememberingModel:
    """A `CodecModel` that watches, and remembers, the steps of the encoder.

    What a step gives is kept under its very inputs. So where a part of a map
    changes, the windows that it reaches are computed and the others are not,
    and a file is, byte for byte, what it would be without a memory.

    Parameters
    ----------
    model : CodecModel
        The model; all that is not a step of the encoder is its own.
    check : callable
        Called before each step; may raise to end the work.
    results : Memory, optional
        Of this model's earlier steps. Without it nothing is remembered,
        which saves telling inputs apart.

    Attributes
    ----------
    window : int
        As of the model, but smaller if steps are remembered.
    coded : Coded or None
        The last window of which symbols were made.
    """

    def __init__(
        self,
        model: CodecModel,
        check: Callable[[], None],
        results: Memory | None = None,
    ) -> None:
        self.coded: Coded | None = None
        self.window = model.window
        self._model = model
        self._check = check
        self._results = results
        # the same steps of a model that sees other colours give others
        self._identity = model.weights_hash, model.colours
        if results is not None:
            side = max(SIDE, MARGINS * CELL * model.halo.analysis)
            self.window = min(side**2, model.window)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def analyse(self, x: NDArray[np.float32], fine: NDArray[Any]) -> Any:
        """As `CodecModel.analyse`."""
        return self._step('analyse', x, fine)

    def hyper_symbols(self, y: Any, fine: NDArray[Any]) -> Symbols:
        """As `CodecModel.hyper_symbols`."""
        return self._step('hyper_symbols', y, fine)

    def y_indices(self, z: Symbols, fine: NDArray[Any]) -> Indices:
        """As `CodecModel.y_indices`."""
        return self._step('y_indices', z, fine)

    def quantise(
        self, y: Any, z: Symbols, y_indices: Indices, fine: NDArray[Any]
    ) -> tuple[Symbols, Latents]:
        """As `CodecModel.quantise`."""
        inputs = y, z, y_indices, fine
        key = self._key('quantise', *inputs)
        symbols, latents = self._get(key, 'quantise', *inputs)
        self.coded = Coded(key, z, symbols, y_indices)
        return symbols, latents

    def synthesise(
        self, latents: Latents, fine: NDArray[Any]
    ) -> NDArray[np.float32]:
        """As `CodecModel.synthesise`."""
        return self._step('synthesise', latents, fine)

    def refined(
        self,
        refiner: Refiner,
        x: NDArray[np.float32],
        y: Any,
        fine: NDArray[Any],
        step: Callable[[], None],
    ) -> Any:
        """What a refiner makes of some cells; told alike if remembered."""
        made = False

        def make() -> Any:
            nonlocal made
            made = True
            return refiner(x, y, fine, step)

        if self._results is None:
            return make()
        key = self._identity, 'refined', refiner.steps
        result = self._results.get((*key, digest(x, y, fine)), make)
        if not made:
            for _ in range(refiner.steps):
                step()
        return result

    def follows(
        self, name: str, box: Hashable, make: Callable[[], Value]
    ) -> Value:
        """What follows from `coded` and a place, made once."""
        if self._results is None or self.coded is None:
            return make()
        return self._results.get((self.coded.key, name, box), make)

    def _step(self, name: str, *inputs: Any) -> Any:
        return self._get(self._key(name, *inputs), name, *inputs)

    def _key(self, name: str, *inputs: Any) -> Hashable:
        if self._results is None:
            return None
        return self._identity, name, digest(*inputs)

    def _get(self, key: Hashable, name: str, *inputs: Any) -> Any:
        self._check()

        def make() -> Any:
            return getattr(self._model, name)(*inputs)

        return (
            make() if self._results is None else self._results.get(key, make)
        )


def digest(*values: Any) -> bytes:
    """Tells arrays, tensors and tuples of them apart."""
    seen = hashlib.blake2b(digest_size=16)
    for value in _arrays(values):
        seen.update(f'{value.dtype}{value.shape}'.encode())
        seen.update(np.ascontiguousarray(value))
    return seen.digest()


def _arrays(value: Any) -> list[NDArray[Any]]:
    if isinstance(value, tuple):
        return [array for part in value for array in _arrays(part)]
    if isinstance(value, np.ndarray):
        return [value]
    return [value.detach().float().cpu().numpy()]  # numpy lacks bfloat16


def _size(value: Any) -> int:
    return sum(array.nbytes for array in _arrays((value,)))
