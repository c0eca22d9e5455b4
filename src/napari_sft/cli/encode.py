"""`napari-sft encode`."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_sft.cli import batch
from napari_sft.cli.options import (
    DeviceOption,
    EffortOption,
    FolderOption,
    ForceOption,
    ModelOption,
)
from napari_sft.codec.effort import DEFAULT_EFFORT

_UNITS = {'': 1, 'b': 1, 'kb': 10**3, 'mb': 10**6, 'kib': 2**10, 'mib': 2**20}


def encode(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar='IN... [OUT.sft]',
            help='Image files, patterns or folders. Without OUT.sft and '
            '--out-dir, files are written beside them.',
        ),
    ],
    out_dir: FolderOption = None,
    quality: Annotated[
        float | None,
        typer.Option(
            '--quality',
            metavar='Q',
            min=0,
            max=100,
            help='Quality everywhere, 0 to 100.  [default: 75]',
        ),
    ] = None,
    quality_map: Annotated[
        Path | None,
        typer.Option(
            '--quality-map',
            metavar='MAP.png',
            help='8-bit gray picture of the same size: 0 to 255 means '
            'quality 0 to 100.',
        ),
    ] = None,
    resize_map: Annotated[
        bool,
        typer.Option('--resize-map', help='Fit a map of another size.'),
    ] = False,
    feather: Annotated[
        float,
        typer.Option(
            '--feather',
            metavar='PX',
            min=0,
            help="Soften the map's edges, so many pixels to either side.",
        ),
    ] = 0,
    target_bpp: Annotated[
        float | None,
        typer.Option(
            '--target-bpp',
            metavar='B',
            help='Shift the qualities so that the file has at most so many '
            'bits per pixel.',
        ),
    ] = None,
    target_size: Annotated[
        str | None,
        typer.Option(
            '--target-size',
            metavar='N[kB]',
            help='The same for its size in B, kB, MB, KiB or MiB.',
        ),
    ] = None,
    effort: EffortOption = DEFAULT_EFFORT,
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    alpha: Annotated[
        Literal['refuse', 'drop'],
        typer.Option('--alpha', help='What to do with transparency.'),
    ] = 'refuse',
    window: Annotated[
        list[str],
        typer.Option(
            '--window',
            metavar='auto|dtype|minmax|LO,HI',
            help='Values that count as black and white; given several '
            'times, for each channel.',
        ),
    ] = ['auto'],  # noqa: B006
    tile: Annotated[
        int | None,
        typer.Option(
            '--tile',
            metavar='PX',
            min=0,
            help='Cut larger planes into tiles of this side, a multiple of '
            '64; 0 never cuts.',
        ),
    ] = None,
    pyramid: Annotated[
        bool,
        typer.Option('--pyramid', help='Add smaller levels to look at.'),
    ] = False,
    axes: Annotated[
        str | None,
        typer.Option(
            '--axes',
            metavar='AXES',
            help="What the image's axes are, such as ZCYX.",
        ),
    ] = None,
    no_statistics: Annotated[
        bool,
        typer.Option(
            '--no-statistics',
            help='Do not measure errors: faster, and some bytes less.',
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            '--workers',
            metavar='N',
            min=0,
            help='Files, or planes of a stack, to encode at once in '
            'threads; 0 for as many as there are cores.',
        ),
    ] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(
            '--scheduler',
            metavar='tcp://HOST:PORT',
            help='Encode on the workers of a dask.distributed cluster, which '
            'see the same files.',
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Compress image files, stacks and Zarr arrays.

    \b
    Examples:
      napari-sft encode photo.png photo.sft --quality 40
      napari-sft encode photo.png photo.sft --quality-map map.png
      napari-sft encode photo.png photo.sft --effort 7
      napari-sft encode scans/*.tif --out-dir small --target-bpp 0.25
      napari-sft encode plates/ --out-dir small --scheduler tcp://head:8786
    """
    import napari_sft
    from napari_sft.encoding_tasks import MapFile, Request
    from napari_sft.parallel_encoding import encoder_for

    if quality is not None and quality_map is not None:
        raise typer.BadParameter('give --quality or --quality-map, not both')
    if quality_map is None and (resize_map or feather):
        raise typer.BadParameter(
            '--resize-map and --feather need a --quality-map'
        )
    if target_bpp is not None and target_size is not None:
        raise typer.BadParameter(
            'give --target-bpp or --target-size, not both'
        )
    if target_bpp is not None and not 0 < target_bpp < 1e6:
        raise typer.BadParameter('--target-bpp must be above 0')
    settings: dict[str, Any] = {
        'quality': 75 if quality is None else quality,
        'target_bpp': target_bpp,
        'target_bytes': None if target_size is None else size_of(target_size),
        'effort': effort,
        'model': model,
        'device': device,
        'windows': windows_of(window),
        'statistics': not no_statistics,
        'pyramid': pyramid,
    }
    if tile is not None:
        settings['tile'] = tile
    pairs = _pairs(paths, out_dir)

    def prepare(pair: batch.Pair) -> Request:
        batch.check_target(pair, force)
        if out_dir is not None:
            out_dir.mkdir(parents=True, exist_ok=True)
        how = quality_map and MapFile(
            quality_map.absolute(), resize_map, feather
        )
        source = pair.source.absolute()
        return Request(source, pair.target, settings, axes, alpha, how)

    requests = [partial(prepare, pair) for pair in pairs]
    with encoder_for(requests, workers, scheduler) as encoder:

        def work(pair: batch.Pair, advance: batch.Advance) -> dict[str, Any]:
            encoder.next_file(advance)
            return {'file': pair.target, **napari_sft.info(pair.target)}

        outcome = batch.run(pairs, work, verb='encoding', debug=bool(ctx.obj))
    print_encoded(outcome.rows)
    outcome.finish()


