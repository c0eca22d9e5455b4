"""Figures of an evaluation: of pictures, levels and a whole folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from napari_sft.codec.errors import SftError
from napari_sft.codec.metrics import bd_rate
from napari_sft.other_codecs import MeanCurve

Rival = dict[str, float | bool]
KODAK = {f'kodim{number:02}' for number in range(1, 25)}
LEAST_LEVELS = 4  # of a curve; with two, a BD-rate is off by 15 %


@dataclass(frozen=True)
class Figures:
    """One picture at one quality, or their means over a folder.

    Attributes
    ----------
    bpp : float
        Real bits per pixel: of the whole file, which has neither statistics
        nor provenance.
    estimated_bpp : float
        Ideal code length of the symbols by the coder's tables.
    psnr : float
        In dB, of the decoded 8-bit picture.
    ms_ssim : float or None
        None for pictures that are too small.
    loss : float
        bpp + 255**2 * mean(lambda * squared error), pixels in 0..1.
    encode_seconds, decode_seconds : float
        From pixels to bytes and back, models in memory.
    """

    bpp: float
    estimated_bpp: float
    psnr: float
    ms_ssim: float | None
    loss: float
    encode_seconds: float
    decode_seconds: float


@dataclass
class Level:
    """All pictures of a folder at one quality.

    Attributes
    ----------
    name : str
        '0', '1', ... for uniform qualities, '-1' for the paper's maps.
    quality : float or None
        0..100, None where the maps are not uniform.
    mean : Figures
        Means of the pictures' figures.
    images : dict of str to Figures
        By file name.
    rivals : dict of codec to picture to {'psnr', 'reached'}
        PSNR at the same real bpp; whether the codec makes files that size.
    """

    name: str
    quality: float | None
    mean: Figures
    images: dict[str, Figures]
    rivals: dict[str, dict[str, Rival]] = field(default_factory=dict)

    def rival_psnr(self, codec: str) -> float:
        """Mean PSNR of another codec at the same sizes."""
        return _mean([float(r['psnr']) for r in self.rivals[codec].values()])

    def unreached(self, codec: str) -> int:
        """For how many pictures another codec makes no file of that size."""
        return sum(not r['reached'] for r in self.rivals[codec].values())


@dataclass
class Evaluation:
    """Figures of a folder: uniform levels, and the paper's maps.

    `rival_curves` are those of the codecs compared with, by name.
    """

    levels: list[Level]
    test1: Level
    about: dict[str, Any]
    rival_curves: dict[str, MeanCurve] = field(default_factory=dict)

    @property
    def mean_loss(self) -> float:
        """Mean over the uniform levels of their mean loss."""
        return _mean([level.mean.loss for level in self.levels])

    def bd_rate_to_paper(self) -> float:
        """Percent more bits than the paper's curve on Kodak.

        Raises
        ------
        SftError
            The curves have nothing in common, or ours is of too few levels,
            of other pictures or gray.
        """
        if self.about.get('gray'):
            raise SftError('that curve is of pictures in colour')
        if {Path(name).stem for name in self.test1.images} != KODAK:
            raise SftError('that curve is of the 24 pictures of Kodak')
        if len(self.levels) < LEAST_LEVELS:
            raise SftError(f'that takes {LEAST_LEVELS} levels or more')
        paper = paper_curve()
        return bd_rate(
            paper['bpp'],
            paper['psnr'],
            [level.mean.bpp for level in self.levels],
            [level.mean.psnr for level in self.levels],
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        try:
            against_paper: float | str = self.bd_rate_to_paper()
        except SftError as error:
            against_paper = str(error)
        return {
            **self.about,
            'mean_loss': self.mean_loss,
            'bd_rate_to_paper': against_paper,
            'levels': [asdict(level) for level in self.levels],
            'test1': asdict(self.test1),
            'rival_curves': {
                name: asdict(curve)
                for name, curve in self.rival_curves.items()
            },
        }


def paper_curve() -> dict[str, Any]:
    """The paper's published figures on Kodak, with their source."""
    path = resources.files('napari_sft') / 'paper_curve.json'
    return json.loads(path.read_text(encoding='utf-8'))


def mean_figures(images: Mapping[str, Figures]) -> Figures:
    """The mean of each figure over pictures."""

    def mean(name: str) -> float:
        return _mean([getattr(f, name) for f in images.values()])

    similar = [f.ms_ssim for f in images.values() if f.ms_ssim is not None]
    return Figures(
        bpp=mean('bpp'),
        estimated_bpp=mean('estimated_bpp'),
        psnr=mean('psnr'),
        ms_ssim=_mean(similar) if similar else None,
        loss=mean('loss'),
        encode_seconds=mean('encode_seconds'),
        decode_seconds=mean('decode_seconds'),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
