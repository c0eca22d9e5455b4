"""The optimiser's step: clipped gradients, insane ones skipped."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from napari_sft_training.config import TrainingConfig
from napari_sft_training.models import TrainableModel

# Gradients this many times larger than usual are skipped.
OUTLIER, WARMUP_NORMS = 4.0, 500


class Optimiser:
    """Adam on the main parameters, and another one on auxiliary ones.

    Parameters
    ----------
    model : TrainableModel
        Gives both kinds of parameters.
    config : TrainingConfig
        Gives rates and the largest gradient norm.
    scaler : GradScaler
        Scales the loss where float16 needs it.

    Attributes
    ----------
    main, aux : Adam
        The optimisers; `aux` is None if there are no such parameters.
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
        # by key, not by rate: a run may be resumed with other rates
        self.main = torch.optim.Adam(
            [
                {'params': parameters, 'peak': getattr(config, key)}
                for key, parameters in model.parameter_groups().items()
            ],
            betas=(0.9, 0.999),
            fused=True,
        )
        main = {id(p) for g in self.main.param_groups for p in g['params']}
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
        for group in self.main.param_groups:
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
        optimisers = [o for o in (self.main, self.aux) if o is not None]
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

    def load(self, main: dict[str, Any], aux: dict[str, Any] | None) -> None:
        """Take over the states of another run, not its rates.

        Raises
        ------
        ValueError
            If they are of other parameters.
        """
        for optimiser, state in ((self.main, main), (self.aux, aux)):
            if optimiser is None:
                continue
            if state is None:
                raise ValueError('no state of the auxiliary optimiser')
            own = [
                {k: group[k] for k in ('lr', 'peak') if k in group}
                for group in optimiser.param_groups
            ]
            optimiser.load_state_dict(state)
            for group, rates in zip(optimiser.param_groups, own, strict=True):
                group.update(rates)
