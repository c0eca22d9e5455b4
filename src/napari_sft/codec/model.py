"""What the pipeline needs of a codec model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sft.codec.colours import ColourTurn
    from napari_sft.codec.rans import Tables

Indices = NDArray[np.uint8]
Symbols = NDArray[np.int32]
Latents = tuple['Tensor', ...]


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
    latents: Latents


@dataclass(frozen=True)
class Halo:
    """How far the steps of coding look around what they give, in cells.

    A step that runs over a window gives what it would have given over the
    whole plane, but for this margin of the window. A cell is 16x16 pixels;
    where a step works on z, the margin is a multiple of 4.

    Attributes
    ----------
    analysis : int
        Pixels and map around y.
    hyper : int
        y around z.
    scales : int
        z and map around the indices of y: exactly, as all symbols hang on it.
    context : int
        Symbols around the latents of the encoder.
    synthesis : int
        Latents around a picture that differs by less than a grey level.
    decoding : int
        Symbols around such a picture.
    """

    analysis: int
    hyper: int
    scales: int
    context: int
    synthesis: int
    decoding: int


class CodecModel(Protocol):
    """A codec model with its weights, on a device.

    Maps come as `fine`, an int array (H/16, W/16) of a coded map's fine
    units. H and W are multiples of 64 throughout where z is involved, of 16
    elsewhere. Every step may run over any such window of a plane, see `Halo`.

    Attributes
    ----------
    name : str
        Name in the registry, stored in files.
    weights_hash : bytes
        First 8 bytes of the SHA-256 of the weights.
    tables : Tables
        Integer probability tables of all symbols.
    window : int
        Pixels that analysis and synthesis should take at once: above it,
        memory grows and time does not fall.
    """

    name: str
    weights_hash: bytes
    tables: Tables
    window: int

    @property
    def colours(self) -> ColourTurn | None:
        """How it turns colours first, for the file to tell."""
        ...

    @property
    def halo(self) -> Halo:
        """How far the steps look."""
        ...

    def analyse(self, x: NDArray[np.float32], fine: NDArray) -> Tensor:
        """y (1, M, H/16, W/16) of a picture (H, W, 3) in 0..1."""
        ...

    def hyper_symbols(self, y: Tensor, fine: NDArray) -> Symbols:
        """Symbols of z (N, H/64, W/64)."""
        ...

    def z_indices(self, fine: NDArray) -> Indices:
        """Scale index of every symbol of z; needs no neighbours."""
        ...

    def y_indices(self, z: Symbols, fine: NDArray) -> Indices:
        """Scale index of every symbol of y, the same on every machine."""
        ...

    def quantise(
        self, y: Tensor, z: Symbols, y_indices: Indices, fine: NDArray
    ) -> tuple[Symbols, Latents]:
        """Symbols of y around means that the decoder will know."""
        ...

    def restore(
        self, z: Symbols, y: Symbols, y_indices: Indices, fine: NDArray
    ) -> Latents:
        """What synthesis starts from, of decoded symbols."""
        ...

    def synthesise(
        self, latents: Latents, fine: NDArray
    ) -> NDArray[np.float32]:
        """Picture (H, W, 3), about 0..1, unclamped."""
        ...
