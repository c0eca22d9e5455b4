"""From a snapshot of the authors' public code to weights that code files.

The snapshot is read without running anything it holds. Sizes and ablation
are told by the shapes of its tensors, and every tensor must have its place.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_sft.codec.errors import ModelError
from napari_sft.models.registry import DEFAULT, user_folder
from napari_sft.models.song2021 import Song2021, Song2021Config
from napari_sft.models.song2021_codec import NAME, export
from napari_sft.models.song2021_transforms import G_A

State = Mapping[str, Tensor]


def import_snapshot(path: Path, name: str = NAME) -> Path:
    """Make a snapshot of the public code usable under a name.

    Parameters
    ----------
    path : Path
        A ``.pt`` file that the public code wrote.
    name : str
        Letters, digits, ``.``, ``_`` and ``-``; what `--model` will take.

    Returns
    -------
    Path
        The weights file, in the user's folder.

    Raises
    ------
    ModelError
        If the file is no such snapshot, is damaged or lacks tensors, or if
        the name cannot be used.
    """
    path = Path(path)
    if name == DEFAULT or not re.fullmatch(r'\w[\w.-]{0,63}', name, re.ASCII):
        raise ModelError(
            f'{name!r} cannot name imported weights: use letters, digits, '
            f'".", "_" and "-", and not {DEFAULT!r}'
        )
    snapshot = _read(path)
    network = network_from_state(snapshot['model'], str(path))
    training = {'source': path.name}
    if isinstance(snapshot.get('itr'), int):
        training['steps'] = snapshot['itr']
    folder = user_folder()
    target = folder / f'{name}.safetensors'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        export(network, target, training)
    except OSError as error:
        raise ModelError(
            f'{target}: cannot write weights: {error.strerror}'
        ) from None
    return target


def network_from_state(state: State, where: str = 'weights') -> Song2021:
    """The network that a state dict of the public code belongs to.

    Parameters
    ----------
    state : mapping
        Tensors by the public code's names.
    where : str
        What messages call it.

    Raises
    ------
    ModelError
        If a tensor is missing, unknown or of another shape.
    """
    try:
        config = _config(state)
        with torch.device('meta'):
            expected = Song2021(config).state_dict()
    except (KeyError, IndexError, ModelError) as error:
        raise ModelError(
            f'{where}: no network of the paper ({error}): give a snapshot '
            'that its public code wrote'
        ) from None
    _check(state, expected, where)
    network = Song2021(config)
    network.load_state_dict(state)
    return network.eval()


def _read(path: Path) -> dict[str, Any]:
    try:
        snapshot = torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise ModelError(
            f'{path}: cannot read the snapshot: {error.strerror}'
        ) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
        raise ModelError(
            f'{path}: damaged, or no file of PyTorch tensors: give a '
            'snapshot (.pt) of the public code'
        ) from None
    state = snapshot.get('model') if isinstance(snapshot, dict) else None
    tensors = isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor)
        for key, value in state.items()
    )
    if not tensors:
        raise ModelError(
            f"{path}: holds no tensors under 'model': give a snapshot of "
            "the public code, {'itr', 'model', 'optimizer', 'aux_optimizer'}"
        )
    return snapshot


def _config(state: State) -> Song2021Config:
    """Sizes and ablation by shapes; KeyError if a tensor is missing."""
    sft = 'g_a2.mlp_gamma.weight' in state
    channels = len(state[f'{G_A[0]}.4.weight'])
    sizes: dict[str, int] = {}
    if sft:
        hidden = state['g_a2.mlp_shared.0.weight']
        sizes = {'sft_hidden': len(hidden), 'sft_ks': hidden.shape[-1]}
    return Song2021Config(
        N=len(state['h_a0.weight']),
        M=len(state['h_s.4.weight']) // 2,
        condition_channels=channels,
        sft=sft,
        spatial_condition=state[f'{G_A[0]}.0.weight'].shape[1] > 1,
        condition_scales=f'{G_A[1]}.0.weight' in state,
        **sizes,
    )


def _check(state: State, expected: State, where: str) -> None:
    """Every tensor there, of its shape, and none besides."""
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    # the public code's coder tables have any size, and are not used
    misshapen = [
        key
        for key, tensor in expected.items()
        if tensor.numel() and key in state and state[key].shape != tensor.shape
    ]
    for what, keys in (
        ('lacks', missing),
        ('has the unknown', unknown),
        ('has another shape of', misshapen),
    ):
        if keys:
            more = f' and {len(keys) - 1} more' if len(keys) > 1 else ''
            raise ModelError(
                f'{where}: {what} tensor {keys[0]!r}{more}: give a whole '
                'snapshot of the public code'
            )
