"""Weights files: safetensors with sizes, figures and integer tensors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from napari_sft.codec.errors import ModelError

HASH_BYTES = 8


def save_weights(
    path: Path,
    groups: Mapping[str, Mapping[str, Tensor]],
    about: dict[str, Any],
) -> None:
    """Write tensors, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to.
    groups : mapping
        Tensors by group and name.
    about : dict
        What the file's metadata says, anything JSON can hold.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    tensors = {
        f'{group}/{name}': tensor.detach().cpu().contiguous()
        for group, members in groups.items()
        for name, tensor in members.items()
    }
    data = save(tensors, {'napari_sft': json.dumps(about)})
    temporary = path.with_suffix('.tmp')
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ModelError(
            f'{path}: cannot write weights: {error.strerror}'
        ) from None


def load_weights(
    path: Path,
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any], bytes]:
    """Read tensors by group, what the file says, and its hash.

    Returns
    -------
    groups, about, weights_hash
        The hash is the first 8 bytes of the SHA-256 of the file.

    Raises
    ------
    ModelError
        If the file is missing, damaged or no weights of ours.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f'{path}: cannot read weights: {error.strerror}'
        ) from None
    try:
        tensors = load(data)
        header_size = int.from_bytes(data[:8], 'little')
        header = json.loads(data[8 : 8 + header_size])
        about = dict(json.loads(header['__metadata__']['napari_sft']))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f'{path}: damaged weights, or none of napari-sft: '
            f'{type(error).__name__} {error}'
        ) from None
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        group, _, name = key.partition('/')
        groups.setdefault(group, {})[name] = tensor
    return groups, about, hashlib.sha256(data).digest()[:HASH_BYTES]
