"""The rate-distortion figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.codec.errors import SftError
from napari_sft_training.curves import (
    MEASURED,
    PAPER,
    Curve,
    Metric,
    bd_rate_to_paper,
    rising,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BPP = 1.6
SUFFIXES = ('.png', '.pdf', '.svg')
AXIS_LABELS: dict[Metric, str] = {
    'psnr': 'PSNR (dB)',
    'ms-ssim': '$-10\\,\\log_{10}(1 - $MS-SSIM$)$ (dB)',
}
# Okabe and Ito, https://jfly.uni-koeln.de/color: told apart by everyone.
MODEL_COLOURS = ('#D55E00', '#CC79A7', '#009E73', '#56B4E9')
CODEC_COLOURS = {
    'JPEG': '#8C6D31',
    'WebP': '#E0A100',
    'JPEG 2000': '#637939',
    'AVIF': '#1B9E77',
    'JPEG XL': '#A6558C',
    'BPG': '#4C72B0',
    'EVC-SS': '#7B6FD0',
    'VTM 9.1': '#56B4E9',
}
OTHERS = ('#9A9A9A', '#B58B6B', '#7FA8A0', '#A58FB8', '#B7A95F', '#7E93B5')
BETWEEN = 8  # steps from one point of a curve to the next
STRONG = {
    'linewidth': 2.2,
    'markersize': 4.5,
    'markevery': BETWEEN,
    'zorder': 4,
}
LEGEND_ROWS = 34
DASHES: tuple[Any, ...] = ('-', (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def draw(
    curves: Sequence[Curve], metrics: Sequence[Metric] = ('psnr', 'ms-ssim')
) -> Figure:
    """Draw quality against real bits per pixel, a panel for each metric.

    The legend tells each curve's BD-rate of PSNR against the paper's, from
    the best to the worst.

    Raises
    ------
    SftError
        matplotlib is not installed.
    """
    ranked = by_bd_rate(curves)
    columns = 1 + (len(ranked) - 1) // LEGEND_ROWS
    figure: Figure = figure_class()(
        figsize=(
            5.2 * len(metrics) + 2.9 * columns,
            5.2 if columns == 1 else 6.6,
        ),
        layout='constrained',
    )
    styled = list(zip(ranked, _styles([c for c, _ in ranked]), strict=True))
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for panel, metric in zip(panels, metrics, strict=True):
        for (curve, _), style in styled:
            panel.plot(*smooth(*curve.points(metric)), **style)
        _frame(panel, curves, metric)
    _add_legend(figure, styled, columns)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises
    ------
    SftError
        The suffix is none of `SUFFIXES`, or it can't be written.
    """
    from napari_sft.image_files import whole_file

    if path.suffix.lower() not in SUFFIXES:
        raise SftError(f'{path}: figures are written as {", ".join(SUFFIXES)}')
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        figure.savefig(part, dpi=150)


def by_bd_rate(
    curves: Sequence[Curve],
) -> list[tuple[Curve, float | None]]:
    """Curves with their BD-rate of PSNR, the best first, unknown ones last."""
    rated = [(curve, bd_rate_to_paper(curve)) for curve in curves]
    return sorted(rated, key=lambda x: (x[1] is None, x[1] or 0.0))


def smooth(
    bpp: Sequence[float], quality: Sequence[float]
) -> tuple[list[float], list[float]]:
    """The points of a curve and, between each two, `BETWEEN - 1` more.

    By the interpolation of the BD-rate, so that curves of few points are
    not drawn worse than they count.
    """
    from scipy.interpolate import PchipInterpolator

    rates, values = (np.array(x) for x in rising(bpp, quality))
    if len(values) < 2:
        return rates.tolist(), values.tolist()
    knots = np.arange(len(values))
    fine = np.arange(BETWEEN * (len(values) - 1) + 1) / BETWEEN
    dense = np.interp(fine, knots, values)
    drawn = np.exp(PchipInterpolator(values, np.log(rates))(dense))
    return drawn.tolist(), dense.tolist()


def rate_text(rate: float | None) -> str:
    """A BD-rate as it is shown."""
    return (
        '-'
        if rate is None
        else f'{rate:+.1f} %'.replace('-', '\N{MINUS SIGN}')
    )


def _styles(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Settings of each curve's line; the evaluated models stand out."""
    models = cycle(MODEL_COLOURS)
    others = cycle(
        {'color': colour, 'linestyle': dash, 'linewidth': 1.0, 'zorder': 2}
        for dash in DASHES
        for colour in OTHERS
    )
    styles: list[dict[str, Any]] = []
    for curve in curves:
        colour = CODEC_COLOURS.get(curve.label.removesuffix(MEASURED))
        if curve.kind == 'model':
            style = {'color': next(models), 'marker': 'o', **STRONG}
        elif curve.name == PAPER:
            style = {'color': 'black', 'marker': 's', **STRONG}
        elif colour is None:
            style = next(others)
        else:
            dash = (0, (4, 1.5)) if curve.kind == 'codec' else '-'
            style = {'color': colour, 'linestyle': dash, 'linewidth': 1.5}
        styles.append(style)
    return styles


def _frame(panel: Axes, curves: Sequence[Curve], metric: Metric) -> None:
    """Limits that hold the models and the paper, whatever else there is."""
    panel.set_xlim(0, MAX_BPP)
    panel.set_xlabel('bits per pixel')
    panel.set_ylabel(AXIS_LABELS[metric])
    panel.grid(color='#E6E6E6', linewidth=0.7)
    panel.set_axisbelow(True)
    panel.spines[['top', 'right']].set_visible(False)
    leading = [c for c in curves if c.kind == 'model' or c.name == PAPER]
    lowest = [min(v) for c in leading for _, v in [c.points(metric)] if v]
    seen = [
        value
        for curve in curves
        for rate, value in zip(*curve.points(metric), strict=True)
        if rate <= MAX_BPP
    ]
    if seen:
        low = min(lowest, default=min(seen))
        panel.set_ylim(low - 0.5, max(seen) + 0.5)


def _add_legend(
    figure: Figure,
    styled: Sequence[tuple[tuple[Curve, float | None], dict[str, Any]]],
    columns: int,
) -> None:
    from matplotlib.lines import Line2D

    texts = [
        curve.label
        if curve.name == PAPER
        else f'{curve.label}  {rate_text(rate)}'
        for (curve, rate), _ in styled
    ]
    figure.legend(
        [Line2D([], [], **style) for _, style in styled],
        texts,
        loc='outside right center',
        ncols=columns,
        frameon=False,
        fontsize=9 if columns == 1 else 7,
        handlelength=2.6,
        labelspacing=0.8 if columns == 1 else 0.4,
        title="BD-rate against the paper's PSNR",
        title_fontsize=9,
        alignment='left',
    )


def figure_class() -> type[Figure]:
    """Matplotlib's figures; without pyplot they open no window.

    Raises
    ------
    SftError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SftError(
            'plots need matplotlib: pip install napari-sft[training]'
        ) from None
    return Figure
