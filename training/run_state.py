"""What a checkpoint holds of a run, to go on exactly where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_sft_training.checkpoints import (
    CheckpointError,
    load_parameters,
    read_checkpoint,
)

if TYPE_CHECKING:
    from napari_sft_training.loop import Trainer

RANDOM = ('numpy_random', 'torch_random', 'cuda_random')


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Everything that the next steps depend on.

    All processes call it, since each has random states of its own: those of
    process 0 stand with the rest, the others' in a list.
    """
    mine, *others = trainer.world.gather(_random_state(trainer))
    optimiser = trainer.optimiser
    state = {
        'model': trainer.model.network.state_dict(),
        'average': trainer.average.network.state_dict(),
        **optimiser.state(),
        'step': trainer.step,
        'steps_before': trainer.steps_before,
        'best': trainer.best,
        'usual_norm': optimiser.usual_norm,
        **mine,
    }
    if optimiser.scaler.is_enabled():
        state['scaler'] = optimiser.scaler.state_dict()
    if others:
        state['others'] = others
    return state


def restore(trainer: Trainer, checkpoint: Path) -> None:
    """Take over the state of a checkpoint.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, of another model or of a run whose
        optimiser is another.
    """
    state = read_checkpoint(checkpoint)
    optimiser = trainer.optimiser
    load_parameters(trainer.model.network, state['model'], checkpoint)
    load_parameters(trainer.average.network, state['average'], checkpoint)
    try:
        optimiser.load(state)
    except (RuntimeError, ValueError, KeyError):
        raise CheckpointError(
            f'{checkpoint}: its optimiser is of another kind of run, by its '
            '`optimiser`, `captured` or `corrections`; go on from its weights '
            'instead, exported, by --weights'
        ) from None
    if 'scaler' in state and optimiser.scaler.is_enabled():
        optimiser.scaler.load_state_dict(state['scaler'])
    trainer.step = state['step']
    trainer.steps_before = state.get('steps_before', 0)
    trainer.best = state['best']
    optimiser.usual_norm = state['usual_norm']
    _restore_random(trainer, state)


def _random_state(trainer: Trainer) -> dict[str, Any]:
    state = {
        'numpy_random': trainer.batches.state,
        'torch_random': torch.get_rng_state(),
    }
    if trainer.precision.device.type == 'cuda':
        state['cuda_random'] = torch.cuda.get_rng_state()
    return state


def _restore_random(trainer: Trainer, state: dict[str, Any]) -> None:
    mine = {key: state[key] for key in RANDOM if key in state}
    processes = [mine, *state.get('others', [])]
    rank = trainer.world.rank
    if rank >= len(processes):  # the run had fewer: no patch comes twice
        trainer.seed_process([trainer.seed, rank, trainer.step])
        return
    random = processes[rank]
    trainer.batches.state = random['numpy_random']
    torch.set_rng_state(random['torch_random'])
    if 'cuda_random' in random and trainer.precision.device.type == 'cuda':
        torch.cuda.set_rng_state(random['cuda_random'])
