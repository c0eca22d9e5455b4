"""From a checkpoint to the weights that code files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_sft.models.compact import BLOCK, CompactConfig, CompactModel
from napari_sft.models.compact_codec import export
from napari_sft_training.checkpoints import (
    CheckpointError,
    read_checkpoint,
)
from napari_sft_training.config import TrainingConfig
from napari_sft_training.images import PatchSampler, to_tensor

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
        The run's configuration; its pictures calibrate the integers.
    path : Path
        Weights file to write.

    Raises
    ------
    CheckpointError
        If the checkpoint is missing, damaged or does not fit the
        configuration.
    """
    state = read_checkpoint(checkpoint)
    model = CompactModel(CompactConfig(**config.model))
    try:
        model.load_state_dict(state['average'])
    except RuntimeError:
        raise CheckpointError(
            f'{checkpoint}: of a model of other sizes than the '
            "configuration's `model`"
        ) from None
    model.eval()
    sampler = PatchSampler(config.picture_sources(), config.patch_size)
    export(
        model,
        _calibration(model, sampler),
        path,
        {'steps': state['step'], 'batch_size': config.batch_size},
    )


@torch.no_grad()
def _calibration(
    model: CompactModel, sampler: PatchSampler
) -> Iterator[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(2)
    for number in range(CALIBRATION_BATCHES):
        x = to_tensor([sampler.sample(rng)[0] for _ in range(4)])
        # the ends of the scale are where activations are largest
        level = number / (CALIBRATION_BATCHES - 1)
        q = torch.full_like(x[:, :1, ::BLOCK, ::BLOCK], level)
        y = model.analyse(x, q)
        z = model.hyper_analyse(y, q, model.condition(q))
        yield z.round(), q
