"""The training loop: steps, averaged weights, checkpoints, exact resume."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_sft.models.compact import CompactConfig, CompactModel
from napari_sft_training.checkpoints import (
    CheckpointError,
    read_checkpoint,
    write_checkpoint,
)
from napari_sft_training.config import TrainingConfig
from napari_sft_training.evaluation import (
    coded_map,
    evaluate_levels,
    load_kodak,
    mean_loss,
)
from napari_sft_training.images import (
    PatchSampler,
    find_pictures,
    to_tensor,
)
from napari_sft_training.initialise import initialise
from napari_sft_training.journal import Journal
from napari_sft_training.loss import rate_distortion, sample_weight
from napari_sft_training.quality_maps import sample_map
from napari_sft_training.schedule import (
    learning_rate_factor,
    learning_rate_key,
)
from napari_sft_training.stopping import StopRequest

LEVELS = [level / 10 for level in range(11)]
QUICK_LEVELS = [0.0, 0.25, 0.5, 0.75, 1.0]
# Gradients this many times larger than usual are skipped.
OUTLIER, WARMUP_NORMS = 6.0, 500
AVERAGE_EVERY = 8  # steps; every one would cost a tenth of the time
VALIDATION_SIZE = 256


class Trainer:
    """One run in one folder.

    Parameters
    ----------
    config : TrainingConfig
        What to do.
    folder : Path
        Where config.yaml, log.jsonl, logs/ and snapshots/ go.
    seed : int
        Seed of weights, patches, maps and noise.
    """

    def __init__(
        self, config: TrainingConfig, folder: Path, seed: int = 0
    ) -> None:
        self.config = config
        if config.kodak:  # its absence is told now, not after the last step
            find_pictures(Path(config.kodak))
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.sampler = PatchSampler(
            config.picture_sources(), config.patch_size, config.gray_share
        )
        self.model = CompactModel(CompactConfig(**config.model))
        self.model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizer = self._make_optimizer()
        self.step = 0
        self.best = math.inf
        self.skipped = 0
        self.usual_norm = 1.0
        self.waited = 0.0  # seconds for data, since the last line of the log
        self.entered: float | None = None
        self.validation = self._validation_patches()
        self.snapshots = folder / 'snapshots'
        self.snapshots.mkdir(parents=True, exist_ok=True)
        config.save(folder / 'config.yaml')
        self.journal = Journal(folder)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        # by key, not by rate: a run may be resumed with other rates
        groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            groups.setdefault(learning_rate_key(name), []).append(parameter)
        return torch.optim.Adam(
            [
                {'params': parameters, 'peak': getattr(self.config, key)}
                for key, parameters in groups.items()
            ],
            betas=(0.9, 0.999),
            fused=True,
        )

    def _validation_patches(self) -> list[Tensor]:
        size = min(VALIDATION_SIZE, self.config.patch_size)
        sampler = PatchSampler(
            self.config.picture_sources(), size, validation=True
        )
        rng = np.random.default_rng(0)
        count = self.config.validation_patches
        patches = [sampler.sample(rng)[0] for _ in range(count)]
        return list(to_tensor(patches).split(8))

    def start(self) -> None:
        """Give a fresh model its transform-coding start."""
        rng = np.random.default_rng(1)
        count = self.config.start_patches
        patches = [self.sampler.sample(rng)[0] for _ in range(count)]
        initialise(self.model, to_tensor(patches))
        self.average.load_state_dict(self.model.state_dict())

    def resume(self, checkpoint: Path) -> None:
        """Go on exactly where a checkpoint was written.

        Raises
        ------
        CheckpointError
            If it is missing, damaged or of a model of other sizes.
        """
        state = read_checkpoint(checkpoint)
        peaks = [group['peak'] for group in self.optimizer.param_groups]
        try:
            self.model.load_state_dict(state['model'])
            self.average.load_state_dict(state['average'])
            self.optimizer.load_state_dict(state['optimizer'])
        except (RuntimeError, ValueError):
            raise CheckpointError(
                f'{checkpoint}: of a model of other sizes than the '
                "configuration's `model`"
            ) from None
        for group, peak in zip(
            self.optimizer.param_groups, peaks, strict=True
        ):
            group['peak'] = peak  # the configuration's, not the old run's
        self.step = state['step']
        self.best = state['best']
        self.usual_norm = state['usual_norm']
        self.rng.bit_generator.state = json.loads(state['numpy_random'])
        torch.set_rng_state(state['torch_random'])

    def save(self, name: str) -> Path:
        """Write a checkpoint, whole or not at all."""
        state: dict[str, Any] = {
            'model': self.model.state_dict(),
            'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(),
            'step': self.step,
            'best': self.best,
            'usual_norm': self.usual_norm,
            'numpy_random': json.dumps(self.rng.bit_generator.state),
            'torch_random': torch.get_rng_state(),
        }
        path = self.snapshots / name
        write_checkpoint(path, state)
        return path

    def batch(self) -> tuple[Tensor, Tensor]:
        """Patches (B, 3, S, S) in 0..1 and maps (B, 1, S, S) in 0..1."""
        patches, maps = [], []
        shares = tuple(self.config.map_shares)
        for _ in range(self.config.batch_size):
            patch, regions = self.sampler.sample(self.rng)
            patches.append(patch)
            maps.append(
                sample_map(self.rng, len(patch), regions, shares)  # type: ignore[arg-type]
            )
        return to_tensor(patches), torch.from_numpy(np.stack(maps)[:, None])

    def elapsed_minutes(self) -> float:
        """Minutes since the loop was entered, 0 outside it."""
        if self.entered is None:
            return 0.0
        return (time.monotonic() - self.entered) / 60

    def train_step(self) -> dict[str, float]:
        """One optimiser step; an insane gradient changes nothing."""
        factor = learning_rate_factor(
            self.config, self.step, self.elapsed_minutes()
        )
        for group in self.optimizer.param_groups:
            group['lr'] = group['peak'] * factor
        started = time.monotonic()
        x, q = self.batch()
        self.waited += time.monotonic() - started
        enabled = self.config.precision == 'bfloat16'
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            output = self.model(
                x.contiguous(memory_format=torch.channels_last), coded_map(q)
            )
        loss = rate_distortion(x, q, output)
        self.optimizer.zero_grad(set_to_none=True)
        weight = sample_weight(q, self.config.lambda_weight)
        (loss.total * weight).mean().backward()
        parameters = list(self.model.parameters())
        norm = nn.utils.get_total_norm([p.grad for p in parameters])
        if norm > self.config.clip_norm:
            nn.utils.clip_grads_with_norm_(
                parameters, self.config.clip_norm, norm
            )
        if self._is_sane(norm.item()):
            self.optimizer.step()
        else:
            self.skipped += 1
        self.step += 1
        if self.step % AVERAGE_EVERY == 0:
            self._update_average()
        return {
            'loss': loss.total.mean().item(),
            'bpp': loss.bpp.mean().item(),
            'norm': norm.item(),
        }

    def _is_sane(self, norm: float) -> bool:
        """Whether a gradient is finite and no outlier among recent ones."""
        usual = self.usual_norm
        if not math.isfinite(norm):
            return False
        # outliers count as large, not at their size, so that a new regime
        # is followed after some steps
        self.usual_norm += 0.02 * (min(norm, 4 * usual) - usual)
        return self.step < WARMUP_NORMS or norm < OUTLIER * usual

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        decay **= AVERAGE_EVERY
        torch._foreach_lerp_(
            list(self.average.parameters()),
            list(self.model.parameters()),
            1 - decay,
        )

    def log(self, **figures: Any) -> None:
        """Note figures of the current step."""
        self.journal.write(self.step, **figures)

    def validate(self) -> float:
        """Loss of the averaged weights on the held-out patches."""
        rows = evaluate_levels(self.average, self.validation, QUICK_LEVELS)
        loss = mean_loss(rows)
        self.log(
            validation=round(loss, 4),
            rows=[{k: round(v, 4) for k, v in row.items()} for row in rows],
        )
        if loss < self.best:
            self.best = loss
            self.save('best.pt')
        return loss

    def measure_kodak(self) -> None:
        """Log the loss of the averaged weights on Kodak; decides nothing."""
        if not self.config.kodak:
            return
        pictures = load_kodak(Path(self.config.kodak))
        rows = evaluate_levels(self.average, pictures, LEVELS)
        self.log(
            kodak=round(mean_loss(rows), 4),
            rows=[{k: round(v, 4) for k, v in row.items()} for row in rows],
        )

    def run(self) -> int:
        """Train until the steps or minutes are done, or a signal comes.

        `last.pt` is written in each case.

        Returns
        -------
        int
            Number of the signal (Ctrl-C, SIGTERM) that ended it, else 0.
        """
        self.journal.open(self.step)
        try:
            with StopRequest() as stop:
                self._loop(stop)
                self.save('last.pt')
            if not stop.signal:
                self.validate()
                self.save('last.pt')  # it knows the best validation
                self.measure_kodak()
        finally:
            self.journal.close()
        return stop.signal

    def _loop(self, stop: StopRequest) -> None:
        c = self.config
        self.model.train()
        self.entered = saved = logged = time.monotonic()
        losses: list[dict[str, float]] = []
        while self.step < c.steps and not stop.signal:
            if c.minutes and self.elapsed_minutes() >= c.minutes:
                break
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
            if time.monotonic() - saved > 60 * c.checkpoint_minutes:
                self.save('last.pt')
                saved = time.monotonic()

    def _log_training(
        self, losses: list[dict[str, float]], seconds: float
    ) -> None:
        count = len(losses)
        mean = {k: sum(x[k] for x in losses) / count for k in losses[0]}
        self.log(
            **{k: round(v, 4) for k, v in mean.items()},
            seconds=round(seconds / count, 4),
            pictures_per_second=round(
                count * self.config.batch_size / seconds, 2
            ),
            waiting=round(self.waited / seconds, 4),
            skipped=self.skipped,
        )
        self.waited = 0.0
