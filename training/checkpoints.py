"""Checkpoints: written whole or not at all, read with a clear error."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_sft.codec.errors import SftError

KEYS = {
    'model',
    'average',
    'optimizer',
    'step',
    'best',
    'usual_norm',
    'numpy_random',
    'torch_random',
}


class CheckpointError(SftError):
    """A checkpoint that is missing, damaged or of another model."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; on failure the old one stays as it was."""
    temporary = path.with_suffix('.tmp')
    try:
        torch.save(state, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, running none of its code.

    Raises
    ------
    CheckpointError
        If there is none, or the file is no checkpoint of a run.
    """
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f'{path}: no such checkpoint') from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        raise CheckpointError(
            f'{path}: damaged, or no checkpoint of a training run'
        ) from None
    missing = KEYS - set(state) if isinstance(state, dict) else KEYS
    if missing:
        raise CheckpointError(
            f'{path}: no checkpoint of this trainer; it lacks '
            + ', '.join(sorted(missing))
        )
    return state


def load_parameters(
    network: nn.Module, state: dict[str, Tensor], checkpoint: Path
) -> None:
    """Give a network what a checkpoint holds of one.

    Raises
    ------
    CheckpointError
        If it is of another network.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise CheckpointError(
            f"{checkpoint}: of another model than the configuration's "
            '`model` and `sizes`'
        ) from None
