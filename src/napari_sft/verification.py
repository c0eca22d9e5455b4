"""Files checked to the last symbol, and saved only after such a check."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napari_sft.codec.container import Reader
from napari_sft.codec.errors import FormatError, SftError
from napari_sft.codec.file_decoder import FileDecoder

Source = str | os.PathLike[str] | bytes | BinaryIO
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verification:
    """What a sound file holds.

    Attributes
    ----------
    nbytes : int
        Size of the file.
    planes, tiles : int
        How many of them decode to the symbols that were encoded.
    model : str
        Name of the model that decoded them.
    """

    nbytes: int
    planes: int
    tiles: int
    model: str


def verify(
    source: Source, *, device: str = 'auto', progress: Progress | None = None
) -> Verification:
    """Decode every symbol of a file and compare checksums with the encoder's.

    Parameters
    ----------
    source : path, bytes or binary file
        An `.sft` file.
    device : str
        Where to decode: 'auto', 'cpu', 'cuda' or 'mps'.
    progress : callable, optional
        Called with (done, total) tiles; may raise to cancel.

    Raises
    ------
    FormatError
        The file is damaged, or decodes to other symbols here than where it
        was encoded.
    ModelError
        Its model or weights are not installed.
    """
    from napari_sft.models.registry import model_for

    with Reader(source) as reader:
        header = reader.header
        model = model_for(header.model, header.weights, device)
        decoder = FileDecoder(reader, lambda: model)
        tiles = reader.tiles
        for done, key in enumerate(tiles):
            if progress is not None:
                progress(done, len(tiles))
            decoder.check_symbols(key)
        if progress is not None:
            progress(len(tiles), len(tiles))
        return Verification(
            reader.nbytes, header.planes(), len(tiles), header.model
        )


def save_verified(
    path: str | os.PathLike[str],
    data: bytes,
    *,
    device: str = 'auto',
    progress: Progress | None = None,
) -> Verification:
    """Write a file, read it back, verify it, and only then give it its name.

    Parameters
    ----------
    path : path
        Where to; what is there is replaced once the new file is sound.
    data : bytes
        A whole `.sft` file.
    device, progress
        As for `verify`.

    Raises
    ------
    SftError
        The file can't be written, or isn't sound: then nothing changes.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f'.{target.name[:100]}.{secrets.token_hex(4)}')
    try:
        with part.open('xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if part.read_bytes() != data:
            raise FormatError('it reads back with other bytes')
        result = verify(part, device=device, progress=progress)
        part.replace(target)
    except FormatError as error:
        raise FormatError(
            f'{path} was not saved: {error}; check the disk and save again'
        ) from error
    except OSError as error:
        raise SftError(
            f"can't write {path}: {error.strerror or error}; make room or "
            'choose another place'
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return result