def size_of(text: str) -> int:
    """Bytes of a size such as 40000, 40kB or 1.5 MB."""
    match = re.fullmatch(r'([0-9.]+) *([a-z]*)', text.strip().lower())
    try:
        if match is None:
            raise KeyError(text)
        size = int(float(match[1]) * _UNITS[match[2]])
    except (KeyError, ValueError):
        size = 0
    if size < 1:
        raise typer.BadParameter(
            f'--target-size {text!r} is no size; give one such as 40kB'
        )
    return size


def windows_of(texts: list[str]) -> Any:
    """Value windows as `napari_sft.imwrite` takes them."""
    if len(texts) == 1 and texts[0] in ('auto', 'dtype', 'minmax'):
        return texts[0]
    windows = [_window_of(text) for text in texts]
    return windows if len(windows) > 1 else windows[0]


def _window_of(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        raise typer.BadParameter(
            f'--window {text!r} is none of auto, dtype, minmax (each alone) '
            'and LO,HI'
        ) from None
    return low, high


def _pairs(paths: list[Path], folder: Path | None) -> list[batch.Pair]:
    from napari_sft.image_files import find_pictures

    if paths[-1].suffix.lower() == '.sft':
        *inputs, target = paths
        if folder is not None or len(inputs) != 1:
            raise typer.BadParameter(
                f'OUT.sft ({target.name}) goes with one IN; give several '
                'with --out-dir'
            )
        sources = batch.expand(inputs, find_pictures)
        if len(sources) == 1:
            return [batch.Pair(sources[0], target)]
        raise typer.BadParameter(
            f'{inputs[0]} is {len(sources)} files; give them with --out-dir'
        )
    return batch.pairs_into(batch.expand(paths, find_pictures), folder, '.sft')


def print_encoded(rows: list[dict[str, Any]]) -> None:
    """Print a line for each file, of what `napari_sft.info` gives."""
    if not rows:
        return
    from napari_sft.cli.tables import (
        size_text,
        statistics_texts,
    )
    from napari_sft.console import print_table

    print_table(
        ('file', 'size', 'bpp', 'ratio', 'PSNR', 'MS-SSIM', 'max error'),
        [
            (
                str(row['file']),
                size_text(row['bytes']),
                f'{row["bpp"]:.4f}',
                f'{row["ratio"]:.1f}',
                *statistics_texts(row),
            )
            for row in rows
        ],
    )
