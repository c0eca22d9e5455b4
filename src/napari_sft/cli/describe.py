"""`napari-sft info` and `napari-sft models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sft.cli import batch

JsonOption = Annotated[
    bool, typer.Option('--json', help='Print JSON instead of text.')
]


def info(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar='IN.sft...', help='Files, patterns or folders.'
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show what .sft files hold, decoding nothing.

    JSON is an object for one file and a list of them for several.

    \b
    Examples:
      napari-sft info photo.sft
      napari-sft info photo.sft --json
    """
    import napari_sft

    sources = batch.expand(paths, lambda p: sorted(p.glob('*.sft')))

    def work(pair: batch.Pair, _: batch.Advance) -> dict[str, Any]:
        return {'file': str(pair.source), **napari_sft.info(pair.source)}

    outcome = batch.run(
        [batch.Pair(source, source) for source in sources],
        work,
        verb='reading',
        debug=bool(ctx.obj),
    )
    rows = outcome.rows
    if as_json and rows:
        _print_json(rows if len(sources) > 1 else rows[0])
    elif rows:
        for row in rows:
            _print_info(row)
    outcome.finish()


def models(as_json: JsonOption = False) -> None:
    """List the models that are installed.

    \b
    Example:
      napari-sft models
    """
    from napari_sft.models.registry import BUNDLED, user_folder

    found: dict[str, dict[str, Any]] = {}
    # The user's weights come before those in the package.
    for folder in (user_folder(), BUNDLED):
        for path in sorted(folder.glob('*.safetensors')):
            found.setdefault(path.stem, _model(path))
    if as_json:
        _print_json(list(found.values()))
        return
    if not found:
        typer.echo(f'no weights in {user_folder()} nor in the package')
    for about in found.values():
        _print_fields(about.pop('name'), about)


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


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_info(row: dict[str, Any]) -> None:
    from napari_sft.cli.tables import (
        print_table,
        size_text,
        statistics_texts,
    )

    statistics = row.pop('statistics', None)
    windows = row.pop('windows')
    row['shape'] = ' x '.join(map(str, row['shape']))
    if row['bytes'] >= 1000:
        row['bytes'] = f'{row["bytes"]} ({size_text(row["bytes"])})'
    row['bpp'] = f'{row["bpp"]:.4f}'
    row['ratio'] = f'{row["ratio"]:.1f}'
    row['windows'] = ', '.join(f'{lo:g} to {hi:g}' for lo, hi in windows)
    if statistics is not None:
        described = row | {'statistics': statistics, 'windows': windows}
        names = ('PSNR', 'MS-SSIM', 'largest error')
        row |= zip(names, statistics_texts(described), strict=True)
    _print_fields(row.pop('file'), row)
    regions = (statistics or {}).get('regions')
    if regions:
        print_table(
            ('quality', 'pixels', 'PSNR'),
            [
                (
                    ' to '.join(
                        f'{q:.1f}' for q in sorted(set(region['quality']))
                    ),
                    str(region['pixels']),
                    'lossless'
                    if region['psnr'] is None
                    else f'{region["psnr"]:.2f} dB',
                )
                for region in regions
            ],
        )


def _print_fields(title: str, fields: dict[str, Any]) -> None:
    """Names and values in two columns, nested ones one level deep."""
    typer.echo(title)
    flat: list[tuple[str, Any]] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            flat += [
                (f'{name}: {key}', part)
                for key, part in value.items()
                if part not in ('', None, [])
            ]
        else:
            flat.append((name, value))
    width = max((len(name) for name, _ in flat), default=0)
    for name, value in flat:
        text = ', '.join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f'  {name:<{width}}  {text}')
