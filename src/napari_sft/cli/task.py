"""`napari-sft task`: what maps found by a task are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sft.cli.options import DeviceOption, ModelOption
from napari_sft.cli.task_tables import print_points, print_rows
from napari_sft.console import progress_bar

if TYPE_CHECKING:
    from napari_sft.tasks.equal_rate import Trial

task = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Compare maps found by a task with uniform ones.

Every figure is of whole files and of the pictures decoded from them. A
comparison takes long: what is measured is kept in a folder (--out), and the
same command goes on where it stopped.
""",
)

Folder = Annotated[
    Path, typer.Argument(metavar='FOLDER', help='Folder of pictures.')
]
OutOption = Annotated[
    Path,
    typer.Option(
        '--out', metavar='DIR', help='Folder for measurements, JSON and plot.'
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        '--limit', metavar='N', min=1, help='Only the first N pictures.'
    ),
]
QualitiesOption = Annotated[
    str,
    typer.Option(
        '--qualities', metavar='Q,…', help='Qualities of the uniform maps.'
    ),
]


@task.command()
def classification(
    source: Annotated[
        Path,
        typer.Argument(
            metavar='FOLDER|CSV',
            help='Folder of pictures, with or without labels.csv, or such a '
            'file: columns path and label.',
        ),
    ],
    out: OutOption = Path('classification'),
    iterations: Annotated[
        str,
        typer.Option(
            '--iterations', metavar='N,…', help='Of the search for maps.'
        ),
    ] = '3,5',
    weights: Annotated[
        str,
        typer.Option(
            '--lambdas',
            metavar='L,…',
            help='Weights of the cross-entropy against bits per pixel.',
        ),
    ] = '1e-4,1e-3,4e-3,1e-2,0.1,1,10,100,1000',
    steps: Annotated[
        int,
        typer.Option(
            '--levels', min=2, help='Uniform qualities, and Grad-CAM factors.'
        ),
    ] = 11,
    estimator: Annotated[
        str, typer.Option('--estimator', help='Classifier that maps are for.')
    ] = 'efficientnet-lite0',
    judge: Annotated[
        str, typer.Option('--judge', help='Classifier that judges.')
    ] = 'efficientnet-lite2',
    predicted: Annotated[
        bool,
        typer.Option(
            '--predicted',
            help='Find maps for what the estimator sees, not for the labels.',
        ),
    ] = False,
    side: Annotated[
        int, typer.Option('--side', min=64, help='Of the squares cut out.')
    ] = 256,
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    limit: LimitOption = None,
) -> None:
    """Accuracy against real bpp: the experiment of the paper.

    Pictures are made smaller and cut to squares as in the paper. One
    classifier finds the maps, another one judges the decoded pictures.
    Classifiers are efficientnet-lite0 and -lite2, or networks of torchvision
    whose weights you have: resnet18, or resnet18=FILE.

    \b
    Examples:
      napari-sft task classification pictures/
      napari-sft task classification labels.csv --iterations 3,5,20 --out run
    """
    from napari_sft.tasks import classification_study as study_of
    from napari_sft.tasks.plots import plot_accuracy

    study = study_of.ClassificationStudy(
        source,
        out,
        [int(n) for n in _numbers(iterations, '--iterations')],
        _numbers(weights, '--lambdas'),
        steps,
        estimator,
        judge,
        predicted,
        round(side * 280 / 256),
        side,
        model,
        device,
        limit,
    )
    points = _with_progress(study, study.total)
    print_points(points, len(study.pictures))
    _finish(out, study_of.as_dict(study, points), plot_accuracy, points)


