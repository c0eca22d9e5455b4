"""`napari-sft encode`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_sft.cli import batch
from napari_sft.cli.options import (
    DeviceOption,
    FolderOption,
    ForceOption,
    ModelOption,
)

if TYPE_CHECKING:
    from napari_sft.picture import Picture

_UNITS = {'': 1, 'b': 1, 'kb': 10**3, 'mb': 10**6, 'kib': 2**10, 'mib': 2**20}


@dataclass(frozen=True)
class _Map:
    """The quality map to use for every picture."""

    path: Path
    stretch: bool
    feather: float


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
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    alpha: Annotated[
        Literal['refuse', 'drop'],
        typer.Option('--alpha', help='What to do with transparency.'),
    ] = 'refuse',
    window: Annotated[
        str,
        typer.Option(
            '--window',
            metavar='auto|dtype|minmax|LO,HI',
            help='Values that count as black and white.',
        ),
    ] = 'auto',
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
    force: ForceOption = False,
) -> None:
    """Compress image files.

    \b
    Examples:
      napari-sft encode photo.png photo.sft --quality 40
      napari-sft encode photo.png photo.sft --quality-map map.png
      napari-sft encode scans/*.tif --out-dir small --target-bpp 0.25
    """
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
        'model': model,
        'device': device,
        'windows': window_of(window),
        'statistics': not no_statistics,
    }
    how = quality_map and _Map(quality_map, resize_map, feather)
    pairs = _pairs(paths, out_dir)

    def work(pair: batch.Pair, advance: batch.Advance) -> dict[str, Any]:
        batch.check_target(pair, force)
        if out_dir is not None:
            out_dir.mkdir(parents=True, exist_ok=True)
        return _encode_one(pair, settings, how, alpha, axes, advance)

    outcome = batch.run(pairs, work, verb='encoding', debug=bool(ctx.obj))
    _print_table(outcome.rows)
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


def window_of(text: str) -> str | tuple[float, float]:
    """A value window as `napari_sft.imwrite` takes it."""
    if text in ('auto', 'dtype', 'minmax'):
        return text
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        raise typer.BadParameter(
            f'--window {text!r} is none of auto, dtype, minmax and LO,HI'
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


def _encode_one(
    pair: batch.Pair,
    settings: dict[str, Any],
    how: _Map | None,
    alpha: Literal['refuse', 'drop'],
    axes: str | None,
    advance: batch.Advance,
) -> dict[str, Any]:
    import napari_sft
    from napari_sft.codec.image import Image
    from napari_sft.image_files import read_picture

    picture = read_picture(pair.source, alpha=alpha)
    names = (axes or picture.axes).upper()
    layout = Image.from_array(picture.data, names, alpha=alpha).layout
    settings = dict(settings, **_map_for(picture, layout.plane_shape, how))
    napari_sft.imwrite(
        pair.target,
        picture.data,
        axes=names,
        alpha=alpha,
        source=pair.source.name,
        progress=advance,
        **picture.along(layout.axes),
        **settings,
    )
    return {'file': pair.target, **napari_sft.info(pair.target)}


def _map_for(
    picture: Picture, shape: tuple[int, ...], how: _Map | None
) -> dict[str, Any]:
    if how is None:
        return {}
    from napari_sft.codec.quality import feather
    from napari_sft.image_files import read_map

    quality = read_map(how.path, (shape[0], shape[1]), stretch=how.stretch)
    return {'quality_map': feather(quality, how.feather)}


def _print_table(rows: list[dict[str, Any]]) -> None:
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
