"""What all data preparation shares: checked pictures, parallel, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from napari_sft_training.lists import DataError, write_list
from napari_sft_training.processes import each_done

MIN_SIDE = 256  # pixels: a patch of the paper
CHUNK = 8  # tasks sent to a process at once
USABLE = ('made', 'kept', 'taken')

Task = TypeVar('Task')
OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What came of one picture.

    Attributes
    ----------
    status : str
        One of `USABLE`, or why the picture is left out.
    row : tuple of str
        Its row of the list.
    detail : str
        More about a picture that is left out, with its path.
    """

    status: str
    row: tuple[str, ...] = ()
    detail: str = ''


@dataclass
class Summary:
    """What came of all pictures.

    Attributes
    ----------
    path : Path
        The list that was written.
    counts : dict of str to int
        Pictures by status, the most frequent first.
    damaged : list of str
        A line for each picture that can't be used.
    """

    path: Path
    counts: dict[str, int]
    damaged: list[str] = field(default_factory=list)

    @property
    def listed(self) -> int:
        """Pictures in the list."""
        return sum(self.counts.get(status, 0) for status in USABLE)


def in_processes(
    work: Callable[[Task], Outcome],
    tasks: Sequence[Task],
    workers: int,
    on_done: OnDone = lambda done, total: None,
) -> list[Outcome]:
    """Do the same work on all tasks; outcomes in their order.

    Parameters
    ----------
    work : callable
        A function of a module, since other processes have to find it.
    tasks : sequence
        What it gets.
    workers : int
        Processes; 1 for none beside this one.
    on_done : callable
        Called after each task with the number of tasks done and of all.

    Raises
    ------
    DataError
        A process was ended from outside.
    """
    outcomes = []
    for outcome in each_done(work, tasks, workers, CHUNK):
        outcomes.append(outcome)
        on_done(len(outcomes), len(tasks))
    return outcomes


def summarise(
    path: Path, columns: Sequence[str], outcomes: Sequence[Outcome]
) -> Summary:
    """Write the list of the usable pictures, and count.

    Raises
    ------
    DataError
        No picture is usable, so no list is written.
    """
    counts = dict(Counter(o.status for o in outcomes).most_common())
    damaged = [o.detail for o in outcomes if o.detail]
    summary = Summary(path, counts, damaged)
    if not summary.listed:
        told = ', '.join(f'{n} {status}' for status, n in counts.items())
        first = f'; {damaged[0]}' if damaged else ''
        raise DataError(f'no picture can be used: {told or "none"}{first}')
    rows = [o.row for o in outcomes if o.status in USABLE]
    write_list(path, columns, rows)
    return summary
