"""Training pictures in the memory of a device, and patches drawn there.

As `images.PatchSampler` and `quality_maps` draw them, but a batch at once,
without a word from the processor. Pictures reduced by random factors, from
which a quarter of the patches come, are made once instead of each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from napari_sft_training.config import TrainingConfig
from napari_sft_training.gpu.maps import REGIONS, random_maps
from napari_sft_training.images import (
    EMPTY_STD,
    OnDisk,
    PatchSampler,
    Picture,
    Regions,
    Stored,
)

REDUCED = 2  # pictures made of each one
REDUCED_SHARE = 0.25
TRIES = 3  # for a patch that is not empty
COARSE = 4  # pixels between those that tell whether it is
LUMA = 0.299, 0.587, 0.114

Pair = tuple[Picture, Regions | None]


class DevicePatches:
    """Random patches of a configuration's training pictures.

    Parameters
    ----------
    sampler : PatchSampler
        Holds the pictures.
    config : TrainingConfig
        Gives the size of a patch and all shares.
    device : torch.device
        Where pictures, patches and maps are; its generator draws them.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self._config, self._device = config, device
        store = _Store(config.patch_size)
        with ThreadPool() as pool:
            for number, source in enumerate(sampler.pictures):
                seeds = [(number, n) for n in range(len(source))]
                jobs = zip(source, seeds, strict=True)
                store.add_source(pool.starmap(store.with_reduced, jobs))
        self._pixels = torch.from_numpy(np.concatenate(store.pixels))
        self._pixels = self._pixels.to(device)
        # one more, for pictures without regions to point at
        regions = np.concatenate([*store.regions, np.zeros(1, np.uint8)])
        self._regions = torch.from_numpy(regions).to(device)
        self._rows = torch.tensor(store.rows, device=device)
        self._first, self._count = (
            torch.tensor(values, device=device)
            for values in (store.first, store.count)
        )
        ends = np.cumsum(sampler.shares)[:-1]
        self._ends = torch.tensor(ends, device=device, dtype=torch.float32)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Patches (B, 3, S, S) and quality maps (B, 1, S, S), both 0..1."""
        config, size = self._config, self._config.patch_size
        place, regions, known = self._windows(count)
        x = self._pixels[place].float()
        weights = zip(x.unbind(-1), LUMA, strict=True)
        gray = (sum(c * w for c, w in weights) + 0.5).floor()[..., None]  # type: ignore[union-attr]
        turned = self._random(count).view(-1, 1, 1, 1) < config.gray_share
        x = torch.where(turned, gray, x).permute(0, 3, 1, 2) / 255
        q = random_maps(
            count,
            size,
            config.map_shares,
            config.zero_share,
            self._regions[regions].long(),
            known,
        )
        return x, q

    def _random(self, count: int) -> Tensor:
        return torch.rand(count, device=self._device)

    def _below(self, count: Tensor) -> Tensor:
        """Whole numbers from 0 to below each count."""
        drawn = (self._random(len(count)) * count).long()
        return torch.minimum(drawn, count - 1)

    def _windows(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Places of pixels and of their regions, and if these are known."""
        size, many = self._config.patch_size, TRIES * count
        source = (self._random(many)[:, None] > self._ends).sum(1)
        reduced = (self._random(many) < REDUCED_SHARE).long()
        first, number = (
            t[reduced, source] for t in (self._first, self._count)
        )
        start, height, width, regions = self._rows[
            first + self._below(number)
        ].unbind(1)
        corner = self._below(height - size + 1) * width
        corner = corner + self._below(width - size + 1)
        chosen = self._first_with_content(start + corner, width, count)
        start, width, regions, corner = (
            t[chosen] for t in (start, width, regions, corner)
        )
        axis = torch.arange(size, device=self._device)
        flipped = self._random(count).view(-1, 1, 1) < 0.5
        columns = torch.where(flipped, size - 1 - axis, axis)
        inside = corner.view(-1, 1, 1) + columns
        inside = inside + axis[:, None] * width.view(-1, 1, 1)
        known = regions >= 0
        of_regions = regions.view(-1, 1, 1) + inside
        none = len(self._regions) - 1
        of_regions = torch.where(known.view(-1, 1, 1), of_regions, none)
        return start.view(-1, 1, 1) + inside, of_regions, known

    def _first_with_content(
        self, corner: Tensor, width: Tensor, count: int
    ) -> Tensor:
        """Of each patch's tries, the number of the first not empty one."""
        axis = torch.arange(
            0, self._config.patch_size, COARSE, device=self._device
        )
        places = corner[:, None, None] + axis[:, None] * width[:, None, None]
        some = self._pixels[places + axis].float().flatten(1)
        full = (some.std(1) >= EMPTY_STD).view(TRIES, count)
        chosen = torch.where(full.any(0), full.float().argmax(0), TRIES - 1)
        return chosen * count + torch.arange(count, device=self._device)


@dataclass
class _Store:
    """What goes to the device, collected.

    `rows` has for each picture where its pixels start, its height and width,
    and where its regions start, or -1. `first` and `count` say for pictures
    as they are, and for reduced ones, which rows a source has.
    """

    size: int
    pixels: list[NDArray[np.uint8]] = field(default_factory=list)
    regions: list[NDArray[np.uint8]] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    first: tuple[list[int], list[int]] = field(
        default_factory=lambda: ([], [])
    )
    count: tuple[list[int], list[int]] = field(
        default_factory=lambda: ([], [])
    )
    _pixel_count: int = 0
    _region_count: int = 0

    def with_reduced(
        self, stored: Stored, seed: tuple[int, int]
    ) -> tuple[Pair, list[Pair]]:
        """A picture and smaller ones made of it, if it is large enough."""
        pair = stored.read() if isinstance(stored, OnDisk) else stored
        picture, regions = pair
        if regions is not None:
            _, numbers = np.unique(regions, return_inverse=True)
            regions = (numbers.reshape(regions.shape) % REGIONS).astype('u1')
        rng = np.random.default_rng(seed)
        largest = min(min(picture.shape[:2]) / self.size, 2.0)
        reduced = []
        for n in range(REDUCED if largest > 1 else 0):
            factor = 1 + (n + rng.random()) / REDUCED * (largest - 1)
            height, width = (
                max(self.size, round(side / factor))
                for side in picture.shape[:2]
            )
            reduced.append(_reduced(picture, regions, (width, height)))
        return (picture, regions), reduced

    def add_source(self, pairs: list[tuple[Pair, list[Pair]]]) -> None:
        """Take the pictures of one source."""
        whole = [pair for pair, _ in pairs]
        reduced = [pair for _, several in pairs for pair in several]
        for number, group in enumerate((whole, reduced or whole)):
            self.first[number].append(len(self.rows))
            self.count[number].append(len(group))
            for picture, regions in group:
                self._add(picture, regions)

    def _add(self, picture: Picture, regions: Regions | None) -> None:
        start = -1
        if regions is not None:
            start = self._region_count
            self.regions.append(regions.reshape(-1).astype(np.uint8))
            self._region_count += regions.size
        self.rows.append([self._pixel_count, *picture.shape[:2], start])
        self.pixels.append(picture.reshape(-1, 3))
        self._pixel_count += len(self.pixels[-1])


def _reduced(
    picture: Picture, regions: Regions | None, size: tuple[int, int]
) -> Pair:
    small = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    if regions is not None:
        nearest = Image.Resampling.NEAREST
        regions = np.asarray(Image.fromarray(regions).resize(size, nearest))
    return np.asarray(small), regions
