"""Models by name: where their weights lie, and loading them once."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import CodecModel

DEFAULT = 'compact'
MODELS = (DEFAULT,)
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
    raise ModelError(
        f'no weights for model {name!r}: neither {user_folder()} nor the '
        f'package holds {name}.safetensors; put them there, or name another '
        'model'
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
    model = load_model(name, device)
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

    from napari_sft.models.compact_codec import CompactCodec

    return CompactCodec(path, torch.device(device))
