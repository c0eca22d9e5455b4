"""The training loop: steps, averaged weights, validation, snapshots."""

from __future__ import annotations

import copy
import math
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_sft_training.batches import Batches, validation_patches
from napari_sft_training.checkpoints import write_checkpoint
from napari_sft_training.config import FILE_NAME, TrainingConfig
from napari_sft_training.config_checks import ConfigError
from napari_sft_training.distributed import World
from napari_sft_training.evaluation import (
    evaluate_levels,
    load_kodak,
    mean_loss,
    save_reconstructions,
)
from napari_sft_training.export import load_exported
from napari_sft_training.images import (
    PatchSampler,
    find_pictures,
    to_tensor,
)
from napari_sft_training.journal import Journal
from napari_sft_training.loss import rate_distortion, sample_weight
from napari_sft_training.models import build, compiled
from napari_sft_training.optimiser import Optimiser
from napari_sft_training.precision import Precision
from napari_sft_training.run_state import restore, state_of
from napari_sft_training.schedule import learning_rate_factor
from napari_sft_training.stopping import StopRequest

LEVELS = [level / 10 for level in range(11)]
QUICK_LEVELS = [0.0, 0.25, 0.5, 0.75, 1.0]
SHOWN_LEVELS, SHOWN_PICTURES = [0.0, 0.5, 1.0], 4
AVERAGE_EVERY = 8  # steps; every one would cost a tenth of the time


