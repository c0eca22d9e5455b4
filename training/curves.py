"""Rate-distortion curves: published, evaluated, and how they compare."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from napari_sft.codec.errors import SftError
from napari_sft.codec.metrics import bd_rate
from napari_sft.evaluation_results import KODAK, LEAST_LEVELS

PAPER = 'Song2021'
MEASURED = ', measured'
CODEC_LABELS = {
    'jpeg': 'JPEG',
    'webp': 'WebP',
    'jpeg2000': 'JPEG 2000',
    'avif': 'AVIF',
    'jpegxl': 'JPEG XL',
}

Kind = Literal['model', 'codec', 'published']
Metric = Literal['psnr', 'ms-ssim']


class ResultsError(SftError):
    """Results of an evaluation that are missing or damaged."""


@dataclass(frozen=True)
class Curve:
    """One codec's rate-distortion curve.

    Attributes
    ----------
    name, label : str
        In full, and as drawn.
    kind : str
        'model' or 'codec' if evaluated, or 'published'.
    bpp, psnr : tuple of float
        Real bits per pixel; mean of the pictures' PSNR in dB.
    ms_ssim : tuple of float
        Empty if it was not measured.
    shown : bool
        Whether it belongs to the default selection.
    """

    name: str
    label: str
    kind: Kind
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    ms_ssim: tuple[float, ...] = ()
    shown: bool = True

    def points(self, metric: Metric) -> tuple[list[float], list[float]]:
        """Rates and qualities in dB, by rate; empty if not measured.

        MS-SSIM becomes ``-10 log10(1 - MS-SSIM)``.
        """
        values = self.psnr
        if metric == 'ms-ssim':
            values = tuple(_decibels(v) for v in self.ms_ssim)
        pairs = zip(self.bpp, values, strict=False)
        kept = sorted((b, v) for b, v in pairs if math.isfinite(v))
        return [b for b, _ in kept], [v for _, v in kept]


def published_curves() -> list[Curve]:
    """The published curves on Kodak; the file names each one's source."""
    folder = resources.files('napari_sft_training') / 'data'
    text = (folder / 'published_curves.json').read_text(encoding='utf-8')
    return [
        Curve(
            entry['name'],
            entry.get('label', entry['name']),
            'published',
            tuple(entry['bpp']),
            tuple(entry['psnr']),
            tuple(entry.get('ms_ssim', ())),
            'label' in entry,
        )
        for entry in json.loads(text)['curves']
        if len(entry['bpp']) > 1
    ]


def read_results(paths: Sequence[Path]) -> tuple[list[Curve], list[str]]:
    """Curves of what ``napari-sft evaluate --json`` wrote.

    Of a codec that several evaluations compared with, the first counts.

    Returns
    -------
    curves, notes
        Models first; and a line for each file that is not about Kodak.

    Raises
    ------
    ResultsError
        A file is missing, damaged or of gray pictures.
    """
    models: list[Curve] = []
    codecs: dict[str, Curve] = {}
    notes = []
    for path in paths:
        content = _read(path)
        try:
            models.append(_model_curve(content, path))
            for name, curve in content.get('rival_curves', {}).items():
                codecs.setdefault(name, _codec_curve(name, curve))
            pictures = {Path(p).stem for p in content['levels'][0]['images']}
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ResultsError(
                f'{path}: not what `napari-sft evaluate --json` writes: '
                f'{error!r}'
            ) from None
        if pictures != KODAK:
            notes.append(
                f"{path}: its pictures are not Kodak's 24 (number: "
                f'{len(pictures)}), which the published curves are of'
            )
    return [*_told_apart(models, paths), *codecs.values()], notes


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ResultsError(f'{path}: {error.strerror}') from None
    except ValueError as error:
        raise ResultsError(f'{path}: no JSON: {error}') from None
    if not isinstance(content, dict) or 'levels' not in content:
        raise ResultsError(
            f'{path}: not what `napari-sft evaluate --json` writes'
        )
    if content.get('gray'):
        raise ResultsError(
            f'{path}: evaluated in gray, but published curves are in colour; '
            'evaluate without --gray'
        )
    return content


def _model_curve(content: dict[str, Any], path: Path) -> Curve:
    means = [level['mean'] for level in content['levels']]
    similar = [mean['ms_ssim'] for mean in means]
    label = Path(str(content.get('model', path.stem))).stem
    return Curve(
        label,
        label,
        'model',
        tuple(float(mean['bpp']) for mean in means),
        tuple(float(mean['psnr']) for mean in means),
        () if None in similar else tuple(similar),
    )


def _codec_curve(name: str, curve: dict[str, Any]) -> Curve:
    label = CODEC_LABELS.get(name, name) + MEASURED
    similar = curve['ms_ssim']
    return Curve(
        label,
        label,
        'codec',
        tuple(curve['bpp']),
        tuple(curve['psnr']),
        () if None in similar else tuple(similar),
    )


def _told_apart(models: list[Curve], paths: Sequence[Path]) -> list[Curve]:
    """Models of the same name get that of their file, too."""
    counts = Counter(model.label for model in models)
    return [
        replace(model, name=label, label=label)
        for model, path in zip(models, paths, strict=True)
        for label in [
            f'{model.label} ({path.stem})'
            if counts[model.label] > 1
            else model.label
        ]
    ]


def bd_rate_to_paper(curve: Curve, metric: Metric = 'psnr') -> float | None:
    """Percent more bits than the paper's curve at equal quality.

    By PCHIP over the qualities that both reach; None where they share none,
    the curve lacks the metric or has too few points.
    """
    if len(curve.bpp) < LEAST_LEVELS:
        return None
    paper = next(c for c in published_curves() if c.name == PAPER)
    try:
        return bd_rate(*paper.points(metric), *rising(*curve.points(metric)))
    except SftError:
        return None


def rising(
    bpp: Sequence[float], quality: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Only points better than all cheaper ones, as BD-rates need them."""
    kept_bpp: list[float] = []
    kept: list[float] = []
    for rate, value in zip(bpp, quality, strict=True):
        if not kept or value > kept[-1]:
            kept_bpp.append(rate)
            kept.append(value)
    return kept_bpp, kept


def _decibels(similarity: float) -> float:
    if similarity >= 1:
        return math.inf
    return -10 * math.log10(1 - similarity)
