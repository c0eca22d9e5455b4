"""From planes to payloads and back: padding, gray, symbols, statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import FormatError, StreamError
from napari_sft.codec.model import CodecModel, Symbolised
from napari_sft.codec.rans import Encoder, symbols_crc

BLOCK, HYPER_BLOCK = 16, 64
CELLS = HYPER_BLOCK // BLOCK

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class CodedPlane:
    """A plane as the file holds it.

    Attributes
    ----------
    payload : bytes
        Entropy-coded symbols.
    symbols_crc : int
        CRC-32 of the symbols.
    symbols : Symbolised
        The symbols and what synthesis starts from.
    """

    payload: bytes
    symbols_crc: int
    symbols: Symbolised


def encode_plane(
    model: CodecModel, plane: Plane, coded_map: CodedMap
) -> CodedPlane:
    """Encode one plane.

    Parameters
    ----------
    model : CodecModel
        The codec model.
    plane : ndarray of float32, (Y, X) or (Y, X, 3)
        Values in 0..1, any size from 1x1.
    coded_map : CodedMap
        Quality of each 16x16 cell of the plane.
    """
    fine = padded_fine(coded_map)
    symbols = model.symbolise(model.analyse(_padded_rgb(plane), fine), fine)
    return code_symbols(model, symbols)


def code_symbols(model: CodecModel, symbols: Symbolised) -> CodedPlane:
    """Entropy-code the symbols of a plane."""
    encoder = Encoder(model.tables)
    encoder.push(symbols.z, symbols.z_indices)
    encoder.push(symbols.y, symbols.y_indices)
    return CodedPlane(
        encoder.finish(), symbols_crc(symbols.z, symbols.y), symbols
    )


def parse_plane(
    model: CodecModel,
    payload: bytes,
    crc: int,
    coded_map: CodedMap,
    where: str = 'plane',
) -> Symbolised:
    """Decode the symbols of one plane.

    Raises
    ------
    FormatError
        If they are not those that were encoded: the payload, or the
        decoder, is damaged.
    """
    try:
        symbols = model.parse(payload, padded_fine(coded_map))
    except StreamError as error:
        raise StreamError(f'{where}: {error}') from None
    if symbols_crc(symbols.z, symbols.y) != crc:
        raise FormatError(
            f'{where}: symbols differ from those encoded: the file is '
            'damaged, or was made with other weights'
        )
    return symbols


def reconstruct_plane(
    model: CodecModel,
    symbols: Symbolised,
    coded_map: CodedMap,
    shape: tuple[int, ...],
) -> Plane:
    """Picture of decoded symbols.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) for gray, (Y, X, 3) for RGB.

    Returns
    -------
    ndarray of float32
        That shape, in 0..1.
    """
    fine = padded_fine(coded_map)
    picture = model.synthesise(symbols.latents, fine)
    picture = picture[: shape[0], : shape[1]]
    if len(shape) == 2:
        picture = picture.mean(2)
    return np.clip(picture, 0, 1)


def symbol_bits(model: CodecModel, symbols: Symbolised) -> float:
    """Ideal code length of the symbols by the coder's tables, in bits."""
    pairs: Iterable[tuple[Any, Any]] = (
        (symbols.z, symbols.z_indices),
        (symbols.y, symbols.y_indices),
    )
    return float(sum(model.tables.bits(s, i).sum() for s, i in pairs))


def padded_fine(coded_map: CodedMap) -> NDArray[np.int32]:
    """Fine units of a map, its edges repeated to a multiple of 4 cells."""
    fine = coded_map.fine()
    return np.pad(fine, [(0, -n % CELLS) for n in fine.shape], 'edge')


def _padded_rgb(plane: Plane) -> Plane:
    if plane.ndim == 2:
        plane = np.repeat(plane[..., None], 3, 2)
    margin = [(0, -n % HYPER_BLOCK) for n in plane.shape[:2]]
    return np.pad(plane, [*margin, (0, 0)], 'edge')
