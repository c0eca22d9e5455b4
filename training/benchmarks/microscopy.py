"""Compare with JPEG XL and JPEG 2000 on microscopy at equal size.

\b
Example:
  python -m napari_sft_training.benchmarks.microscopy FOLDER --json micro.json

Every picture in the folder and those below it: gray, RGB and 16-bit gray,
one plane of each stack, the middle of large ones. Each codec gives a PSNR at
exactly the bits per pixel asked for, between its two neighbouring qualities,
from real files. Ours is run twice: with the value window of the whole range,
and with that of the picture's own extremes, which spends more bits on dark
pictures and so reaches higher qualities. Pictures of 16 bits are stretched to
their full range first, for all codecs alike, so that no codec takes them for
dark; their PSNR is relative to that range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track

from napari_sft.codec.errors import SftError
from napari_sft.console import print_table
from napari_sft.other_codecs import OtherCodec, RateCurve, other_codec

OURS = 'napari-sft'
STRETCHED = 'its own window'
OTHERS = ('jpegxl', 'jpeg2000')
KINDS = ('gray', 'RGB', 'gray 16 bits')
ALL = 'all'


@dataclass(frozen=True)
class Subject:
    """A picture to compare on.

    Attributes
    ----------
    name : str
        Of its file, below the folder.
    kind : str
        One of `KINDS`.
    pixels : ndarray of uint8 or uint16, (Y, X) or (Y, X, 3)
    """

    name: str
    kind: str
    pixels: NDArray[Any]


@dataclass(frozen=True)
class Point:
    """What a codec makes of a picture at a size.

    Attributes
    ----------
    codec : str
    bpp : float
        Bits per pixel asked for.
    psnr : float
        In dB.
    reached : bool
        Whether the codec can make files so small, or so large; otherwise
        the PSNR is that of its nearest file.
    """

    codec: str
    bpp: float
    psnr: float
    reached: bool


def subjects(
    folder: Path, largest: int, limit: int | None = None
) -> Iterator[Subject]:
    """The pictures in a folder and those below it.

    Parameters
    ----------
    folder : Path
        Files that are no pictures are left out.
    largest : int
        Of larger ones, only the middle is taken, so many pixels a side.
    limit : int, optional
        At most so many of each folder, evenly spread.
    """
    from napari_sft.image_files import find_pictures

    folders = sorted({folder, *(p for p in folder.rglob('*') if p.is_dir())})
    for place in folders:
        paths = find_pictures(place)
        if limit is not None and len(paths) > limit:
            chosen = np.linspace(0, len(paths) - 1, limit)
            paths = [paths[int(n)] for n in np.rint(chosen)]
        for path in paths:
            try:
                pixels = plane_of(path, largest)
            except SftError as error:
                typer.echo(f'left out: {error}', err=True)
                continue
            yield Subject(str(path.relative_to(folder)), *_prepared(pixels))


def plane_of(path: Path, largest: int) -> NDArray[Any]:
    """The middle plane of a picture file, and the middle of that."""
    from napari_sft.codec.image import Image
    from napari_sft.image_files import read_picture

    picture = read_picture(path, alpha='drop')
    image = Image.from_array(picture.data, picture.axes, alpha='drop')
    height, width = image.layout.plane_shape[:2]
    return image.plane(
        image.layout.plane_count // 2,
        _middle(height, largest),
        _middle(width, largest),
    )


def _middle(size: int, largest: int) -> slice:
    start = max(0, size - largest) // 2
    return slice(start, start + min(size, largest))


def _prepared(pixels: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """Kind and pixels: 8 bits as they are, others stretched to 16."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = np.ascontiguousarray(pixels[..., 0])
    if pixels.dtype == np.uint8:
        return KINDS[pixels.ndim == 3], pixels
    values = pixels.astype(np.float64)
    if values.ndim == 3:
        values = values.mean(2)
    low, high = values.min(), values.max()
    stretched = (values - low) * (65535 / max(high - low, 1e-300))
    return KINDS[2], np.rint(stretched).astype(np.uint16)


def ours(
    model: str, device: str, windows: Literal['dtype', 'minmax']
) -> OtherCodec:
    """This codec, as the others are run."""
    import napari_sft

    def encode(picture: NDArray[Any], quality: int) -> bytes:
        return napari_sft.encode(
            picture,
            quality=quality,
            windows=windows,
            model=model,
            device=device,
            statistics=False,
            provenance=False,
        )

    def decode(data: bytes) -> NDArray[Any]:
        return napari_sft.decode(data, device=device)

    name = OURS if windows == 'dtype' else STRETCHED
    settings = f'{model}, windows={windows!r}, 101 qualities, whole files'
    return OtherCodec(name, settings, 0, 100, encode, decode)


