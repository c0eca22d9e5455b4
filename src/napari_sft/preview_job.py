"""What an encoder makes on its way to a file: symbols and reconstruction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.encoder import Job
from napari_sft.codec.image import denormalise, normalise

if TYPE_CHECKING:
    from napari_sft.codec.model import CodecModel, Symbolised


class WatchedModel:
    """A model that remembers which symbols it made the final picture of.

    It is the encoder's model, so that nothing is computed twice.
    """

    def __init__(self, model: CodecModel, check: Callable[[], None]) -> None:
        self.name, self.weights_hash = model.name, model.weights_hash
        self.tables = model.tables
        self.final: Symbolised
        self._model, self._check = model, check
        self._made: list[Symbolised] = []

    def analyse(self, x: NDArray[np.float32], fine: NDArray[Any]) -> Any:
        self._check()
        return self._model.analyse(x, fine)

    def symbolise(self, y: Any, fine: NDArray[Any]) -> Symbolised:
        self._check()
        symbols = self._model.symbolise(y, fine)
        self._made.append(symbols)
        return symbols

    def parse(self, payload: bytes, fine: NDArray[Any]) -> Symbolised:
        return self._model.parse(payload, fine)

    def synthesise(
        self, latents: tuple[Any, ...], fine: NDArray[Any]
    ) -> NDArray[np.float32]:
        self._check()
        (self.final,) = (s for s in self._made if s.latents is latents)
        return self._model.synthesise(latents, fine)


@dataclass(frozen=True)
class WatchedJob(Job):
    """A job that keeps the picture that its reader will get."""

    seen: list[NDArray[Any]] = field(default_factory=list)

    def decoded(
        self, number: int, reconstruction: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """As `Job.decoded`, in passing."""
        window, dtype = self.windows[0], self.image.layout.dtype
        self.seen.append(denormalise(reconstruction, window, dtype))
        return normalise(self.seen[-1], window)


def cell_bits(
    model: CodecModel, symbols: Symbolised, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Bits of each 16x16 block of a plane by the coder's tables.

    A hyper-latent's bits are shared by the 4x4 blocks it covers. What the
    padding to multiples of 64 pixels takes is counted to the last row and
    column of blocks.

    Parameters
    ----------
    model : CodecModel
        Whose tables code the symbols.
    symbols : Symbolised
        Those of the plane.
    shape : (int, int)
        Height and width of the plane in pixels.

    Returns
    -------
    ndarray of float32, (ceil(Y / 16), ceil(X / 16))
    """
    y = model.tables.bits(symbols.y, symbols.y_indices).sum(0)
    z = model.tables.bits(symbols.z, symbols.z_indices).sum(0)
    side = y.shape[0] // z.shape[0]
    bits = y + np.kron(z, np.full((side, side), 1 / side**2))
    for axis, size in enumerate(shape):
        blocks = np.arange(-(-size // 16))
        bits = np.add.reduceat(bits, blocks, axis)
    return bits.astype(np.float32)
