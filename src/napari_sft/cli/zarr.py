"""`napari-sft to-zarr` and `napari-sft from-zarr`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_sft.cli import batch
from napari_sft.cli.encode import print_encoded
from napari_sft.cli.options import DeviceOption, ForceOption, ModelOption


def to_zarr(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar='IN.sft', help='File to read.')
    ],
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar='[OUT.zarr]', help='Folder to make, by default beside IN.'
        ),
    ] = None,
    codec: Annotated[
        Literal['sft', 'zstd'],
        typer.Option(
            '--codec',
            help='Code the pixels anew with the qualities of the file, or '
            'keep what is decoded, which takes much more room.',
        ),
    ] = 'sft',
    chunk: Annotated[
        int,
        typer.Option(
            '--chunk',
            metavar='PX',
            min=64,
            help='Height and width of chunks.',
        ),
    ] = 1024,
    no_pyramid: Annotated[
        bool,
        typer.Option(
            '--no-pyramid', help='Add no smaller levels if IN has none.'
        ),
    ] = False,
    device: DeviceOption = 'auto',
    force: ForceOption = False,
) -> None:
    """Convert an .sft file to OME-Zarr 0.5.

    Planes that fit into a chunk keep their code, nothing is lost.

    \b
    Examples:
      napari-sft to-zarr slide.sft slide.ome.zarr
      napari-sft to-zarr slide.sft plain.ome.zarr --codec zstd
    """
    from napari_sft.ngff.writing import write_ome_zarr

    folder = target or source.with_suffix('.ome.zarr')

    def work(pair: batch.Pair, advance: batch.Advance) -> Path:
        batch.check_folder(pair, force)
        write_ome_zarr(
            pair.target,
            pair.source,
            codec=codec,
            chunk=chunk,
            pyramid=not no_pyramid,
            device=device,
            progress=advance,
        )
        return pair.target

    outcome = batch.run(
        [batch.Pair(source, folder)],
        work,
        verb='converting',
        debug=bool(ctx.obj),
    )
    for path in outcome.rows:
        typer.echo(path)
    outcome.finish()


def from_zarr(
    ctx: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar='IN.zarr', help='OME-Zarr image or Zarr array to read.'
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar='[OUT.sft]', help='File to write, by default beside IN.'
        ),
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option(
            '--quality',
            metavar='Q',
            min=0,
            max=100,
            help='Quality everywhere, 0 to 100.  [default: that of the '
            'chunks if they are coded by this codec, otherwise 75]',
        ),
    ] = None,
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    force: ForceOption = False,
) -> None:
    """Convert an OME-Zarr image or a Zarr array to an .sft file.

    Chunks of whole planes keep their code. A pyramid is made anew from the
    full size if IN has one.

    \b
    Examples:
      napari-sft from-zarr slide.ome.zarr slide.sft
      napari-sft from-zarr plain.ome.zarr small.sft --quality 40
    """
    import napari_sft
    from napari_sft.ngff.reading import zarr_to_sft

    name = source.name.removesuffix('.zarr').removesuffix('.ome')
    file = target or source.with_name(f'{name}.sft')

    def work(pair: batch.Pair, advance: batch.Advance) -> dict[str, Any]:
        batch.check_target(pair, force)
        zarr_to_sft(
            pair.source,
            pair.target,
            quality=quality,
            model=model,
            device=device,
            progress=advance,
        )
        return {'file': pair.target, **napari_sft.info(pair.target)}

    outcome = batch.run(
        [batch.Pair(source, file)],
        work,
        verb='converting',
        debug=bool(ctx.obj),
    )
    print_encoded(outcome.rows)
    outcome.finish()
