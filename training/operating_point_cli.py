"""`napari-sft-train rename-quality`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_sft_training.failure import errors_on_one_line


def rename_quality(
    checkpoint: Annotated[
        Path, typer.Argument(help='Snapshot of a run of compact.')
    ],
    by: Annotated[
        list[float],
        typer.Option(
            '--by',
            help='How much lower the quality is whose place is taken.',
        ),
    ] = [0, 2, 4, 6],  # noqa: B006 - typer wants a list
    out: Annotated[
        Path | None,
        typer.Option(
            '--out', metavar='FILE', help='Write the snapshot of one --by.'
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The run's config, if not beside it.")
    ] = None,
) -> None:
    """Have a model do at each quality what it did at a lower one.

    Without --out, measure on the held-out patches what that would give: the
    losses at qualities 0, 25, 50, 75 and 100 are lowest where rate and
    distortion are weighed as these qualities promise.

    \b
    Examples:
      napari-sft-train rename-quality results/compact/snapshots/last.pt
      napari-sft-train rename-quality results/compact/snapshots/last.pt
          --by 4 --out renamed.pt
    """
    with errors_on_one_line():
        from rich.progress import track

        from napari_sft.codec.errors import SftError
        from napari_sft.console import print_table
        from napari_sft_training.config import config_of_run
        from napari_sft_training.loop import QUICK_LEVELS
        from napari_sft_training.operating_point import measured, rename

        settings = config_of_run(checkpoint, config)
        if out:
            if len(by) != 1:
                raise SftError('give --out with one --by, such as --by 4')
            rename(checkpoint, settings, by[0], out)
            return
        losses = track(
            measured(checkpoint, settings, by),
            description='Coding',
            total=len(by),
            transient=True,
        )
        head = ['lower by', *(f'{100 * q:g}' for q in QUICK_LEVELS), 'mean']
        rows = [
            [f'{shift:g}', *(f'{x:.4f}' for x in [*row, sum(row) / len(row)])]
            for shift, row in zip(by, losses, strict=True)
        ]
        print_table(head, rows, 'Loss by quality')
