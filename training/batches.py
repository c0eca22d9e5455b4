"""Patches to train and to validate on; batches are drawn by their number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_sft_training.config import TrainingConfig
from napari_sft_training.images import PatchSampler, to_tensor
from napari_sft_training.quality_maps import sample_map

Batch = tuple[Tensor, Tensor]
FOREVER = 1 << 60  # batches
OTHER_SEQUENCE = 1  # of the same seed


def validation_patches(config: TrainingConfig) -> list[Tensor]:
    """The same patches of held-out pictures in every run, by eights."""
    size = config.validation_patch_size
    sampler = PatchSampler(config.picture_sources(), size, validation=True)
    rng = np.random.default_rng(0)
    count = config.validation_patches
    patches = [sampler.sample(rng)[0] for _ in range(count)]
    return list(to_tensor(patches).split(8))


class Batches:
    """A random sequence of batches that can be continued exactly.

    Each batch is drawn from the seed and its number, so that any number of
    processes that draw ahead gives the same sequence.

    Parameters
    ----------
    sampler : PatchSampler
        Gives the patches.
    config : TrainingConfig
        Says which maps, and how many processes draw.
    count : int
        Patches of a batch.
    seed : sequence of int
        Of the sequence.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        config: TrainingConfig,
        count: int,
        seed: Sequence[int],
    ) -> None:
        self._drawn = _Drawn(sampler, config, count, list(seed))
        self._taken = 0
        self._coming: Iterator[Batch | Exception] | None = None

    def take(self) -> Batch:
        """Patches (B, 3, S, S) in 0..1 and maps (B, 1, S, S) in 0..1.

        Raises
        ------
        Exception
            What went wrong where the batch was drawn.
        """
        if self._coming is None:
            self._coming = self._drawn_ahead()
        batch = next(self._coming)
        if isinstance(batch, Exception):
            raise batch
        self._taken += 1
        return batch

    @property
    def state(self) -> str:
        """State (JSON) from which the next batch is drawn."""
        return json.dumps({'seed': self._drawn.seed, 'taken': self._taken})

    @state.setter
    def state(self, state: str) -> None:
        values = json.loads(state)
        # older snapshots had a generator's state: what follows it is lost
        other = [*self._drawn.seed, OTHER_SEQUENCE]
        self._drawn = replace(self._drawn, seed=values.get('seed', other))
        self._taken = values.get('taken', 0)
        self._coming = None

    def _drawn_ahead(self) -> Iterator[Batch | Exception]:
        loader = DataLoader(
            self._drawn,
            sampler=range(self._taken, FOREVER),
            batch_size=None,
            num_workers=self._drawn.config.workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # the training's noise stays its own
        )
        return iter(loader)


@dataclass(frozen=True)
class _Drawn(Dataset[Batch | Exception]):
    """Batches by number, for the loader's processes."""

    sampler: PatchSampler
    config: TrainingConfig
    count: int
    seed: list[int]

    def __getitem__(self, number: int) -> Batch | Exception:
        try:
            # in front: numbers behind a seed that are 0 change nothing
            return self._draw(np.random.default_rng([number, *self.seed]))
        except Exception as error:  # noqa: BLE001 - raised by `take`
            return error

    def _draw(self, rng: np.random.Generator) -> Batch:
        patches, maps = [], []
        shares = tuple(self.config.map_shares)
        for _ in range(self.count):
            patch, regions = self.sampler.sample(rng)
            patches.append(patch)
            maps.append(
                sample_map(
                    rng,
                    len(patch),
                    regions,
                    shares,  # type: ignore[arg-type]
                    self.config.zero_share,
                )
            )
        return to_tensor(patches), torch.from_numpy(np.stack(maps)[:, None])
