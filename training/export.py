"""From a checkpoint to the weights that code files, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from napari_sft.codec.errors import ModelError
from napari_sft.models.registry import weights_path
from napari_sft.models.weights_file import load_weights
from napari_sft_training.checkpoints import load_parameters, read_checkpoint
from napari_sft_training.config import TrainingConfig
from napari_sft_training.images import PatchSampler, to_tensor
from napari_sft_training.models import build

CALIBRATION_BATCHES = 40


def export_checkpoint(
    checkpoint: Path, config: TrainingConfig, path: Path
) -> None:
    """Export the averaged weights of a checkpoint.

    Parameters
    ----------
    checkpoint : Path
        Snapshot of a run.
    config : TrainingConfig
        The run's configuration; its pictures calibrate compact's integers.
    path : Path
        Weights file to write.

    Raises
    ------
    CheckpointError
        If the checkpoint is missing, damaged or does not fit the
        configuration.
    """
    state = read_checkpoint(checkpoint)
    model = build(config)
    load_parameters(model.network, state['average'], checkpoint)
    model.eval()
    model.export(
        path,
        _calibration(config),
        {
            'steps': state['step'] + state.get('steps_before', 0),
            'batch_size': config.batch_size,
        },
    )


def load_exported(network: nn.Module, name: str) -> int:
    """Give a network of the trainer the floats of exported weights.

    Parameters
    ----------
    network : Module
        Changed in place.
    name : str
        A model's name, for its installed weights, or a path of weights.

    Returns
    -------
    int
        Steps that they were trained for.

    Raises
    ------
    ModelError
        If there are no such weights, or they do not fit the network.
    """
    path = weights_path(name)
    groups, about, _ = load_weights(path)
    try:
        network.load_state_dict(groups.get('network', {}))
    except RuntimeError:
        raise ModelError(
            f"{path}: of another model than the configuration's `model` and "
            '`sizes`'
        ) from None
    return int(about.get('training', {}).get('steps', 0))


def _calibration(config: TrainingConfig) -> Iterator[tuple[Tensor, float]]:
    """Patches and qualities, read once they are asked for."""
    sampler = PatchSampler(config.picture_sources(), config.patch_size)
    rng = np.random.default_rng(2)
    for number in range(CALIBRATION_BATCHES):
        x = to_tensor([sampler.sample(rng)[0] for _ in range(4)])
        # the ends of the scale are where activations are largest
        yield x, number / (CALIBRATION_BATCHES - 1)
