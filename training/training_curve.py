"""The figure of runs: loss on the validation patches against steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sft.codec.errors import SftError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RunCurve:
    """What a run's log tells of its validations.

    Attributes
    ----------
    label : str
    steps : tuple of int
    losses : tuple of float
        Mean over the validation patches and qualities.
    """

    label: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def read_log(path: Path, label: str = '') -> RunCurve:
    """Read a run's log.jsonl.

    Parameters
    ----------
    path : Path
        The log, or the run's folder.
    label : str
        Name in the legend; that of the run's folder if none.

    Raises
    ------
    SftError
        It is missing, damaged or has no validation yet.
    """
    file = path / 'log.jsonl' if path.is_dir() else path
    found: dict[int, float] = {}
    try:
        for line in file.read_text(encoding='utf-8').splitlines():
            entry = json.loads(line)
            if 'validation' in entry:
                found[int(entry['step'])] = float(entry['validation'])
    except OSError as error:
        raise SftError(f'{file}: {error.strerror}') from None
    except (ValueError, TypeError, KeyError):
        raise SftError(
            f'{file}: no log of a run; give results/NAME/log.jsonl'
        ) from None
    if not found:
        raise SftError(f'{file}: the run was not validated yet')
    steps = tuple(sorted(found))
    losses = tuple(found[step] for step in steps)
    return RunCurve(label or file.parent.name, steps, losses)


def draw_runs(curves: Sequence[RunCurve]) -> Figure:
    """A line for each run, steps on a logarithmic axis."""
    from napari_sft_training.plot import MODEL_COLOURS, figure_class

    figure_type = figure_class()
    from matplotlib.ticker import LogLocator

    figure: Figure = figure_type(figsize=(6.4, 4.2), layout='constrained')
    panel = figure.subplots()
    for number, curve in enumerate(curves):
        colour = MODEL_COLOURS[number % len(MODEL_COLOURS)]
        style = {'color': colour, 'marker': 'o', 'markersize': 3}
        panel.plot(curve.steps, curve.losses, label=curve.label, **style)
    panel.set_xscale('log', subs=[])
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter('{x:,.0f}')
    panel.set_xlabel('Steps')
    panel.set_ylabel('Loss on the validation patches')
    panel.grid(color='0.9')
    panel.spines[['top', 'right']].set_visible(False)
    panel.legend(frameon=False, fontsize=8)
    return figure