class Trainer:
    """One run in one folder.

    Parameters
    ----------
    config : TrainingConfig
        What to do.
    folder : Path
        Where config.yaml, log.jsonl, logs/, snapshots/ and outputs/ go.
    seed : int
        Seed of weights, patches, maps and noise.
    world : World
        This process among those that train together.

    Raises
    ------
    SftError
        If the configuration does not fit the pictures, the device or the
        number of processes.
    """

    at_once = 1  # steps of one `train_step`

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        seed: int = 0,
        world: World | None = None,
    ) -> None:
        self.config, self.seed = config, seed
        self.world = world = world or World()
        if config.batch_size % world.size:
            raise ConfigError(
                f'batch_size must be a multiple of the {world.size} '
                f'processes, not {config.batch_size}'
            )
        if config.kodak:  # its absence is told now, not after the last step
            find_pictures(Path(config.kodak))
        self.precision = Precision(config, world)
        torch.manual_seed(seed)
        self.sampler = PatchSampler(
            config.picture_sources(), config.patch_size, config.gray_share
        )
        self.model = build(config).to(
            self.precision.device, memory_format=torch.channels_last
        )
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = Optimiser(self.model, config, self.precision.scaler)
        self.seed_process([seed, world.rank] if world.rank else [seed])
        self.step = self.steps_before = 0
        self.best = math.inf
        self.elapsed = 0.0  # minutes since the loop was entered
        self.waited = 0.0  # seconds for data, since the last line of the log
        self.validation = validation_patches(config)
        self.snapshots, self.outputs = folder / 'snapshots', folder / 'outputs'
        self.journal = Journal(folder)
        if world.writes:
            self.snapshots.mkdir(parents=True, exist_ok=True)
            self.outputs.mkdir(exist_ok=True)
            config.save(folder / FILE_NAME)

    def seed_process(self, seed: list[int]) -> None:
        """Seed this process's patches, and noise if it is not the first."""
        if len(seed) > 1:
            torch.manual_seed(int(np.random.default_rng(seed).integers(2**62)))
        share = self.config.batch_size // self.world.size
        self.batches = Batches(self.sampler, self.config, share, seed)

    def start(self, weights: str | None = None) -> None:
        """Give a fresh model its start, if it has one.

        Parameters
        ----------
        weights : str, optional
            Exported weights to start from: a model's name, or a path.

        Raises
        ------
        ModelError
            If the weights are missing or of another model.
        """
        if weights is not None:
            self.steps_before = load_exported(self.model.network, weights)
        else:
            rng = np.random.default_rng(1)
            self.model.start(
                to_tensor([self.sampler.sample(rng)[0]])
                for _ in range(self.config.start_patches)
            )
        self.average.load_state_dict(self.model.state_dict())

    def resume(self, checkpoint: Path) -> None:
        """Go on exactly where a checkpoint was written.

        Raises
        ------
        CheckpointError
            If it is missing, damaged or of another model.
        """
        restore(self, checkpoint)

    def save(self, name: str) -> Path:
        """Write a checkpoint, whole or not at all; all processes call it."""
        path = self.snapshots / name
        state = state_of(self)
        if self.world.writes:
            write_checkpoint(path, state)
        return path

    def batch(self) -> tuple[Tensor, Tensor]:
        """Patches (B, 3, S, S) in 0..1 and maps (B, 1, S, S) in 0..1."""
        return self.batches.take()

    @cached_property
    def forward(self) -> nn.Module:
        """The model as steps run it: on all processes, compiled if asked."""
        module = self.world.parallel(self.model, self.precision.device)
        return compiled(module) if self.config.compile else module

    def train_step(self) -> dict[str, float]:
        """One optimiser step; an insane gradient changes nothing."""
        self.optimiser.set_rates(
            learning_rate_factor(self.config, self.step, self.elapsed)
        )
        started = time.monotonic()
        x, q = self.batch()
        self.waited += time.monotonic() - started
        device = self.precision.device
        x, q = (each.to(device, non_blocking=True) for each in (x, q))
        with self.precision.autocast():
            coded = self.forward(
                x.contiguous(memory_format=torch.channels_last), q
            )
        loss = rate_distortion(x, q, coded)
        weight = sample_weight(q, self.config.lambda_weight)
        total = (loss.total * weight).mean()
        figures = {
            'loss': loss.total.mean().item(),
            'bpp': loss.bpp.mean().item(),
        }
        if coded.aux is not None:
            total = total + coded.aux
            figures['aux'] = coded.aux.item()
        figures['norm'] = self.optimiser.step(total, self.step)
        self.step += 1
        every = AVERAGE_EVERY if self.config.ema else 1
        if self.step % every == 0:
            self._update_average(every)
        return figures

    @torch.no_grad()
    def _update_average(self, steps: int) -> None:
        done = self.steps_before + self.step
        decay = min(self.config.ema, (1 + done) / (10 + done))
        decay **= steps
        torch._foreach_lerp_(
            list(self.average.parameters()),
            list(self.model.parameters()),
            1 - decay,
        )

    def log(self, **figures: Any) -> None:
        """Note figures of the current step."""
        if self.world.writes:
            self.journal.write(self.step, **figures)

    def validate(self) -> float:
        """Loss of the averaged weights on the held-out patches."""
        loss = -math.inf
        if self.world.writes:
            loss = self._measure('validation', self.validation, QUICK_LEVELS)
            save_reconstructions(
                self.average,
                self.validation[0][:SHOWN_PICTURES],
                SHOWN_LEVELS,
                self.precision,
                self.outputs / f'step_{self.step}.png',
            )
        (loss,) = self.world.largest(loss)
        if loss < self.best:
            self.best = loss
            self.save('best.pt')
        return loss

    def measure_kodak(self) -> None:
        """Log the loss of the averaged weights on Kodak; decides nothing."""
        if self.config.kodak and self.world.writes:
            pictures = load_kodak(Path(self.config.kodak))
            self._measure('kodak', pictures, LEVELS)

    def _measure(
        self, name: str, pictures: list[Tensor], levels: list[float]
    ) -> float:
        rows = evaluate_levels(self.average, pictures, levels, self.precision)
        loss = mean_loss(rows)
        rounded = [{k: round(v, 4) for k, v in row.items()} for row in rows]
        self.log(**{name: round(loss, 4)}, rows=rounded)
        return loss

    def run(self) -> int:
        """Train until the steps or minutes are done, or a signal comes.

        `last.pt` is written in each case.

        Returns
        -------
        int
            Number of the signal (Ctrl-C, SIGTERM) that ended it, else 0.
        """
        if self.world.writes:
            self.journal.open(self.step)
        try:
            with StopRequest() as stop:
                self._loop(stop)
                (stopped_by,) = self.world.largest(stop.signal)
                self.save('last.pt')
            if not stopped_by:
                self.validate()
                self.save('last.pt')  # it knows the best validation
                self.measure_kodak()
        finally:
            self.journal.close()
        return int(stopped_by)

    def _loop(self, stop: StopRequest) -> None:
        c = self.config
        self.model.train()
        entered = logged = time.monotonic()
        saved = 0.0  # minutes
        losses: list[dict[str, float]] = []
        while self.step < c.steps:
            # all processes go by the slowest clock, and stop together
            self.elapsed, stopped_by = self.world.largest(
                (time.monotonic() - entered) / 60, stop.signal
            )
            if stopped_by or (c.minutes and self.elapsed >= c.minutes):
                break
            if self.elapsed - saved > c.checkpoint_minutes:
                self.save('last.pt')
                saved = self.elapsed
            losses.append(self.train_step())
            if self.step % c.log_steps == 0:
                now = time.monotonic()
                self._log_training(losses, now - logged)
                losses, logged = [], now
            if self.step % c.validation_steps == 0:
                before = time.monotonic()
                self.validate()
                logged += time.monotonic() - before  # not part of the pace
            if c.snapshot_steps and self.step % c.snapshot_steps == 0:
                self.save(f'step_{self.step}.pt')

    def _log_training(
        self, losses: list[dict[str, float]], seconds: float
    ) -> None:
        count = len(losses)
        steps = count * self.at_once
        mean = {k: sum(x[k] for x in losses) / count for k in losses[0]}
        self.log(
            **{k: round(v, 4) for k, v in mean.items()},
            seconds=round(seconds / steps, 4),
            pictures_per_second=round(
                steps * self.config.batch_size / seconds, 2
            ),
            waiting=round(self.waited / seconds, 4),
            skipped=self.optimiser.skipped,
        )
        self.waited = 0.0
