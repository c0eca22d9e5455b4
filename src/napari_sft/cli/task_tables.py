"""The tables of `napari-sft task`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sft.console import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sft.tasks.classification_results import Point
    from napari_sft.tasks.equal_rate import Row


def print_points(points: Sequence[Point], pictures: int) -> None:
    """The paper's table, and accuracies at the uniform maps' rates."""
    from napari_sft.tasks import classification_results as results

    print_table(
        ('map', 'setting', 'real bpp', 'top-1', 'top-5', 's to find'),
        [
            (
                p.method,
                p.name,
                '-' if p.bpp is None else f'{p.bpp:.4f}',
                f'{p.top1:.3f}',
                f'{p.top5:.3f}',
                f'{p.seconds:.2f}' if p.seconds else '-',
            )
            for p in points
        ],
        f'{pictures} pictures',
    )
    uniform = [p for p in points if p.method == results.UNIFORM]
    methods = list(dict.fromkeys(p.method for p in points))
    others = methods[2:]
    columns = [results.at_rates(points, method) for method in others]
    print_table(
        ('real bpp', 'uniform', *others),
        [
            (
                f'{p.bpp:.4f}',
                f'{p.top1:.3f}',
                *('-' if a is None else f'{a:.3f}' for a in row),
            )
            for p, *row in zip(uniform, *columns, strict=True)
        ],
        'top-1 at equal real bpp',
    )
    for line in results.verdicts(points):
        typer.echo(line)


def print_rows(rows: Sequence[Row], pictures: int) -> None:
    """Both maps' figures at each rate."""
    names = list(rows[0].uniform)
    print_table(
        (
            'uniform quality',
            'real bpp',
            'real bpp of task',
            *(f'{name}, uniform' for name in names),
            *(f'{name}, task' for name in names),
        ),
        [
            (
                'original' if row.quality is None else f'{row.quality:g}',
                f'{row.uniform_bpp:.4f}',
                f'{row.task_bpp:.4f}',
                *(f'{row.uniform[name]:.4f}' for name in names),
                *(f'{row.task[name]:.4f}' for name in names),
            )
            for row in rows
        ],
        f'{pictures} pictures, files of equal size',
    )
    for name in names:
        lower = sum(row.task[name] < row.uniform[name] for row in rows[1:])
        typer.echo(
            f"{name}: lower with the task's maps at {lower} of "
            f'{len(rows) - 1} rates'
        )
