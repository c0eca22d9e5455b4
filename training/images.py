"""Training pictures, in memory while there is room, and random patches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_sft_training.lists import (
    DataError,
    find_pictures,
    find_with_regions,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    'DataError',
    'PatchSampler',
    'Source',
    'find_pictures',
    'read_picture',
    'read_regions',
    'to_tensor',
]

VALIDATION_EVERY = 20
MEMORY = 4 * 2**30  # bytes of decoded pictures kept; others are read again
TIFF = {'.tif', '.tiff'}  # kept always: stacks, depths that pillow lacks
EMPTY_STD = 2.0  # grey levels; patches below teach nothing

Picture = NDArray[np.uint8]
Regions = NDArray[np.integer]


@dataclass(frozen=True)
class Source:
    """A folder or list of pictures and its share of the patches.

    Attributes
    ----------
    path : Path
        Folder, searched recursively, or CSV file with the column `path` and
        perhaps `seg_path`, as `napari-sft-train prepare` writes it.
    share : float
        Relative share of training patches.
    regions : Path or None
        Folder of region numbers (PNG), one of the same stem a picture, for
        pictures without a `seg_path`.
    """

    path: Path
    share: float
    regions: Path | None = None


def read_picture(path: Path) -> list[Picture]:
    """Read a file as RGB planes (H, W, 3), 8 bits.

    Sixteen-bit and float planes are stretched between their 0.1 and 99.9
    percentiles; stacks give their first, middle and last plane.

    Raises
    ------
    DataError
        If the file is damaged or no picture.
    """
    try:
        array = _read_array(path)
    # What decoders raise for damaged files differs from one to the next.
    except Exception as error:
        raise DataError(f'{path}: cannot be read: {_reason(error)}') from error
    if array.ndim >= 3 and array.shape[-1] in (3, 4):
        planes = array[..., :3].reshape(-1, *array.shape[-3:-1], 3)
    else:
        planes = array.reshape(-1, *array.shape[-2:])
    chosen = sorted({0, len(planes) // 2, len(planes) - 1})
    return [_to_rgb8(planes[i]) for i in chosen]


def _read_array(path: Path) -> NDArray[np.generic]:
    if path.suffix.lower() in TIFF:
        return tifffile.imread(path)
    with Image.open(path) as image:
        direct = image.mode in {'I', 'F'} or image.mode.startswith('I;')
        return np.asarray(image if direct else image.convert('RGB'))


def _to_rgb8(plane: NDArray[np.generic]) -> Picture:
    if plane.dtype != np.uint8:
        values = plane.astype(np.float32)
        low, high = np.percentile(values, (0.1, 99.9))
        values = (values - low) / max(high - low, 1e-6)
        plane = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    if plane.ndim == 2:
        plane = np.repeat(plane[..., None], 3, 2)
    return np.ascontiguousarray(plane)


def read_regions(path: Path) -> Regions:
    """Read region numbers (H, W) from a gray or palette PNG.

    Raises
    ------
    DataError
        If the file is damaged or in colour.
    """
    try:
        with Image.open(path) as image:
            regions = np.asarray(image)
    except Exception as error:
        raise DataError(f'{path}: cannot be read: {_reason(error)}') from error
    if regions.ndim != 2:
        raise DataError(f'{path}: region numbers must be gray, not in colour')
    return regions


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def to_tensor(patches: list[Picture]) -> Tensor:
    """Stack patches (H, W, 3) of 8 bits to (B, 3, H, W) in 0..1."""
    import torch  # here, so that preparing data needs no torch

    stacked = torch.from_numpy(np.stack(patches))
    return stacked.permute(0, 3, 1, 2).float() / 255


@dataclass(frozen=True)
class OnDisk:
    """A picture that is read each time it is drawn."""

    path: Path
    mask: Path | None

    def read(self) -> tuple[Picture, Regions | None]:
        """The first plane and its region numbers, if known."""
        return _read_both(self.path, self.mask)[0]


Stored = tuple[Picture, Regions | None] | OnDisk


def _read_both(
    path: Path, mask: Path | None
) -> list[tuple[Picture, Regions | None]]:
    regions = None if mask is None else read_regions(mask)
    planes = read_picture(path)
    if regions is not None and regions.shape != planes[0].shape[:2]:
        raise DataError(f'{mask}: its size is not that of {path}')
    return [(plane, regions) for plane in planes]


def _smaller_side(path: Path) -> int:
    """Of a picture that is not decoded."""
    try:
        with Image.open(path) as image:
            return min(image.size)
    except Exception as error:
        raise DataError(f'{path}: cannot be read: {_reason(error)}') from error


class PatchSampler:
    """Random patches of all sources' training (or validation) pictures.

    The first `MEMORY` bytes of pictures are decoded once. Those beyond are
    read when they are drawn, of stacks the first plane.

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

    Raises
    ------
    DataError
        If no picture is left, or regions do not fit their picture.
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
        self.pictures: list[list[Stored]] = []
        self._room = MEMORY
        shares = []
        for source in sources:
            loaded = self._load(source, validation)
            if loaded:
                self.pictures.append(loaded)
                shares.append(source.share)
        if not shares:
            use = 'validation' if validation else 'training'
            raise DataError(
                f'no {use} picture of at least {size}x{size} pixels in '
                + ', '.join(str(s.path) for s in sources)
                + f'; one of every {VALIDATION_EVERY} is for validation'
            )
        self.shares = np.array(shares) / sum(shares)

    def _load(self, source: Source, validation: bool) -> list[Stored]:
        loaded: list[Stored] = []
        found = find_with_regions(source.path, source.regions)
        for number, (path, mask) in enumerate(found):
            if (number % VALIDATION_EVERY == 0) != validation:
                continue
            if self._room <= 0 and path.suffix.lower() not in TIFF:
                if _smaller_side(path) >= self.size:
                    loaded.append(OnDisk(path, mask))
                continue
            for picture, regions in _read_both(path, mask):
                if min(picture.shape[:2]) >= self.size:
                    loaded.append((picture, regions))
                    self._room -= picture.nbytes
        return loaded

    def __len__(self) -> int:
        return sum(map(len, self.pictures))

    def sample(
        self, rng: np.random.Generator
    ) -> tuple[Picture, Regions | None]:
        """Draw a patch (size, size, 3) and its region numbers, if known."""
        for _ in range(20):
            source = self.pictures[rng.choice(len(self.shares), p=self.shares)]
            drawn = source[rng.integers(len(source))]
            picture, regions = (
                drawn.read() if isinstance(drawn, OnDisk) else drawn
            )
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
        regions: Regions | None,
    ) -> tuple[Picture, Regions | None]:
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
