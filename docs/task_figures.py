"""Write tables and plots of docs/tasks.md from the measured figures.

Give the results.json of new runs of `napari-sft task`; with the repository as
current folder:

    python docs/task_figures.py [RESULTS.json ...]

They are kept as docs/results/*_maps.json, and everything that is kept there
is drawn to docs/*_maps.png and told between the marks in docs/tasks.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from napari_sft.tasks import classification_results as curves
from napari_sft.tasks.equal_rate import Row
from napari_sft.tasks.plots import plot_accuracy, plot_rows

DOCS = Path(__file__).parent
TASKS = {
    'text': 'Character error rate',
    'classification': 'Accuracy',
    'segmentation': 'Errors of number and mean area',
}
PLACES = ('folder', 'source', 'masks', 'truth')  # on the measuring machine


def kept(task: str) -> Path:
    """Where the figures of a task are kept."""
    return DOCS / 'results' / f'{task}_maps.json'


def keep(path: Path) -> None:
    """Keep a run's figures, with the ends of its paths alone."""
    results = json.loads(path.read_text(encoding='utf-8'))
    for place in PLACES:
        if results.get(place):
            results[place] = '/'.join(Path(results[place]).parts[-2:])
    text = json.dumps(results, indent=1, ensure_ascii=False) + '\n'
    kept(results['task']).write_text(text, encoding='utf-8')


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def best(values: Sequence[float | None], better: Any) -> list[str]:
    """Values to three places, the best in bold; a dash for none."""
    rounded = [None if v is None else round(v, 3) for v in values]
    known = {v for v in rounded if v is not None}
    top = better(known) if len(known) > 1 else None
    return [
        '-' if v is None else f'**{v:.3f}**' if v == top else f'{v:.3f}'
        for v in rounded
    ]


def tell_rows(results: dict[str, Any], plot: Path) -> str:
    """Both maps' errors at each rate."""
    rows = [Row(**row) for row in results['rows']]
    plot_rows(rows, plot)
    names = list(rows[0].uniform)
    head = ['uniform quality', 'real bpp', 'with the map']
    head += [f'{n}, {kind}' for n in names for kind in ('uniform', 'map')]
    lines = []
    for row in rows:
        line = ['original' if row.quality is None else f'{row.quality:g}']
        line += [f'{row.uniform_bpp:.4f}', f'{row.task_bpp:.4f}']
        for name in names:
            line += best([row.uniform[name], row.task[name]], min)
        lines.append(line)
    below = [
        f'{n} at {sum(r.task[n] < r.uniform[n] for r in rows[1:])}'
        for n in names
    ]
    rates = len(rows) - 1
    told = f'Of {rates} rates the map is below uniform ones in ' + ', '.join(
        below
    )
    return table(head, lines) + f'\n\n{told}.\n'


def tell_points(results: dict[str, Any], plot: Path) -> str:
    """Top-1 accuracy at equal rates, then every point."""
    points = [curves.Point(**point) for point in results['points']]
    plot_accuracy(points, plot)
    uniform = [p for p in points if p.method == curves.UNIFORM]
    others = list(dict.fromkeys(p.method for p in points))[2:]
    columns = [curves.at_rates(points, method) for method in others]
    equal = [
        [f'{p.bpp:.4f}', *best([p.top1, *row], max)]
        for p, *row in zip(uniform, *columns, strict=True)
    ]
    every = [
        [
            p.method,
            p.name,
            '-' if p.bpp is None else f'{p.bpp:.4f}',
            f'{p.top1:.3f}',
            f'{p.top5:.3f}',
        ]
        for p in points
    ]
    said = [f'- {line}' for line in curves.verdicts(points)]
    about = (
        f'Top-1 accuracy of {results["pictures"]} pictures at the real bpp of '
        f'uniform maps\n(original: {points[0].top1:.3f}; between measured '
        'rates by straight lines):'
    )
    return '\n\n'.join(
        [
            about,
            table(['real bpp', 'uniform', *others], equal),
            '\n'.join(said),
            'All points:',
            table(['map', 'setting', 'real bpp', 'top-1', 'top-5'], every),
        ]
    )


def main(paths: Sequence[str]) -> None:
    """Keep new figures, and tell what there is."""
    for path in paths:
        keep(Path(path))
    page = DOCS / 'tasks.md'
    text = page.read_text(encoding='utf-8')
    for task, figure in TASKS.items():
        told = 'Not measured with these weights yet.'
        if kept(task).exists():
            results = json.loads(kept(task).read_text(encoding='utf-8'))
            tell = tell_points if 'points' in results else tell_rows
            plot = DOCS / f'{task}_maps.png'
            told = tell(results, plot).strip()
            told += f'\n\n![{figure} against bits per pixel]({plot.name})'
        start, end = f'<!-- {task} -->', f'<!-- end of {task} -->'
        text, found = re.subn(
            f'{start}.*?{end}',
            lambda _, told=told, a=start, b=end: f'{a}\n{told}\n\n{b}',
            text,
            flags=re.DOTALL,
        )
        if found != 1:
            raise SystemExit(f'{page} needs {start} and {end} once')
    page.write_text(text, encoding='utf-8')
    print(f'wrote {page}')


if __name__ == '__main__':
    main(sys.argv[1:])
