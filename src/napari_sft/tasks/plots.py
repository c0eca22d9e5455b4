"""The figures of the tasks' comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sft.image_files import whole_file
from napari_sft.tasks.classification_results import (
    GRAD_CAM,
    ORIGINAL,
    UNIFORM,
    Point,
)
from napari_sft.tasks.equal_rate import Row
from napari_sft.tasks.registry import need

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, https://jfly.uni-koeln.de/color: told apart by everyone.
COLOURS = {UNIFORM: '#0072B2', GRAD_CAM: '#009E73', ORIGINAL: '#555555'}
OTHERS = ('#E69F00', '#D55E00', '#CC79A7', '#56B4E9')


def plot_accuracy(points: Sequence[Point], path: Path) -> None:
    """Draw the paper's figure: accuracy against real bits per pixel.

    Lines of top-1 accuracy are solid, those of top-5 dashed.
    """
    methods = list(dict.fromkeys(point.method for point in points))
    others = cycle(OTHERS)

    def draw(axes: Axes) -> None:
        for method in methods:
            colour = COLOURS.get(method) or next(others)
            own = [point for point in points if point.method == method]
            for style, top in (('-', 'top1'), ('--', 'top5')):
                label = f'{method} @{top[3:]}'
                if method == ORIGINAL:
                    axes.axhline(
                        getattr(own[0], top), color=colour, linestyle=style
                    )
                    continue
                line = sorted((p.bpp or 0, getattr(p, top)) for p in own)
                axes.plot(
                    *zip(*line, strict=True),
                    style,
                    color=colour,
                    marker='o',
                    markersize=3.5,
                    label=label,
                )
        axes.set_ylabel('accuracy')

    _figure(path, draw)


def plot_rows(rows: Sequence[Row], path: Path) -> None:
    """Draw each figure of a trial against real bits per pixel."""
    shown = [row for row in rows if row.quality is not None]
    styles = cycle(('-', '--', '-.', ':'))

    def draw(axes: Axes) -> None:
        for name in shown[0].uniform:
            style = next(styles)
            for kind, colour in (('uniform', '#0072B2'), ('task', '#D55E00')):
                axes.plot(
                    [getattr(row, f'{kind}_bpp') for row in shown],
                    [getattr(row, kind)[name] for row in shown],
                    style,
                    color=colour,
                    marker='o',
                    markersize=3.5,
                    label=f'{kind} map: {name}',
                )
        axes.set_ylim(bottom=0)

    _figure(path, draw)


def _figure(path: Path, draw: Any) -> None:
    need({'matplotlib': 'matplotlib'}, 'the plot')
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout='constrained')
    axes = figure.add_subplot()
    draw(axes)
    axes.set_xlabel('bits per pixel, of real files')
    axes.grid(color='whitesmoke')
    axes.legend(fontsize='small', frameon=False)
    with whole_file(path) as part:
        figure.savefig(part, dpi=160)
