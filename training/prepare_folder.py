"""Folders of pictures as lists, with region numbers or labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sft_training.images import read_picture, read_regions
from napari_sft_training.lists import DataError, find_with_regions, read_rows
from napari_sft_training.prepare import (
    MIN_SIDE,
    OnDone,
    Outcome,
    Summary,
    in_processes,
    summarise,
)

CLASSES = 1000  # of ImageNet


@dataclass(frozen=True)
class CheckTask:
    """A picture to check, and what is known of it.

    Attributes
    ----------
    picture : Path
        The picture.
    regions : Path or None
        Its region numbers.
    label : str
        Its class.
    min_side : int
        Smaller pictures are left out.
    """

    picture: Path
    regions: Path | None = None
    label: str = ''
    min_side: int = 1


def prepare_folder(
    folder: Path,
    out: Path,
    regions: Path | None = None,
    workers: int = 1,
    min_side: int = MIN_SIDE,
    on_done: OnDone = lambda done, total: None,
) -> Summary:
    """List the pictures of a folder: `path`, and `seg_path` with `regions`.

    Pictures that are damaged or have a side under `min_side` pixels are left
    out, and those whose region numbers (PNG, same stem) are missing, damaged
    or of another size.

    Raises
    ------
    DataError
        There is no picture, or none that is usable.
    """
    if regions is not None and not regions.is_dir():
        raise DataError(f'{regions}: no such folder of region numbers')
    found = find_with_regions(folder.resolve(), regions and regions.resolve())
    tasks = [
        CheckTask(picture, mask, min_side=min_side)
        for picture, mask in found
        if mask is not None or regions is None
    ]
    outcomes = in_processes(check, tasks, workers, on_done)
    missing = len(found) - len(tasks)
    outcomes += [Outcome('without region numbers')] * missing
    columns = ('path',) if regions is None else ('path', 'seg_path')
    return summarise(out, columns, outcomes)


def prepare_imagenet_subset(
    folder: Path,
    labels: Path,
    out: Path,
    workers: int = 1,
    on_done: OnDone = lambda done, total: None,
) -> Summary:
    """List labelled pictures: `path`, `label`.

    Parameters
    ----------
    folder : Path
        Where the pictures of `labels` are.
    labels : Path
        CSV with the columns `path` (or `name`, as in the paper's public
        code) and `label`, 0..999.
    out, workers, on_done
        As in `prepare_folder`.

    Raises
    ------
    DataError
        `labels` is damaged, or no picture is usable.
    """
    tasks = []
    for line, row in enumerate(read_rows(labels, ['label']), 2):
        name = row.get('path') or row.get('name')
        if not name:
            raise DataError(f'{labels}, row {line}: no path')
        label = row['label'] or ''
        if not label.isdecimal() or int(label) >= CLASSES:
            raise DataError(
                f'{labels}, row {line}: the label must be 0..{CLASSES - 1}, '
                f'not {label!r}'
            )
        tasks.append(CheckTask(folder.resolve() / name, label=label))
    outcomes = in_processes(check, tasks, workers, on_done)
    return summarise(out, ('path', 'label'), outcomes)


def check(task: CheckTask) -> Outcome:
    """Whether a picture can be used; its row has what the task has."""
    try:
        planes = read_picture(task.picture)
    except DataError as error:
        return Outcome('damaged or missing', detail=str(error))
    height, width = planes[0].shape[:2]
    if min(height, width) < task.min_side:
        return Outcome(f'under {task.min_side} pixels')
    row = [str(task.picture)]
    if task.label:
        row.append(task.label)
    if task.regions is not None:
        try:
            regions = read_regions(task.regions)
        except DataError as error:
            return Outcome('with damaged region numbers', detail=str(error))
        if regions.shape != (height, width):
            return Outcome(
                'with region numbers of another size',
                detail=f'{task.regions}: its size is not that of '
                f'{task.picture}',
            )
        row.append(str(task.regions))
    return Outcome('taken', tuple(row))
