"""Patches to train and to validate on; a batch is drawn ahead of its use."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from napari_sft_training.config import TrainingConfig
from napari_sft_training.images import PatchSampler, to_tensor
from napari_sft_training.quality_maps import sample_map

Batch = tuple[Tensor, Tensor]


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

    Parameters
    ----------
    sampler : PatchSampler
        Gives the patches.
    config : TrainingConfig
        Says which maps.
    count : int
        Patches of a batch.
    rng : numpy.random.Generator
        Source of randomness; the batches' alone from now on.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        config: TrainingConfig,
        count: int,
        rng: np.random.Generator,
    ) -> None:
        self._sampler = sampler
        self._config = config
        self._count = count
        self._rng = rng
        self._thread = ThreadPoolExecutor(1, 'batches')
        self._next: Future[Batch] | None = None
        self._state_before_next = ''

    def take(self) -> Batch:
        """Patches (B, 3, S, S) in 0..1 and maps (B, 1, S, S) in 0..1."""
        batch = (self._next or self._order()).result()
        self._next = self._order()
        return batch

    @property
    def state(self) -> str:
        """State (JSON) from which the next batch is drawn."""
        if self._next is not None:
            return self._state_before_next
        return json.dumps(self._rng.bit_generator.state)

    @state.setter
    def state(self, state: str) -> None:
        if self._next is not None:
            self._next.result()
            self._next = None
        self._rng.bit_generator.state = json.loads(state)

    def _order(self) -> Future[Batch]:
        self._state_before_next = json.dumps(self._rng.bit_generator.state)
        return self._thread.submit(self._draw)

    def _draw(self) -> Batch:
        patches, maps = [], []
        shares = tuple(self._config.map_shares)
        for _ in range(self._count):
            patch, regions = self._sampler.sample(self._rng)
            patches.append(patch)
            maps.append(
                sample_map(
                    self._rng,
                    len(patch),
                    regions,
                    shares,  # type: ignore[arg-type]
                    self._config.zero_share,
                )
            )
        return to_tensor(patches), torch.from_numpy(np.stack(maps)[:, None])
