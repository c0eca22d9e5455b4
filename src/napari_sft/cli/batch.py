"""The same work on many files: what and where to, progress, failures."""

from __future__ import annotations

import glob
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import typer

from napari_sft.cli.failure import one_line, say
from napari_sft.codec.errors import SftError
from napari_sft.console import progress_bar
from napari_sft.picture import is_zarr

if TYPE_CHECKING:
    from rich.progress import Progress

Row = TypeVar('Row')
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Pair:
    """A file to read and the file to write from it."""

    source: Path
    target: Path


@dataclass
class Outcome(Generic[Row]):
    """What came of the files that went well, and how many did not."""

    rows: list[Row]
    failed: int

    def finish(self) -> None:
        """Leave with exit code 1 if a file failed."""
        total = self.failed + len(self.rows)
        if self.failed and total > 1:
            say(f'{self.failed} of {total} files failed')
        if self.failed:
            raise typer.Exit(1)


def expand(
    paths: Sequence[Path], find: Callable[[Path], list[Path]]
) -> list[Path]:
    """Files of paths, patterns and folders, in the order given.

    Parameters
    ----------
    paths : sequence of Path
        Patterns are for shells that do not expand them.
    find : callable
        The files to take from a folder.

    Raises
    ------
    SftError
        A folder or a pattern holds none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and not is_zarr(path):
            files = find(path)
        elif not path.exists() and glob.has_magic(str(path)):
            files = sorted(map(Path, glob.glob(str(path))))
        else:
            files = [path]
        if not files:
            raise SftError(f'{path} has no files to take')
        found += files
    return list(dict.fromkeys(found))


def pairs_into(
    sources: Sequence[Path], folder: Path | None, suffix: str
) -> list[Pair]:
    """Targets named like the sources, in a folder or beside them.

    Raises
    ------
    SftError
        Two sources would become the same file.
    """
    taken: dict[Path, Path] = {}
    for source in sources:
        target = (folder or source.parent) / f'{source.stem}{suffix}'
        if target in taken:
            raise SftError(
                f'{taken[target]} and {source} would both become {target}; '
                'give them one at a time'
            )
        taken[target] = source
    return [Pair(source, target) for target, source in taken.items()]


def check_target(pair: Pair, force: bool) -> None:
    """Raise SftError if the target exists, or is the source."""
    if pair.target.is_dir():
        raise SftError(f'{pair.target} is a folder; give --out-dir')
    check_folder(pair, force)


def check_folder(pair: Pair, force: bool) -> None:
    """The same where the target is a folder to make."""
    if not pair.target.exists():
        return
    if pair.source.exists() and pair.target.samefile(pair.source):
        raise SftError(f'{pair.target} would overwrite its own source')
    if not force:
        raise SftError(f'{pair.target} exists; give --force to overwrite it')


def run(
    items: Sequence[Pair],
    work: Callable[[Pair, Advance], Row],
    *,
    verb: str,
    debug: bool = False,
) -> Outcome[Row]:
    """Work on each pair, going on after failures.

    Parameters
    ----------
    items : sequence of Pair
        What to work on.
    work : callable
        Does one pair; may report (done, total) planes.
    verb : str
        What is being done, for the progress bar.
    debug : bool
        Whether to show tracebacks.
    """
    rows, failed = [], 0
    with progress_bar() as bar:
        files = bar.add_task(verb, total=len(items), visible=len(items) > 1)
        planes = bar.add_task('', total=1)

        def advance(done: int, total: int) -> None:
            bar.update(planes, completed=done, total=total)

        for pair in items:
            bar.update(
                planes, description=pair.source.name, completed=0, total=1
            )
            try:
                rows.append(work(pair, advance))
            except Exception as error:  # noqa: BLE001
                failed += 1
                line = one_line(error)
                if str(pair.source) not in line:
                    line = f'{pair.source}: {line}'
                if debug:
                    line = f'{line}\n{traceback.format_exc()}'
                _print_above(bar, f'napari-sft: {line}')
            bar.advance(files)
    return Outcome(rows, failed)


def _print_above(bar: Progress, text: str) -> None:
    bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
