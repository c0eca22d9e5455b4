"""`napari-sft-train plot` and `plot-runs`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sft_training.failure import errors_on_one_line

if TYPE_CHECKING:
    from napari_sft_training.curves import Curve


class MetricChoice(str, Enum):
    """What `--metric` takes."""

    psnr = 'psnr'
    ms_ssim = 'ms-ssim'


def plot(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar='RESULTS.json...',
            help='Written by `napari-sft evaluate FOLDER --json`.',
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            '--out', metavar='FILE', help='Figure: .png, .pdf or .svg.'
        ),
    ] = Path('rd.png'),
    metric: Annotated[
        MetricChoice | None,
        typer.Option('--metric', help='Only this panel, not both.'),
    ] = None,
    bd_rate: Annotated[
        bool,
        typer.Option(
            '--bd-rate', help="Print BD-rates against the paper's curve."
        ),
    ] = False,
    every: Annotated[
        bool,
        typer.Option('--all', help='Draw every published curve.'),
    ] = False,
) -> None:
    """Draw quality against real bits per pixel, beside published curves.

    The published curves are about the 24 pictures of Kodak. Codecs that the
    evaluation compared with (`--compare`) are drawn dashed.

    \b
    Examples:
      napari-sft evaluate kodak --compare jpeg,avif --json kodak.json
      napari-sft-train plot kodak.json --out rd.png --bd-rate
    """
    with errors_on_one_line():
        from napari_sft_training.curves import published_curves, read_results
        from napari_sft_training.plot import draw, save

        evaluated, notes = read_results(results)
        for note in notes:
            typer.echo(f'note: {note}', err=True)
        published = [c for c in published_curves() if c.shown or every]
        curves = [*evaluated, *published]
        chosen = [metric.value] if metric else ['psnr', 'ms-ssim']
        save(draw(curves, chosen), out)
        if bd_rate:
            _print_bd_rates(curves)
        typer.echo(f'{out}: {len(curves)} curves')


def plot_runs(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar='[LABEL=]RUN...',
            help="Folders in results/, or their log.jsonl; '=' names one.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            '--out', metavar='FILE', help='Figure: .png, .pdf or .svg.'
        ),
    ] = Path('runs.png'),
) -> None:
    """Draw the validation loss of runs against their steps.

    Only runs with the same validation patches compare.

    \b
    Example:
      napari-sft-train plot-runs Adam=results/a Muon=results/b --out runs.png
    """
    with errors_on_one_line():
        from napari_sft_training.plot import save
        from napari_sft_training.training_curve import draw_runs, read_log

        curves = []
        for log in logs:
            label, _, path = log.rpartition('=')
            curves.append(read_log(Path(path), label))
        save(draw_runs(curves), out)
        typer.echo(f'{out}: {len(curves)} runs')


def _print_bd_rates(curves: Sequence[Curve]) -> None:
    from napari_sft.console import print_table
    from napari_sft_training.curves import bd_rate_to_paper
    from napari_sft_training.plot import by_bd_rate, rate_text

    rows = []
    for curve, rate in by_bd_rate(curves):
        similar = rate_text(bd_rate_to_paper(curve, 'ms-ssim'))
        rows.append((curve.label, rate_text(rate), similar))
    print_table(
        ('Codec', 'PSNR', 'MS-SSIM'),
        rows,
        "BD-rate against the paper's curve (PCHIP, mean of per-image values)",
    )
