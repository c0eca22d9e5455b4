"""`napari-sft-train prepare`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sft_training.failure import errors_on_one_line

if TYPE_CHECKING:
    from napari_sft_training.prepare import OnDone, Summary

SHOWN = 5  # lines about damaged pictures

prepare = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help='Lists of pictures to train from, and masks of their regions.',
)
WorkersOption = Annotated[
    int | None,
    typer.Option(
        '--workers', metavar='N', min=1, help='Processes; one a core.'
    ),
]
MinSideOption = Annotated[
    int,
    typer.Option(
        '--min-side',
        metavar='PIXELS',
        min=1,
        help='Leave out pictures with a smaller side.',
    ),
]


@prepare.command()
def coco(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar='DIR', help='With annotations/ and the pictures.'
        ),
    ],
    out: Annotated[
        Path, typer.Option('--out', metavar='OUT', help='Folder to write to.')
    ] = Path('data'),
    split: Annotated[
        str, typer.Option('--split', help='Which pictures.')
    ] = 'train2017',
    workers: WorkersOption = None,
    min_side: MinSideOption = 256,
) -> None:
    """Turn COCO's annotations into category masks, and list the pictures.

    Reads DIR/annotations/instances_SPLIT.json and DIR/SPLIT/, as of COCO 2014
    and 2017. Writes OUT/SPLIT_mask/*.png (category, 0 for the background,
    later annotations on top) and OUT/coco_SPLIT.csv (path, seg_path).
    Pictures with fewer than two regions are left out. Stop it any time: run
    again, it goes on.

    \b
    Example:
      napari-sft-train prepare coco /data/coco --split train2017
    """
    with prepared() as (on_done, report):
        from napari_sft_training.prepare_coco import prepare_coco

        count = workers or _cores()
        report(prepare_coco(folder, out, split, count, min_side, on_done))


@prepare.command('folder')
def folder_command(
    folder: Annotated[
        Path, typer.Argument(metavar='DIR', help='Searched recursively.')
    ],
    out: Annotated[
        Path, typer.Option('--out', metavar='CSV', help='List to write.')
    ] = Path('data/pictures.csv'),
    regions: Annotated[
        Path | None,
        typer.Option(
            metavar='DIR',
            help='Region numbers: a PNG of the same stem a picture.',
        ),
    ] = None,
    workers: WorkersOption = None,
    min_side: MinSideOption = 256,
) -> None:
    """List the pictures of a folder (path, and seg_path with --regions).

    \b
    Example:
      napari-sft-train prepare folder /data/photos --out photos.csv
    """
    with prepared() as (on_done, report):
        from napari_sft_training.prepare_folder import prepare_folder

        count = workers or _cores()
        report(prepare_folder(folder, out, regions, count, min_side, on_done))


@prepare.command()
def imagenet_subset(
    folder: Annotated[
        Path, typer.Argument(metavar='DIR', help='Where the pictures are.')
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar='CSV',
            help='With path (or name) and label, 0..999; else DIR/labels.csv.',
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option('--out', metavar='CSV', help='List to write.')
    ] = Path('data/imagenet_subset.csv'),
    workers: WorkersOption = None,
) -> None:
    """List labelled pictures (path, label).

    \b
    Example:
      napari-sft-train prepare imagenet-subset /data/val --labels labels.csv
    """
    with prepared() as (on_done, report):
        from napari_sft_training import prepare_folder

        report(
            prepare_folder.prepare_imagenet_subset(
                folder,
                labels or folder / 'labels.csv',
                out,
                workers or _cores(),
                on_done,
            )
        )


@contextmanager
def prepared() -> Iterator[tuple[OnDone, Callable[[Summary], None]]]:
    """A progress bar, and what to tell at the end."""
    from napari_sft.console import progress_bar

    summaries: list[Summary] = []
    try:
        with errors_on_one_line(), progress_bar() as bar:
            task = bar.add_task('preparing', total=None)

            def on_done(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            yield on_done, summaries.append
    except KeyboardInterrupt:
        typer.echo('stopped; run the same again to finish', err=True)
        raise typer.Exit(130) from None
    for summary in summaries:
        _tell(summary)


def _tell(summary: Summary) -> None:
    for line in summary.damaged[:SHOWN]:
        typer.echo(f'left out: {line}', err=True)
    more = len(summary.damaged) - SHOWN
    if more > 0:
        typer.echo(f'left out: {more} more', err=True)
    counts = ', '.join(f'{n} {status}' for status, n in summary.counts.items())
    typer.echo(counts)
    typer.echo(f'{summary.path}: {summary.listed} pictures')


def _cores() -> int:
    return os.cpu_count() or 1
