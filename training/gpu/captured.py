"""A trainer whose steps are captured once and replayed by the device.

A step of `compact` is thousands of small kernels: launched one by one, and
waiting for patches, a large GPU idles. Here patches are drawn on it and a
step is one CUDA graph, which the processor starts and does not wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_sft_training.config import TrainingConfig
from napari_sft_training.config_checks import ConfigError
from napari_sft_training.distributed import World
from napari_sft_training.gpu.networks import compile_parts, make_dense
from napari_sft_training.gpu.optimiser import DeviceOptimiser
from napari_sft_training.gpu.patches import DevicePatches
from napari_sft_training.loop import Trainer
from napari_sft_training.loss import rate_distortion, sample_weight
from napari_sft_training.models import CompactTraining
from napari_sft_training.schedule import learning_rate_factor

ROUND = 25  # steps between looks at the clock
WARM = 3  # steps before one is captured
FIGURES = 'loss', 'bpp', 'norm'

Replay = Callable[[], None]


class CapturedTrainer(Trainer):
    """One run in one folder, by captured steps.

    Parameters and errors are those of `Trainer`. Elsewhere than on CUDA the
    same steps run uncaptured.

    Raises
    ------
    ConfigError
        If the configuration asks for what captured steps can't do.
    """

    at_once = ROUND

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        seed: int = 0,
        world: World | None = None,
    ) -> None:
        _check(config, world)
        super().__init__(config, folder, seed, world)
        assert isinstance(self.model, CompactTraining)
        device = self.precision.device
        self.patches = DevicePatches(self.sampler, config, device)
        self.optimiser = DeviceOptimiser(
            self.model, config, self.precision.scaler
        )
        self._learnt = [
            average
            for average, own in zip(
                self.average.parameters(), self.model.parameters(), strict=True
            )
            if own.requires_grad
        ]
        self._keep = torch.zeros((), device=device)
        self._figures = torch.zeros(len(FIGURES), device=device)
        self._replays: dict[int, Replay] = {}
        if device.type == 'cuda':
            torch.backends.cudnn.benchmark = True
            make_dense(self.model)
        if config.compile:
            compile_parts(self.model)

    def train_step(self) -> dict[str, float]:
        """A round of steps; their mean figures."""
        if not self._replays:
            self._prepare()
        factor = learning_rate_factor(self.config, self.step, self.elapsed)
        self.optimiser.set_rates(factor)
        done = self.steps_before + self.step
        self._keep.fill_(min(self.config.ema, (1 + done) / (10 + done)))
        self._figures.zero_()
        for _ in range(ROUND):
            drawn = int(torch.randint(len(self._replays), ()))
            list(self._replays.values())[drawn]()
        self.step += ROUND
        means = (self._figures / ROUND).tolist()
        return dict(zip(FIGURES, means, strict=True))

    def _prepare(self) -> None:
        """Capture a step for each number of corrections."""
        corrections = self.config.corrections
        numbers = range(1, corrections + 1) if corrections else (0,)
        before = [p.detach().clone() for p in self._all()]
        saved, pool = _copied(self.optimiser.state()), None
        for number in numbers:
            self._replays[number], pool = self._captured(number, pool)
        with torch.no_grad():  # the steps that warmed up were not meant
            for parameter, value in zip(self._all(), before, strict=True):
                parameter.copy_(value)
        self.optimiser.load(saved)

    def _all(self) -> list[Tensor]:
        return [*self.model.parameters(), *self.average.parameters()]

    def _captured(
        self, corrections: int, pool: object
    ) -> tuple[Replay, object]:
        def step() -> None:
            self._whole_step(corrections)

        if self.precision.device.type != 'cuda':
            return step, None
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            step()
        return graph.replay, graph.pool()

    def _whole_step(self, corrections: int) -> None:
        """From patches to new weights; nothing waits for the device."""
        with torch.no_grad():
            x, q = self.patches.draw(self.config.batch_size)
        self.model.turns = corrections
        # casts that are kept would outlive the graph
        with self.precision.autocast(keep_casts=False):
            coded = self.model(x, q)
        loss = rate_distortion(x, q, coded)
        weight = sample_weight(q, self.config.lambda_weight)
        parameters = self.optimiser.parameters
        gradients = torch.autograd.grad(
            (loss.total * weight).mean(), parameters, allow_unused=True
        )
        norm = self.optimiser.step(
            [
                torch.zeros_like(parameter) if gradient is None else gradient
                for gradient, parameter in zip(
                    gradients, parameters, strict=True
                )
            ]
        )
        with torch.no_grad():
            learning = [p for p in self.model.parameters() if p.requires_grad]
            torch._foreach_mul_(self._learnt, self._keep)
            torch._foreach_add_(
                self._learnt, torch._foreach_mul(learning, 1 - self._keep)
            )
            figures = loss.total.mean(), loss.bpp.mean(), norm
            self._figures.add_(torch.stack(figures))


def _check(config: TrainingConfig, world: World | None) -> None:
    for name, allowed in (
        ('model', ('compact',)),
        ('precision', ('auto', 'bfloat16', 'float32')),
    ):
        if getattr(config, name) not in allowed:
            raise ConfigError(
                f'captured steps are of {name} '
                f'{" or ".join(map(str, allowed))}, not '
                f'{getattr(config, name)}'
            )
    if world is not None and world.size > 1:
        raise ConfigError('captured steps are of one process, not several')
    for name in ('log_steps', 'validation_steps', 'snapshot_steps'):
        if getattr(config, name) % ROUND:
            raise ConfigError(
                f'captured steps come in rounds: {name} must be a multiple '
                f'of {ROUND}, not {getattr(config, name)}'
            )


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimiser, as it is now."""
    values = dict(state['optimizer'])
    moments = [t.clone() for t in values.pop('moments')]
    return {
        'optimizer': {k: v.clone() for k, v in values.items()}
        | {'moments': moments}
    }
