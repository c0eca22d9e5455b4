"""Models by name: where their weights lie, and loading them once."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import CodecModel

DEFAULT = 'compact'
MODELS = (DEFAULT, 'song2021')
HASH_BYTES = 8
BUNDLED = Path(__file__).parent / 'weights'


def user_folder() -> Path:
    """Where users' own weights lie; `NAPARI_SFT_WEIGHTS` overrides it."""
    override = os.environ.get('NAPARI_SFT_WEIGHTS')
    if override:
        return Path(override)
    base = os.environ.get('XDG_DATA_HOME') or Path.home() / '.local/share'
    return Path(base) / 'napari-sft' / 'weights'


def weights_path(name: str) -> Path:
    """Weights file of a model, the user's before the bundled.

    Parameters
    ----------
    name : str
        A model's name, or a path of a weights file.

    Raises
    ------
    ModelError
        If there are none.
    """
    if name.endswith('.safetensors'):
        return Path(name)
    for folder in (user_folder(), BUNDLED):
        path = folder / f'{name}.safetensors'
        if path.is_file():
            return path
    remedy = 'put them there, or name another model'
    if name == 'song2021':
        remedy = (
            'make them from the published snapshot by `napari-sft models '
            'import 2M_itrs.pt --name song2021`'
        )
    raise ModelError(
        f'no weights for model {name!r}: neither {user_folder()} nor the '
        f'package holds {name}.safetensors; {remedy}'
    )


def load_model(name: str = DEFAULT, device: str = 'auto') -> CodecModel:
    """Load a model; the last few stay in memory.

    Raises
    ------
    ModelError
        If the model, its weights or the device are not available.
    """
    from napari_sft.models.device import resolve_device

    place = str(resolve_device(device))
    path = weights_path(name)
    stat = path.stat() if path.is_file() else None
    version = stat and (stat.st_mtime_ns, stat.st_size)
    return _load(path, place, version)


def model_for(name: str, weights_hash: bytes, device: str) -> CodecModel:
    """The model, with the very weights, that a file was made with.

    They may lie under any name; a file knows them by their hash.

    Raises
    ------
    ModelError
        If other weights are installed, or none.
    """
    if name not in MODELS:  # it comes from a file: never a path
        raise ModelError(
            f'the file needs the model {name!r}, which this version does not '
            'have: install a newer napari-sft'
        )
    path = _same_weights(name, weights_hash)
    model = load_model(str(path) if path else name, device)
    if model.weights_hash != weights_hash:
        raise ModelError(
            f'the file needs weights {weights_hash.hex()} of {name!r}, here '
            f'are {model.weights_hash.hex()}: install the napari-sft version '
            f'it was made with, or put its weights into {user_folder()}'
        )
    return model


@lru_cache(maxsize=4)
def _load(path: Path, device: str, _version: object) -> CodecModel:
    import torch

    from napari_sft.models.memory import keep_freed_memory

    place = torch.device(device)
    if place.type == 'cpu':
        keep_freed_memory()
    if weights_kind(path) == 'song2021':
        from napari_sft.models.song2021_codec import Song2021Codec

        return Song2021Codec(path, place)
    from napari_sft.models.compact_codec import CompactCodec

    return CompactCodec(path, place)


def weights_kind(path: Path) -> str:
    """Which model a file holds weights of; '' if it does not say."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, 'pt') as file:
            about = json.loads(file.metadata()['napari_sft'])
            return str(about['model'])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return ''  # whoever loads it is told why


def _same_weights(name: str, weights_hash: bytes) -> Path | None:
    """Installed weights of a model that have this hash."""
    for folder in (user_folder(), BUNDLED):
        for path in sorted(folder.glob('*.safetensors')):
            stat = path.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            if _identity(path, version) == (name, weights_hash):
                return path
    return None


@lru_cache(maxsize=64)
def _identity(path: Path, _version: object) -> tuple[str, bytes]:
    """What a weights file is to the files made with it."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return weights_kind(path), digest[:HASH_BYTES]
