"""`napari-sft decode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_sft.cli import batch
from napari_sft.cli.options import DeviceOption, FolderOption, ForceOption


def decode(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar='IN.sft... [OUT]',
            help='Files, patterns or folders. The suffix of OUT says what '
            'to write; without it and --out-dir, files are written beside '
            'them.',
        ),
    ],
    out_dir: FolderOption = None,
    suffix: Annotated[
        str | None,
        typer.Option(
            '--to',
            metavar='SUFFIX',
            help='What to write, such as png, jpg or tif.  [default: png '
            'where that holds the image, otherwise tif]',
        ),
    ] = None,
    device: DeviceOption = 'auto',
    force: ForceOption = False,
) -> None:
    """Decompress .sft files to ordinary image files.

    \b
    Examples:
      napari-sft decode photo.sft photo.png
      napari-sft decode small/*.sft --out-dir scans --to tif
    """
    suffix = suffix and f'.{suffix.lower().removeprefix(".")}'
    pairs = _pairs(paths, out_dir, suffix)

    def work(pair: batch.Pair, advance: batch.Advance) -> Path:
        if out_dir is not None:
            out_dir.mkdir(parents=True, exist_ok=True)
        return _decode_one(pair, device, force, advance)

    outcome = batch.run(pairs, work, verb='decoding', debug=bool(ctx.obj))
    for path in outcome.rows:
        typer.echo(path)
    outcome.finish()


def _pairs(
    paths: list[Path], folder: Path | None, suffix: str | None
) -> list[batch.Pair]:
    *inputs, last = paths
    if inputs and last.suffix.lower() != '.sft' and not last.is_dir():
        if folder is not None or suffix or len(inputs) != 1:
            raise typer.BadParameter(
                f'OUT ({last.name}) goes with one IN.sft and no --to; give '
                'several with --out-dir'
            )
        return [batch.Pair(inputs[0], last)]
    sources = batch.expand(paths, _find)
    # What to write depends on the image; .sft stands for that.
    return batch.pairs_into(sources, folder, suffix or '.sft')


def _find(folder: Path) -> list[Path]:
    return sorted(folder.glob('*.sft'))


def _decode_one(
    pair: batch.Pair, device: str, force: bool, advance: batch.Advance
) -> Path:
    import napari_sft
    from napari_sft.codec.layout import Layout
    from napari_sft.image_files import (
        check_format,
        natural_suffix,
        write_picture,
    )

    with napari_sft.open(pair.source, device=device) as image:
        layout = Layout(image.axes, image.shape, image.dtype)
        target = pair.target
        if target.suffix == '.sft':
            target = target.with_suffix(natural_suffix(layout))
        batch.check_target(batch.Pair(pair.source, target), force)
        check_format(target, image.dtype, image.axes)
        axes, about = image.axes.replace('S', ''), image.calibration
        write_picture(
            target,
            image,
            image.axes,
            scale=dict(zip(axes, about.scale, strict=False)),
            units=dict(zip(axes, about.units, strict=False)),
            translate=dict(zip(axes, about.translate, strict=False)),
            name=about.name,
            progress=advance,
        )
    return target