def compare(
    subject: Subject, codecs: Sequence[OtherCodec], rates: Sequence[float]
) -> list[Point]:
    """PSNR of a picture through each codec at each rate."""
    pixels = subject.pixels.shape[0] * subject.pixels.shape[1]
    points = []
    for codec in codecs:
        curve = RateCurve(codec, subject.pixels)
        for bpp in rates:
            value, reached = curve.psnr_at(bpp * pixels / 8)
            points.append(Point(codec.name, bpp, value, reached))
    return points


def means(
    results: Sequence[tuple[Subject, list[Point]]],
) -> list[dict[str, Any]]:
    """Mean PSNR by kind of picture, rate and codec, `ALL` kinds first.

    Pictures that some codec keeps without loss, at any of the rates, are
    left out: their PSNR is infinite.
    """
    usable = [
        (subject.kind, points)
        for subject, points in results
        if all(np.isfinite(point.psnr) for point in points)
    ]
    groups = [(ALL, [points for _, points in usable])]
    ordered = sorted(usable, key=lambda pair: KINDS.index(pair[0]))
    for kind, group in groupby(ordered, key=lambda pair: pair[0]):
        groups.append((kind, [points for _, points in group]))
    rows = []
    for kind, several in groups:
        for bpp in sorted({p.bpp for points in several for p in points}):
            flat = [p for points in several for p in points if p.bpp == bpp]
            by_codec: dict[str, list[Point]] = {}
            for point in flat:
                by_codec.setdefault(point.codec, []).append(point)
            rows.append(
                {
                    'kind': kind,
                    'pictures': len(several),
                    'bpp': bpp,
                    'psnr': {
                        codec: float(np.mean([p.psnr for p in points]))
                        for codec, points in by_codec.items()
                    },
                    'out_of_reach': {
                        codec: sum(not p.reached for p in points)
                        for codec, points in by_codec.items()
                    },
                }
            )
    return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the table; a star where some files are larger than asked for."""
    print_table(
        ('pictures', 'number', 'bpp', OURS, STRETCHED, *OTHERS),
        [
            (
                row['kind'],
                str(row['pictures']),
                f'{row["bpp"]:g}',
                *(
                    f'{row["psnr"][codec]:.2f} dB'
                    f'{"*" if row["out_of_reach"][codec] else ""}'
                    for codec in (OURS, STRETCHED, *OTHERS)
                ),
            )
            for row in rows
        ],
        "Mean PSNR at equal size (* some out of the codec's reach)",
    )


def main(
    folder: Annotated[Path, typer.Argument(help='Pictures, also below it.')],
    rates: Annotated[
        list[float], typer.Option('--bpp', min=0.01, help='Bits per pixel.')
    ] = [0.5, 1.0],  # noqa: B006
    json_out: Annotated[
        Path | None, typer.Option('--json', help='Write the figures here.')
    ] = None,
    largest: Annotated[
        int, typer.Option(min=64, help='Pixels a side, of the middle.')
    ] = 1024,
    limit: Annotated[
        int | None, typer.Option(min=1, help='Pictures of each folder.')
    ] = None,
    model: Annotated[str, typer.Option(help='Model of ours.')] = 'compact',
    device: Annotated[str, typer.Option(help="'auto', 'cpu', ...")] = 'auto',
) -> None:
    """Compare the codecs on the pictures of a folder."""
    from napari_sft_training.cli import errors_on_one_line

    with errors_on_one_line():
        codecs = [
            ours(model, device, 'dtype'),
            ours(model, device, 'minmax'),
            *map(other_codec, OTHERS),
        ]
        found = list(subjects(folder, largest, limit))
        if not found:
            raise SftError(f'{folder} has no pictures to compare on')
        results = [
            (subject, compare(subject, codecs, rates))
            for subject in track(found, 'comparing', transient=True)
        ]
        rows = means(results)
        show(rows)
        if json_out is not None:
            figures = _figures(folder, codecs, results, rows, largest)
            json_out.write_text(json.dumps(figures, indent=1) + '\n')


def _figures(
    folder: Path,
    codecs: Sequence[OtherCodec],
    results: Sequence[tuple[Subject, list[Point]]],
    rows: Sequence[dict[str, Any]],
    largest: int,
) -> dict[str, Any]:
    return {
        'folder': folder.name,
        'largest': largest,
        'codecs': {codec.name: codec.settings for codec in codecs},
        'versions': {
            name: version(name)
            for name in ('napari-sft', 'torch', 'imagecodecs', 'pillow')
        },
        'means': rows,
        'pictures': [
            {
                'name': subject.name,
                'kind': subject.kind,
                'shape': list(subject.pixels.shape),
                'points': [
                    asdict(p)
                    | {'psnr': p.psnr if np.isfinite(p.psnr) else None}
                    for p in points
                ],
            }
            for subject, points in results
        ],
    }


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(help=__doc__)(main)

if __name__ == '__main__':
    app()
