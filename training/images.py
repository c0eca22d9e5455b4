"""Training pictures: folders decoded once into memory, random patches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SUFFIXES = {'.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.webp'}
VALIDATION_EVERY = 20
EMPTY_STD = 2.0  # grey levels; patches below teach nothing

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """A folder of pictures and its share of the patches.

    Attributes
    ----------
    path : Path
        Folder, searched recursively.
    share : float
        Relative share of training patches.
    regions : Path or None
        Folder of region numbers (PNG), one of the same stem a picture.
    """

    path: Path
    share: float
    regions: Path | None = None


def find_pictures(folder: Path) -> list[Path]:
    """Every picture under a folder, sorted by path."""
    found = sorted(
        p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES
    )
    if not found:
        raise FileNotFoundError(f'no pictures under {folder}')
    return found


def read_picture(path: Path) -> list[Picture]:
    """Read a file as RGB planes (H, W, 3), 8 bits.

    Sixteen-bit and float planes are stretched between their 0.1 and 99.9
    percentiles; stacks give their first, middle and last plane.
    """
    if path.suffix.lower() in {'.tif', '.tiff'}:
        array = tifffile.imread(path)
    else:
        with Image.open(path) as image:
            direct = image.mode in {'I', 'F'} or image.mode.startswith('I;')
            array = np.asarray(image if direct else image.convert('RGB'))
    if array.ndim >= 3 and array.shape[-1] in (3, 4):
        planes = array[..., :3].reshape(-1, *array.shape[-3:-1], 3)
    else:
        planes = array.reshape(-1, *array.shape[-2:])
    chosen = sorted({0, len(planes) // 2, len(planes) - 1})
    return [_to_rgb8(planes[i]) for i in chosen]


def _to_rgb8(plane: NDArray[np.generic]) -> Picture:
    if plane.dtype != np.uint8:
        values = plane.astype(np.float32)
        low, high = np.percentile(values, (0.1, 99.9))
        values = (values - low) / max(high - low, 1e-6)
        plane = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    if plane.ndim == 2:
        plane = np.repeat(plane[..., None], 3, 2)
    return np.ascontiguousarray(plane)


def to_tensor(patches: list[Picture]) -> Tensor:
    """Stack patches (H, W, 3) of 8 bits to (B, 3, H, W) in 0..1."""
    stacked = torch.from_numpy(np.stack(patches))
    return stacked.permute(0, 3, 1, 2).float() / 255


class PatchSampler:
    """Random patches of all sources' training (or validation) pictures.

    Parameters
    ----------
    sources : list of Source
        Where the pictures are.
    size : int
        Height and width of a patch in pixels; smaller pictures are left
        out.
    gray_share : float
        Share of patches turned gray.
    validation : bool
        Take every 20th picture, those that training leaves out.
    """

    def __init__(
        self,
        sources: list[Source],
        size: int,
        gray_share: float = 0.0,
        validation: bool = False,
    ) -> None:
        self.size = size
        self.gray_share = gray_share
        self.pictures: list[list[tuple[Picture, Picture | None]]] = []
        shares = []
        for source in sources:
            loaded = self._load(source, validation)
            if loaded:
                self.pictures.append(loaded)
                shares.append(source.share)
        if not shares:
            raise FileNotFoundError(
                f'no picture of at least {size}x{size} pixels in '
                + ', '.join(str(s.path) for s in sources)
            )
        self.shares = np.array(shares) / sum(shares)

    def _load(
        self, source: Source, validation: bool
    ) -> list[tuple[Picture, Picture | None]]:
        loaded = []
        for number, path in enumerate(find_pictures(source.path)):
            if (number % VALIDATION_EVERY == 0) != validation:
                continue
            regions = None
            if source.regions is not None:
                match = next(source.regions.rglob(f'{path.stem}.png'), None)
                if match is not None:
                    with Image.open(match) as image:
                        regions = np.asarray(image)
            loaded.extend(
                (picture, regions)
                for picture in read_picture(path)
                if min(picture.shape[:2]) >= self.size
            )
        return loaded

    def __len__(self) -> int:
        return sum(map(len, self.pictures))

    def sample(
        self, rng: np.random.Generator
    ) -> tuple[Picture, NDArray[np.integer] | None]:
        """Draw a patch (size, size, 3) and its region numbers, if known."""
        for _ in range(20):
            source = self.pictures[rng.choice(len(self.shares), p=self.shares)]
            picture, regions = source[rng.integers(len(source))]
            patch, patch_regions = self._crop(rng, picture, regions)
            if patch.std() >= EMPTY_STD:
                break
        if rng.random() < self.gray_share:
            gray = patch @ np.array([0.299, 0.587, 0.114])
            patch = np.repeat(np.uint8(gray + 0.5)[..., None], 3, 2)
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
            patch_regions = (
                None if patch_regions is None else patch_regions[:, ::-1]
            )
        return np.ascontiguousarray(patch), patch_regions

    def _crop(
        self,
        rng: np.random.Generator,
        picture: Picture,
        regions: Picture | None,
    ) -> tuple[Picture, Picture | None]:
        height, width = picture.shape[:2]
        size = self.size
        largest = min(height, width)
        if rng.random() < 0.25:  # a larger crop, reduced: other sharpness
            size = int(rng.integers(size, min(largest, 2 * size) + 1))
        top = rng.integers(height - size + 1)
        left = rng.integers(width - size + 1)
        window = np.s_[top : top + size, left : left + size]
        patch = picture[window]
        part = None if regions is None else regions[window]
        if size != self.size:
            target = (self.size, self.size)
            patch = np.asarray(
                Image.fromarray(patch).resize(target, Image.Resampling.LANCZOS)
            )
            if part is not None:
                part = np.asarray(
                    Image.fromarray(part).resize(
                        target, Image.Resampling.NEAREST
                    )
                )
        return patch, part
