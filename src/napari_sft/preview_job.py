"""What an encoder makes on its way to a file: symbols and reconstruction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.encoder import Job
from napari_sft.codec.image import denormalise, normalise
from napari_sft.codec.model import Symbolised

if TYPE_CHECKING:
    from napari_sft.codec.model import CodecModel, Indices, Latents, Symbols


class WatchedModel:
    """A model that remembers which symbols the final picture is made of.

    It is the encoder's model, so that nothing is computed twice. All that is
    not watched is the model's own.

    Parameters
    ----------
    model : CodecModel
        The model.
    check : callable
        Called before each long step; may raise to end the work.

    Attributes
    ----------
    final : Symbolised
        Symbols of the last picture that was synthesised.
    """

    def __init__(self, model: CodecModel, check: Callable[[], None]) -> None:
        self.final: Symbolised
        self._model, self._check = model, check
        self._made: list[Symbolised] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def analyse(self, x: NDArray[np.float32], fine: NDArray[Any]) -> Any:
        """As `CodecModel.analyse`."""
        self._check()
        return self._model.analyse(x, fine)

    def quantise(
        self, y: Any, z: Symbols, y_indices: Indices, fine: NDArray[Any]
    ) -> tuple[Symbols, Latents]:
        """As `CodecModel.quantise`."""
        self._check()
        symbols, latents = self._model.quantise(y, z, y_indices, fine)
        z_indices = self._model.z_indices(fine)
        self._made.append(
            Symbolised(z, symbols, z_indices, y_indices, latents)
        )
        return symbols, latents

    def synthesise(
        self, latents: Latents, fine: NDArray[Any]
    ) -> NDArray[np.float32]:
        """As `CodecModel.synthesise`."""
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
