"""`napari-sft demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_sft.cli.options import DeviceOption, ForceOption, ModelOption


def demo(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar='[OUTDIR]', help='Folder to write into, made if new.'
        ),
    ] = Path('napari-sft-demo'),
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    force: ForceOption = False,
) -> None:
    """Encode a photograph with a painted map, and show what that does.

    Writes original.png, map.png, demo.sft, reconstruction.png and
    comparison.png, which sets them beside a JPEG of the same size. The
    photograph comes with scikit-image; nothing is downloaded.

    \b
    Example:
      napari-sft demo out
    """
    from napari_sft.demo import run_demo

    result = run_demo(folder, model=model, device=device, force=force)
    for path in result.files:
        typer.echo(path)
    for line in result.lines():
        typer.echo(line)
