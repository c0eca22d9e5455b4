"""The training loop: steps, averaged weights, checkpoints, exact resume."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_sft.models.compact import CompactConfig, CompactModel
from napari_sft_training.config import TrainingConfig
from napari_sft_training.evaluation import (
    coded_map,
    evaluate_levels,
    load_kodak,
    mean_loss,
)
from napari_sft_training.images import PatchSampler, to_tensor
from napari_sft_training.initialise import initialise
from napari_sft_training.loss import rate_distortion
from napari_sft_training.quality_maps import sample_map

LEVELS = [level / 10 for level in range(11)]
QUICK_LEVELS = [0.0, 0.25, 0.5, 0.75, 1.0]
START_PATCHES = 400
# Gradients this many times larger than usual are skipped.
OUTLIER, WARMUP_NORMS = 6.0, 500
VALIDATION_PATCHES = 48


def learning_rate_of(name: str, config: TrainingConfig) -> float:
    """Peak learning rate of a parameter of the model."""
    if name in {'log_gain', 'kappa'}:
        return config.gain_learning_rate
    if '.linear.' in name:
        return config.linear_learning_rate
    return config.learning_rate


class Trainer:
    """One run in one folder.

    Parameters
    ----------
    config : TrainingConfig
        What to do.
    folder : Path
        Where config.yaml, log.jsonl and snapshots/ go.
    seed : int
        Seed of weights, patches, maps and noise.
    """

    def __init__(
        self, config: TrainingConfig, folder: Path, seed: int = 0
    ) -> None:
        self.config = config
        self.folder = folder
        self.snapshots = folder / 'snapshots'
        self.snapshots.mkdir(parents=True, exist_ok=True)
        config.save(folder / 'config.yaml')
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
        self.validation = self._validation_patches()

    def _make_optimizer(self) -> torch.optim.Optimizer:
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            rate = learning_rate_of(name, self.config)
            groups.setdefault(rate, []).append(parameter)
        return torch.optim.Adam(
            [{'params': p, 'peak': rate} for rate, p in groups.items()],
            betas=(0.9, 0.995),
            fused=True,
        )

    def _validation_patches(self) -> list[Tensor]:
        sampler = PatchSampler(
            self.config.picture_sources(), 256, validation=True
        )
        rng = np.random.default_rng(0)
        patches = [sampler.sample(rng)[0] for _ in range(VALIDATION_PATCHES)]
        return list(to_tensor(patches).split(8))

    def start(self) -> None:
        """Give a fresh model its transform-coding start."""
        rng = np.random.default_rng(1)
        patches = [self.sampler.sample(rng)[0] for _ in range(START_PATCHES)]
        initialise(self.model, to_tensor(patches))
        self.average.load_state_dict(self.model.state_dict())

    def resume(self, checkpoint: Path) -> None:
        """Go on exactly where a checkpoint was written."""
        state = torch.load(checkpoint, weights_only=True)
        self.model.load_state_dict(state['model'])
        self.average.load_state_dict(state['average'])
        peaks = [group['peak'] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state['optimizer'])
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
        temporary = path.with_suffix('.tmp')
        torch.save(state, temporary)
        os.replace(temporary, path)
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

    def learning_rate_factor(self) -> float:
        """Share of the peak learning rate at the current step."""
        c = self.config
        warm = min(1.0, (self.step + 1) / c.warmup_steps)
        left = max(c.steps - self.step, 0) / max(c.decay_steps, 1)
        return warm * (0.5 - 0.5 * math.cos(math.pi * min(left, 1.0)))

    def train_step(self) -> dict[str, float]:
        """One optimiser step; an insane gradient changes nothing."""
        factor = self.learning_rate_factor()
        for group in self.optimizer.param_groups:
            group['lr'] = group['peak'] * factor
        x, q = self.batch()
        enabled = self.config.precision == 'bfloat16'
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            output = self.model(
                x.contiguous(memory_format=torch.channels_last), coded_map(q)
            )
        loss = rate_distortion(x, q, output)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.mean().backward()
        norm = nn.utils.clip_grad_norm_(
            self.model.parameters(), self.config.clip_norm
        )
        if self._is_sane(norm.item()):
            self.optimizer.step()
            self._update_average()
        else:
            self.skipped += 1
        self.step += 1
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
        torch._foreach_lerp_(
            list(self.average.parameters()),
            list(self.model.parameters()),
            1 - decay,
        )

    def log(self, **figures: Any) -> None:
        """Append a line to log.jsonl and print it."""
        line = json.dumps({'step': self.step, **figures})
        with (self.folder / 'log.jsonl').open('a') as file:
            file.write(line + '\n')
        print(line, flush=True)

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

    def run(self) -> None:
        """Train to the configured number of steps."""
        self.model.train()
        saved = logged = time.monotonic()
        losses: list[dict[str, float]] = []
        while self.step < self.config.steps:
            losses.append(self.train_step())
            if self.step % self.config.log_steps == 0:
                now = time.monotonic()
                mean = {
                    k: round(sum(x[k] for x in losses) / len(losses), 4)
                    for k in losses[0]
                }
                pace = (now - logged) / len(losses)
                self.log(**mean, seconds=round(pace, 4), skipped=self.skipped)
                losses, logged = [], now
            if self.step % self.config.validation_steps == 0:
                self.validate()
                logged = time.monotonic()
            if time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                self.save('last.pt')
                saved = time.monotonic()
        self.save('last.pt')
        self.measure_kodak()
