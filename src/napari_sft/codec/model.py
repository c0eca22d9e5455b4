"""What the pipeline needs of a codec model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sft.codec.rans import Tables

Indices = NDArray[np.uint8]
Symbols = NDArray[np.int32]


@dataclass(frozen=True)
class Symbolised:
    """The symbols of a plane (or tile) and what the decoder makes of them.

    Attributes
    ----------
    z, y : ndarray of int32
        Symbols (N, H/64, W/64) and (M, H/16, W/16).
    z_indices, y_indices : ndarray of uint8
        Scale index of each.
    latents : tuple of Tensor
        What synthesis starts from; its first entry has one position a
        16x16 block, the others one a 64x64 block.
    """

    z: Symbols
    y: Symbols
    z_indices: Indices
    y_indices: Indices
    latents: tuple[Tensor, ...]


class CodecModel(Protocol):
    """A codec model with its weights, on a device.

    Maps come as `fine`, an int array (H/16, W/16) of a coded map's fine
    units. H and W are multiples of 64 throughout.

    Attributes
    ----------
    name : str
        Name in the registry, stored in files.
    weights_hash : bytes
        First 8 bytes of the SHA-256 of the weights.
    tables : Tables
        Integer probability tables of all symbols.
    """

    name: str
    weights_hash: bytes
    tables: Tables

    def analyse(self, x: NDArray[np.float32], fine: NDArray) -> Tensor:
        """y (1, M, H/16, W/16) of a picture (H, W, 3) in 0..1."""
        ...

    def symbolise(self, y: Tensor, fine: NDArray) -> Symbolised:
        """Quantise y to symbols."""
        ...

    def parse(self, payload: bytes, fine: NDArray) -> Symbolised:
        """Symbols of an entropy-coded payload."""
        ...

    def synthesise(
        self, latents: tuple[Tensor, ...], fine: NDArray
    ) -> NDArray[np.float32]:
        """Picture (H, W, 3), about 0..1, unclamped."""
        ...
