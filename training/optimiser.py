"""The optimisers' step: clipped gradients, insane ones skipped."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from napari_sft_training.config import TrainingConfig
from napari_sft_training.models import TrainableModel
from napari_sft_training.muon import Muon, is_wide

# Gradients this many times larger than usual are skipped.
OUTLIER, WARMUP_NORMS = 4.0, 500


class Optimiser:
    """Adam or Muon on the main parameters, Adam on auxiliary ones.

    Parameters
    ----------
    model : TrainableModel
        Gives both kinds of parameters.
    config : TrainingConfig
        Gives the optimiser, its rates and the largest gradient norm.
    scaler : GradScaler
        Scales the loss where float16 needs it.

    Attributes
    ----------
    main : dict of Optimizer
        By the key of their state in a checkpoint: Adam, and Muon for wide
        convolutions if it is asked for.
    aux : Adam or None
        None if there are no auxiliary parameters.
    usual_norm : float
        Running mean of the main gradients' norms.
    skipped : int
        Steps that changed nothing.
    """

    def __init__(
        self,
        model: TrainableModel[Any],
        config: TrainingConfig,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.main = _main_optimisers(model, config)
        main = {
            id(parameter)
            for optimiser in self.main.values()
            for group in optimiser.param_groups
            for parameter in group['params']
        }
        self._clipped = [p for p in model.parameters() if id(p) in main]
        auxiliary = model.aux_parameters()
        self.aux = (
            torch.optim.Adam(auxiliary, lr=config.aux_learning_rate)
            if auxiliary
            else None
        )
        self._clip_norm = config.clip_norm
        self.scaler = scaler
        self.usual_norm = 1.0
        self.skipped = 0

    def set_rates(self, factor: float) -> None:
        """Main learning rates, as a share of their peaks."""
        for optimiser in self.main.values():
            for group in optimiser.param_groups:
                group['lr'] = group['peak'] * factor

    def step(self, loss: Tensor, number: int) -> float:
        """Follow the gradient of a loss, unless it is insane.

        Parameters
        ----------
        loss : Tensor
            Scalar.
        number : int
            Steps done: outliers are told once norms have settled.

        Returns
        -------
        float
            Norm of the main gradient.
        """
        optimisers = list(self.all.values())
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        for optimiser in optimisers:
            self.scaler.unscale_(optimiser)
        norm = self._clip()
        if self._is_sane(norm, number):
            for optimiser in optimisers:
                self.scaler.step(optimiser)
        else:
            self.skipped += 1
        self.scaler.update()
        return norm

    def _clip(self) -> float:
        limit = self._clip_norm or math.inf
        return nn.utils.clip_grad_norm_(self._clipped, limit).item()

    def _is_sane(self, norm: float, number: int) -> bool:
        """Whether a gradient is finite and no outlier among recent ones."""
        usual = self.usual_norm
        if not math.isfinite(norm):
            return False
        # outliers count as large, not at their size, so that a new regime
        # is followed after some steps
        self.usual_norm += 0.02 * (min(norm, 4 * usual) - usual)
        return number < WARMUP_NORMS or norm < OUTLIER * usual

    @property
    def all(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers by the key of their state in a checkpoint."""
        aux = {} if self.aux is None else {'aux_optimizer': self.aux}
        return self.main | aux

    def state(self) -> dict[str, dict[str, Any]]:
        """States of all optimisers."""
        return {key: each.state_dict() for key, each in self.all.items()}

    def load(self, states: dict[str, Any]) -> None:
        """Take over the states of another run, not its rates.

        Raises
        ------
        ValueError
            If they are of other parameters.
        """
        for key, optimiser in self.all.items():
            if key not in states:
                raise ValueError(f'no state of {key}')
            own = [
                {k: group[k] for k in ('lr', 'peak') if k in group}
                for group in optimiser.param_groups
            ]
            optimiser.load_state_dict(states[key])
            for group, rates in zip(optimiser.param_groups, own, strict=True):
                group.update(rates)


def _main_optimisers(
    model: TrainableModel[Any], config: TrainingConfig
) -> dict[str, torch.optim.Optimizer]:
    """By key, not by rate: a run may be resumed with other rates."""
    adam, muon = [], []
    for key, parameters in model.parameter_groups().items():
        wide = [p for p in parameters if _takes_muon(p, key, config)]
        taken = {id(p) for p in wide}
        rest = [p for p in parameters if id(p) not in taken]
        peak = getattr(config, key)
        adam.append({'params': rest, 'peak': peak})
        if wide:
            muon.append({'params': wide, 'peak': peak})
    optimisers: dict[str, torch.optim.Optimizer] = {
        'optimizer': torch.optim.Adam(adam, betas=(0.9, 0.999), fused=True)
    }
    if muon:
        optimisers['muon_optimizer'] = Muon(muon)
    return optimisers


def _takes_muon(
    parameter: nn.Parameter, key: str, config: TrainingConfig
) -> bool:
    # the principal components' directions are not equally important
    linear = key == 'linear_learning_rate'
    return config.optimiser == 'muon' and not linear and is_wide(parameter)
