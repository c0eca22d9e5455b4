"""Muon and Adam whose every decision is made on the device.

What `training.optimiser` decides in Python (rates, clipping, leaving insane
gradients out) is arithmetic here, so that a captured step can hold it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_sft_training.config import TrainingConfig
from napari_sft_training.models import TrainableModel
from napari_sft_training.muon import ADAM_RMS, is_wide, orthogonal
from napari_sft_training.optimiser import OUTLIER, WARMUP_NORMS

MOMENTUM = 0.95  # of Muon
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
FOLLOWED = 0.02  # share of each norm in the usual one


@dataclass
class _Group:
    """Parameters of one peak rate; of Muon, of one shape as matrices."""

    peak: float
    parameters: list[nn.Parameter]
    means: list[Tensor]
    squares: list[Tensor]  # none for Muon


class DeviceOptimiser:
    """Adam, and Muon on wide convolutions if the configuration says so.

    Parameters
    ----------
    model : TrainableModel
        Gives the parameters.
    config : TrainingConfig
        Gives the optimiser, its rates and the largest gradient norm.
    scaler : GradScaler
        Not enabled: bfloat16 needs none.

    Attributes
    ----------
    parameters : list of Parameter
        Those that learn.
    """

    def __init__(
        self,
        model: TrainableModel[Any],
        config: TrainingConfig,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.scaler = scaler
        self.parameters: list[nn.Parameter] = []
        self._muon: list[_Group] = []
        self._adam: list[_Group] = []
        for key, parameters in model.parameter_groups().items():
            self._add(key, parameters, config)
        device = self.parameters[0].device
        self._limit = config.clip_norm or math.inf
        self._state = {
            name: torch.zeros((), device=device)
            for name in ('factor', 'steps', 'skipped')
        }
        self._state['usual_norm'] = torch.ones((), device=device)

    def _add(
        self, key: str, parameters: list[nn.Parameter], config: TrainingConfig
    ) -> None:
        muon = config.optimiser == 'muon' and key != 'linear_learning_rate'
        wide: dict[torch.Size, list[nn.Parameter]] = {}
        rest = []
        for parameter in parameters:
            if muon and is_wide(parameter):
                shape = parameter.flatten(1).shape
                wide.setdefault(shape, []).append(parameter)
            else:
                rest.append(parameter)
        self.parameters += parameters
        peak = getattr(config, key)
        for alike in wide.values():
            means = [torch.zeros_like(p) for p in alike]
            self._muon.append(_Group(peak, alike, means, []))
        means, squares = (
            [torch.zeros_like(p) for p in rest] for _ in range(2)
        )
        if rest:
            self._adam.append(_Group(peak, rest, means, squares))

    @property
    def skipped(self) -> int:
        """Steps that changed nothing."""
        return int(self._state['skipped'].item())

    @property
    def usual_norm(self) -> float:
        """Running mean of the gradients' norms."""
        return self._state['usual_norm'].item()

    @usual_norm.setter
    def usual_norm(self, norm: float) -> None:
        self._state['usual_norm'].fill_(norm)

    def set_rates(self, factor: float) -> None:
        """Learning rates of the steps to come, as a share of their peaks."""
        self._state['factor'].fill_(factor)

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> Tensor:
        """Follow gradients, in the order of `parameters`.

        Returns
        -------
        Tensor
            Their norm, a scalar on the device.
        """
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        sane = self._is_sane(norm)
        scale = (self._limit / (norm + 1e-6)).clamp(max=1.0)
        clipped = [
            torch.where(sane, gradient, 0)
            for gradient in torch._foreach_mul(gradients, scale)
        ]
        rate = torch.where(sane, self._state['factor'], 0)
        given = {
            id(parameter): gradient
            for parameter, gradient in zip(
                self.parameters, clipped, strict=True
            )
        }
        for group in self._muon:
            self._follow_muon(group, given, rate)
        for group in self._adam:
            self._follow_adam(group, given, rate)
        return norm

    def _is_sane(self, norm: Tensor) -> Tensor:
        """Whether a gradient is finite and no outlier; counts the step."""
        state, finite = self._state, torch.isfinite(norm)
        usual = state['usual_norm']
        early = state['steps'] < WARMUP_NORMS
        sane = finite & (early | (norm < OUTLIER * usual))
        growth = FOLLOWED * (torch.minimum(norm, OUTLIER * usual) - usual)
        usual.add_(torch.where(finite, growth, 0))
        state['steps'].add_(1)
        state['skipped'].add_(~sane)
        return sane

    def _follow_muon(
        self, group: _Group, given: dict[int, Tensor], rate: Tensor
    ) -> None:
        gradients = [given[id(p)] for p in group.parameters]
        torch._foreach_lerp_(group.means, gradients, 1 - MOMENTUM)
        directions = torch.stack(
            [
                gradient.lerp(mean, MOMENTUM).flatten(1)
                for gradient, mean in zip(gradients, group.means, strict=True)
            ]
        )
        size = group.peak * ADAM_RMS * max(directions.shape[1:]) ** 0.5
        updates = orthogonal(directions).float() * (rate * size)
        for parameter, update in zip(group.parameters, updates, strict=True):
            parameter.sub_(update.reshape(parameter.shape))

    def _follow_adam(
        self, group: _Group, given: dict[int, Tensor], rate: Tensor
    ) -> None:
        gradients = [given[id(p)] for p in group.parameters]
        steps = self._state['steps']
        torch._foreach_lerp_(group.means, gradients, 1 - BETA_1)
        torch._foreach_mul_(group.squares, BETA_2)
        torch._foreach_addcmul_(
            group.squares, gradients, gradients, 1 - BETA_2
        )
        spread = torch._foreach_div(group.squares, 1 - BETA_2**steps)
        torch._foreach_sqrt_(spread)
        torch._foreach_add_(spread, EPSILON)
        share = -rate * group.peak / (1 - BETA_1**steps)
        updates = torch._foreach_mul(group.means, share)
        torch._foreach_div_(updates, spread)
        torch._foreach_add_(group.parameters, updates)

    def state(self) -> dict[str, Any]:
        """What the next steps depend on, by a checkpoint's key."""
        groups = self._muon + self._adam
        moments = [t for g in groups for t in g.means + g.squares]
        return {'optimizer': {**self._state, 'moments': moments}}

    def load(self, states: dict[str, Any]) -> None:
        """Take over the state of another run of this kind, not its rates.

        Raises
        ------
        ValueError
            If it is of other parameters, or of steps that are not captured.
        """
        theirs, mine = (s['optimizer'] for s in (states, self.state()))
        moments = theirs.get('moments', [])
        shapes = [[t.shape for t in s] for s in (moments, mine['moments'])]
        if shapes[0] != shapes[1]:
            raise ValueError('the optimiser has other parameters')
        for own, other in zip(mine['moments'], moments, strict=True):
            own.copy_(other)
        for name, value in self._state.items():
            value.copy_(theirs[name])
