"""`napari-sft info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sft.cli import batch
from napari_sft.cli.tables import (
    print_fields,
    print_json,
    size_text,
    statistics_texts,
)
from napari_sft.console import print_table


def info(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar='IN.sft...', help='Files, patterns or folders.'
        ),
    ],
    as_json: Annotated[
        bool, typer.Option('--json', help='Print JSON instead of text.')
    ] = False,
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
        print_json(rows if len(sources) > 1 else rows[0])
    elif rows:
        for row in rows:
            _print_info(row)
    outcome.finish()


def _print_info(row: dict[str, Any]) -> None:
    statistics = row.pop('statistics', None)
    windows = row.pop('windows')
    mapping = row.pop('mapping_error')
    row['shape'] = ' x '.join(map(str, row['shape']))
    if row['bytes'] >= 1000:
        row['bytes'] = f'{row["bytes"]} ({size_text(row["bytes"])})'
    row['bpp'] = f'{row["bpp"]:.4f}'
    row['ratio'] = f'{row["ratio"]:.1f}'
    row['windows'] = ', '.join(f'{lo:g} to {hi:g}' for lo, hi in windows)
    turned = row.pop('colours_turned')
    if turned:
        row['colours'] = f'turned by {turned:.0f} degrees for coding'
    if mapping:
        row['mapping error'] = f'at most {mapping:.2g}'
    if statistics is not None:
        described = row | {'statistics': statistics, 'windows': windows}
        names = ('PSNR', 'MS-SSIM', 'largest error')
        row |= zip(names, statistics_texts(described), strict=True)
    print_fields(row.pop('file'), row)
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
