"""From planes to payloads and back: padding, gray, symbols, statistics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.errors import FormatError, ImageError, StreamError
from napari_sft.codec.model import CodecModel, Indices, Symbolised, Symbols
from napari_sft.codec.rans import Decoder, Encoder, symbols_crc
from napari_sft.codec.refinement import Refine, refined_plane

BLOCK, HYPER_BLOCK = 16, 64
CELLS = HYPER_BLOCK // BLOCK
# A plane is coded in one piece, which takes some 200 bytes a pixel; a small
# file may claim to hold a huge one.
MAX_PIXELS = 1 << 26
MAX_PIXELS_VARIABLE = 'NAPARI_SFT_MAX_PIXELS'

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
    coded_map : CodedMap
        Quality of each 16x16 cell.
    symbols : Symbolised
        The symbols and what synthesis starts from.
    """

    payload: bytes
    symbols_crc: int
    coded_map: CodedMap
    symbols: Symbolised


def encode_plane(
    model: CodecModel,
    plane: Plane,
    coded_map: CodedMap,
    refine: Refine | None = None,
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
    refine : Refine, optional
        Makes y better.
    """
    symbols = symbolise(model, plane, coded_map, refine)
    payload, crc = entropy_code(model, symbols)
    return CodedPlane(payload, crc, coded_map, symbols)


def symbolise(
    model: CodecModel,
    plane: Plane,
    coded_map: CodedMap,
    refine: Refine | None = None,
) -> Symbolised:
    """The symbols that `encode_plane` codes, of the same parameters."""
    fine = padded_fine(coded_map)
    y = model.analyse(padded_rgb(plane), fine)
    z = model.hyper_symbols(y, fine)
    indices = model.y_indices(z, fine)
    if refine is not None:  # around this z
        y = refined_plane(refine, plane, y, fine)
    values, latents = model.quantise(y, z, indices, fine)
    return Symbolised(z, values, model.z_indices(fine), indices, latents)


def entropy_code(model: CodecModel, symbols: Symbolised) -> tuple[bytes, int]:
    """Payload of symbols, z before y, and their CRC-32."""
    encoder = Encoder(model.tables)
    encoder.push(symbols.z, symbols.z_indices)
    encoder.push(symbols.y, symbols.y_indices)
    return encoder.finish(), symbols_crc(symbols.z, symbols.y)


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
    fine = padded_fine(coded_map)
    z_indices = model.z_indices(fine)
    with naming_streams(where):
        z = parse_z(model, payload, z_indices)
        indices = model.y_indices(z, fine)
        y = parse_y(model, payload, z_indices, indices)
    check_symbols(crc, z, y, where)
    latents = model.restore(z, y, indices, fine)
    return Symbolised(z, y, z_indices, indices, latents)


def parse_z(model: CodecModel, payload: bytes, z_indices: Indices) -> Symbols:
    """Symbols of z alone: they come first."""
    decoder = Decoder(model.tables, payload, capacity=z_indices.size)
    return decoder.pull(z_indices)


def parse_y(
    model: CodecModel,
    payload: bytes,
    z_indices: Indices,
    y_indices: Indices,
) -> Symbols:
    """Symbols of y: no floating-point network decides any."""
    count = z_indices.size + y_indices.size
    decoder = Decoder(model.tables, payload, capacity=count)
    decoder.pull(z_indices)
    y = decoder.pull(y_indices)
    decoder.done()
    return y


def check_symbols(crc: int, z: Symbols, y: Symbols, where: str) -> None:
    """Raise FormatError unless symbols have the CRC-32 of those encoded."""
    if symbols_crc(z, y) != crc:
        raise FormatError(
            f'{where}: symbols differ from those encoded: the file is '
            'damaged, or was made with other weights'
        )


@contextmanager
def naming_streams(where: str) -> Iterator[None]:
    """Put the place in front of what is wrong with a stream."""
    try:
        yield
    except StreamError as error:
        raise StreamError(f'{where}: {error}') from None


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


def check_size(shape: tuple[int, ...]) -> None:
    """Refuse a plane that would take unreasonable memory.

    Parameters
    ----------
    shape : tuple of int
        Of the plane, (Y, X) or (Y, X, 3).

    Raises
    ------
    ImageError
        If the plane, padded to multiples of 64 pixels, has more than 2**26
        of them, or than the environment variable NAPARI_SFT_MAX_PIXELS says.
    """
    given = os.environ.get(MAX_PIXELS_VARIABLE, '')
    limit = int(given) if given.isdecimal() else MAX_PIXELS
    height, width = (n + -n % HYPER_BLOCK for n in shape[:2])
    if height * width > limit:
        raise ImageError(
            f'a plane of {shape[0]} x {shape[1]} pixels takes {height * width}'
            f' with its padding, more than the limit of {limit}: cut it up, '
            f'or set {MAX_PIXELS_VARIABLE} if there is memory for it'
        )


def padded_fine(coded_map: CodedMap) -> NDArray[np.int32]:
    """Fine units of a map, its edges repeated to a multiple of 4 cells."""
    fine = coded_map.fine()
    return np.pad(fine, [(0, -n % CELLS) for n in fine.shape], 'edge')


def padded_rgb(plane: Plane) -> Plane:
    """Three samples a pixel, edges repeated to whole 64x64 blocks."""
    if plane.ndim == 2:
        plane = np.repeat(plane[..., None], 3, 2)
    margin = [(0, -n % HYPER_BLOCK) for n in plane.shape[:2]]
    return np.pad(plane, [*margin, (0, 0)], 'edge')
