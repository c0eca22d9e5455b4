"""`napari-sft models` and `napari-sft models import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sft.cli.tables import print_fields, print_json

models = typer.Typer(rich_markup_mode=None)


@models.callback(invoke_without_command=True)
def list_models(
    ctx: typer.Context,
    as_json: Annotated[
        bool, typer.Option('--json', help='Print JSON instead of text.')
    ] = False,
) -> None:
    """List the models that are installed, or import one.

    \b
    Examples:
      napari-sft models
      napari-sft models import 2M_itrs.pt --name song2021
    """
    if ctx.invoked_subcommand is None:
        _list(as_json)


@models.command('import')
def import_model(
    snapshot: Annotated[
        Path,
        typer.Argument(
            metavar='SNAPSHOT.pt',
            help="Snapshot of the public code of the paper's authors.",
        ),
    ],
    name: Annotated[
        str, typer.Option('--name', metavar='NAME', help='Its name here.')
    ] = 'song2021',
) -> None:
    """Make a published snapshot usable as a model.

    \b
    Example:
      napari-sft models import 2M_itrs.pt --name song2021
    """
    from napari_sft.models.import_snapshot import import_snapshot

    typer.echo(import_snapshot(snapshot, name))


def _list(as_json: bool) -> None:
    from napari_sft.models.registry import BUNDLED, user_folder

    found: dict[str, dict[str, Any]] = {}
    # The user's weights come before those in the package.
    for folder in (user_folder(), BUNDLED):
        for path in sorted(folder.glob('*.safetensors')):
            found.setdefault(path.stem, _model(path))
    if as_json:
        print_json(list(found.values()))
        return
    if not found:
        typer.echo(f'no weights in {user_folder()} nor in the package')
    for about in found.values():
        print_fields(about.pop('name'), about)


def _model(path: Path) -> dict[str, Any]:
    """What a weights file says of itself, without torch."""
    import hashlib

    from safetensors import SafetensorError, safe_open

    about: dict[str, Any] = {'name': path.stem, 'path': str(path)}
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
        with safe_open(path, framework='numpy') as file:
            stored = json.loads((file.metadata() or {})['napari_sft'])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        return about | {'damaged': str(error) or type(error).__name__}
    about |= {'weights': digest[:8].hex(), 'bytes': path.stat().st_size}
    return about | {key: stored[key] for key in stored if key != 'config'}
