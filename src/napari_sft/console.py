"""What both command lines show in a terminal: progress and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on standard error, gone when done; none without a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        yield bar


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], title: str = ''
) -> None:
    """Print a table, its first column to the left and the others right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    # What is piped has no width to keep to.
    if not console.is_terminal:
        console = Console(width=1000)
    table = Table(title=title or None, box=box.SIMPLE_HEAD)
    for number, name in enumerate(head):
        table.add_column(
            name,
            justify='right' if number else 'left',
            overflow='fold',
            no_wrap=number > 0,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