@task.command()
def text(
    folder: Folder,
    out: OutOption = Path('text'),
    qualities: QualitiesOption = '2,5,10,15,20,30',
    high: Annotated[
        float, typer.Option('--text', help='Quality of text.')
    ] = 80,
    low: Annotated[
        float, typer.Option('--rest', help='Quality of everything else.')
    ] = 10,
    truth: Annotated[
        Path | None,
        typer.Option(
            '--truth',
            metavar='DIR',
            help='Folder of ground truth, if not that of the pictures.',
        ),
    ] = None,
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    limit: LimitOption = None,
) -> None:
    """Character error rate of text maps and uniform maps at equal real bpp.

    Text is found by RapidOCR's detector in the original. Each file of a text
    map is at most as large as that of the uniform map beside it. What is read
    is compared with the ground truth: gt_NAME.txt, NAME.txt, NAME.csv or
    box/NAME.csv with lines x1,y1,x2,y2,x3,y3,x4,y4,text; or, where there is
    none, with what is read in the original. Neither case nor space counts.

    \b
    Example:
      napari-sft task text scans/ --out scans-text
    """
    from napari_sft.tasks.text_trial import TextTrial

    trial = TextTrial(high, low, truth)
    _compare(folder, trial, out, qualities, model, device, limit)


@task.command()
def segmentation(
    folder: Folder,
    out: OutOption = Path('segmentation'),
    qualities: QualitiesOption = '2,10,20,30,45,60',
    kind: Annotated[
        str,
        typer.Option(
            '--map',
            help="'counting' (searched), 'edges' (graded), 'otsu' or "
            "'watershed' (flat on objects).",
        ),
    ] = 'counting',
    method: Annotated[
        str,
        typer.Option(
            '--method', help="How objects are found: 'otsu' or 'watershed'."
        ),
    ] = 'watershed',
    iterations: Annotated[
        int, typer.Option('--iterations', min=1, help='Maps to try.')
    ] = 8,
    high: Annotated[
        float,
        typer.Option('--foreground', help='Highest quality of other maps.'),
    ] = 70,
    low: Annotated[
        float,
        typer.Option('--background', help='Lowest quality of other maps.'),
    ] = 10,
    masks: Annotated[
        Path | None,
        typer.Option(
            '--masks',
            metavar='DIR',
            help='Label images with the names of the pictures, to which other '
            'maps are confined.',
        ),
    ] = None,
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    limit: LimitOption = None,
) -> None:
    """Errors of number and mean area of objects at equal real bpp.

    Objects are found in the original and in the decoded pictures by the same
    method; errors are against the original's. Each file of a task's map is at
    most as large as that of the uniform map beside it. Maps are searched for
    by decoding and segmenting too, so the method that they were not searched
    by judges as well.

    \b
    Example:
      napari-sft task segmentation nuclei/ --qualities 10,30,60
    """
    from napari_sft.tasks.segmentation_trial import SegmentationTrial

    trial = SegmentationTrial(
        kind,  # type: ignore[arg-type]
        method,  # type: ignore[arg-type]
        iterations,
        high,
        low,
        masks,
        model,
        device,
    )
    _compare(folder, trial, out, qualities, model, device, limit)


def _compare(
    folder: Path,
    trial: Trial,
    out: Path,
    qualities: str,
    model: str,
    device: str,
    limit: int | None,
) -> None:
    from napari_sft.tasks.equal_rate import EqualRate, as_dict
    from napari_sft.tasks.plots import plot_rows

    levels = _numbers(qualities, '--qualities')
    study = EqualRate(folder, trial, out, levels, model, device, limit)
    rows = _with_progress(study, study.steps)
    print_rows(rows, len(study.paths))
    about = {
        **trial.settings,
        'folder': str(folder.resolve()),
        'model': model,
        'pictures': len(study.paths),
    }
    _finish(out, as_dict(rows, about), plot_rows, rows)


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(',')]
    except ValueError:
        raise typer.BadParameter(
            f'{text!r} is no list of numbers', param_hint=option
        ) from None


def _with_progress(study: Any, total: int) -> Any:
    with progress_bar() as bar:
        steps = bar.add_task('comparing', total=total)
        study.on_step = lambda: bar.advance(steps)
        return study.run()


def _finish(out: Path, result: Any, plot: Any, what: Any) -> None:
    from napari_sft.tasks.measurements import write_json

    write_json(out / 'results.json', result)
    plot(what, out / 'plot.png')
    typer.echo(f'{out / "results.json"} and {out / "plot.png"} are written')
