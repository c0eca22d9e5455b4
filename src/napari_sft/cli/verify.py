"""`napari-sft verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sft.cli import batch
from napari_sft.cli.options import DeviceOption
from napari_sft.cli.tables import size_text

if TYPE_CHECKING:
    from napari_sft.verification import Verification


def verify(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar='IN.sft...', help='Files, patterns or folders.'
        ),
    ],
    device: DeviceOption = 'auto',
) -> None:
    """Decode every symbol of .sft files and compare it with its checksum.

    Prints a line for each sound file; the exit code is 1 if any is not.

    \b
    Examples:
      napari-sft verify photo.sft
      napari-sft verify scans/
    """
    import napari_sft

    sources = batch.expand(paths, lambda p: sorted(p.glob('*.sft')))

    def work(
        pair: batch.Pair, advance: batch.Advance
    ) -> tuple[Path, Verification]:
        found = napari_sft.verify(pair.source, device=device, progress=advance)
        return pair.source, found

    outcome = batch.run(
        [batch.Pair(source, source) for source in sources],
        work,
        verb='verifying',
        debug=bool(ctx.obj),
    )
    for source, found in outcome.rows:
        typer.echo(f'{source}: {_line(found)}')
    outcome.finish()


def _line(found: Verification) -> str:
    parts = [
        f'{count} {thing}' if count == 1 else f'{count} {thing}s'
        for count, thing in ((found.planes, 'plane'), (found.tiles, 'tile'))
    ]
    return (
        f'sound, {size_text(found.nbytes)}, {", ".join(parts)}, '
        f'model {found.model}'
    )
