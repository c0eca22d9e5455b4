"""Where on its curve of rate and distortion `compact` works at a quality.

The closed loop lowers the error at given steps, and steps stay what they
were: what is best for a quality's lambda is then what the network does at a
slightly lower quality. Naming that anew takes no training.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from napari_sft.codec.errors import SftError
from napari_sft.models.compact import KAPPA, CompactModel
from napari_sft.models.sft import ConditionNetwork
from napari_sft_training.batches import validation_patches
from napari_sft_training.checkpoints import (
    load_parameters,
    read_checkpoint,
    write_checkpoint,
)
from napari_sft_training.config import TrainingConfig
from napari_sft_training.distributed import World
from napari_sft_training.evaluation import evaluate_levels
from napari_sft_training.loop import QUICK_LEVELS
from napari_sft_training.models import CompactTraining, build
from napari_sft_training.precision import Precision


def measured(
    checkpoint: Path, config: TrainingConfig, shifts: Sequence[float]
) -> Iterator[list[float]]:
    """Losses of a checkpoint's averaged weights, their qualities renamed.

    Parameters
    ----------
    checkpoint : Path
        Snapshot of a run of `compact`.
    config : TrainingConfig
        The run's configuration.
    shifts : sequence of float
        As `rename_quality` takes them.

    Yields
    ------
    list of float
        For each shift the estimated loss on the held-out patches, at the
        qualities of `QUICK_LEVELS`.

    Raises
    ------
    CheckpointError
        If the checkpoint is missing, damaged, of another model than the
        configuration's, or that is not compact.
    """
    state = read_checkpoint(checkpoint)
    model = _compact(config)
    network = model.network
    load_parameters(network, state['average'], checkpoint)
    patches = validation_patches(config)
    precision = Precision(config, World())
    for shift in shifts:
        model.network = copy.deepcopy(network)
        rename_quality(model.network, shift)
        model.to(precision.device)
        rows = evaluate_levels(model, patches, QUICK_LEVELS, precision)
        yield [row['loss'] for row in rows]


def rename(
    checkpoint: Path, config: TrainingConfig, by: float, out: Path
) -> None:
    """Write a checkpoint anew, its qualities renamed; see `measured`."""
    state = read_checkpoint(checkpoint)
    network = _compact(config).network
    for key in ('model', 'average'):
        load_parameters(network, state[key], checkpoint)
        rename_quality(network, by)
        state[key] = copy.deepcopy(network.state_dict())
    state['best'] = math.inf  # of what it is no more
    write_checkpoint(out, state)


def _compact(config: TrainingConfig) -> CompactTraining:
    model = build(config)
    if not isinstance(model, CompactTraining):
        raise SftError(
            f'qualities of {config.model} cannot be renamed: the '
            'configuration has to be one of compact'
        )
    return model


@torch.no_grad()
def rename_quality(network: CompactModel, by: float) -> None:
    """Make a network do at each quality what it did at a lower one.

    Parameters
    ----------
    network : CompactModel
        Changed in place. Its curve stays as it is, but for h_s next to the
        picture's border, where it sees the map end.
    by : float
        How much lower, in units of quality (0..100).
    """
    shift = by / 100
    for module in network.modules():
        if isinstance(module, ConditionNetwork):  # sees 2 * q - 1
            _shift_input(module.layers[0], 2 * shift)
    h_s = network.h_s
    for convolution in (h_s.condition, h_s.map_slope, network.z_index):
        _shift_input(convolution, shift)
    network.log_gain -= shift * network.kappa
    # the step of g_s's corrections is a function of q alone
    for parameter in network.g_s.out.parameters():
        parameter *= math.exp(KAPPA * shift)


def _shift_input(convolution: nn.Module, by: float) -> None:
    """Have a convolution of the map see it lower."""
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    convolution.bias -= by * convolution.weight.sum((1, 2, 3))
