"""Compare with JPEG XL and JPEG 2000 on microscopy at equal size.

\b
Example:
  python -m napari_sft_training.benchmarks.microscopy FOLDER --json micro.json

Every picture in the folder and those below it: gray, RGB and 16-bit gray,
one plane of each stack, the middle of large ones. Each codec gives a PSNR at
exactly the bits per pixel asked for, between its two neighbouring qualities,
from real files. Where our file stays smaller at its highest quality, all are
compared at that size, too.

Ours is run twice: with the value window of the whole range, and with that of
the picture's own extremes, which spends more bits on dark pictures and so
reaches higher qualities. Pictures of 16 bits are stretched to their full range
first, for all codecs alike, so that no codec takes them for dark; their PSNR
is relative to that range.

The JSON is written after every picture and read again, so that a run that was
ended goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track

from napari_sft.codec.errors import SftError
from napari_sft.other_codecs import OtherCodec, RateCurve, other_codec
from napari_sft_training.benchmarks.microscopy_means import (
    HIGHEST,
    Point,
    Results,
    means,
    show,
)
from napari_sft_training.benchmarks.microscopy_pictures import (
    Subject,
    subjects,
)
from napari_sft_training.benchmarks.resumed import earlier
from napari_sft_training.processes import each_done

OURS = 'napari-sft'
STRETCHED = 'its own window'
OTHERS = ('jpegxl', 'jpeg2000')


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


@cache  # each codec is tried once in a process, not for every picture
def all_codecs(model: str, device: str) -> tuple[OtherCodec, ...]:
    """Ours in both ways, and the others."""
    return (
        ours(model, device, 'dtype'),
        ours(model, device, 'minmax'),
        *map(other_codec, OTHERS),
    )


def compare(
    subject: Subject, codecs: Sequence[OtherCodec], rates: Sequence[float]
) -> list[Point]:
    """PSNR of a picture through each codec at each rate.

    Where our file of highest quality, in the picture's own window, is smaller
    than one of the rates, also at its size.
    """
    pixels = subject.pixels.shape[0] * subject.pixels.shape[1]
    curves = {c.name: RateCurve(c, subject.pixels) for c in codecs}

    def point(
        name: str, bpp: float, size: float, highest: bool = False
    ) -> Point:
        value, reached = curves[name].psnr_at(size)
        return Point(name, bpp, value, reached, highest)

    points = [
        point(name, bpp, bpp * pixels / 8) for name in curves for bpp in rates
    ]
    if own := curves.get(STRETCHED):
        size = own.at(own.codec.highest).size
        bpp = 8 * size / pixels
        if bpp < max(rates):
            points += [point(name, bpp, size, True) for name in curves]
    return points


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
    workers: Annotated[
        int, typer.Option(min=1, help='Processes, each with its share of CPU.')
    ] = 1,
    model: Annotated[str, typer.Option(help='Model of ours.')] = 'compact',
    device: Annotated[str, typer.Option(help="'auto', 'cpu', ...")] = 'auto',
) -> None:
    """Compare the codecs on the pictures of a folder."""
    from napari_sft_training.cli import errors_on_one_line

    with errors_on_one_line():
        found = list(subjects(folder, largest, limit))
        if not found:
            raise SftError(f'{folder} has no pictures to compare on')
        about = _about(folder, largest, rates, model, device)
        known = earlier(json_out, about, _by_name) or {}
        left = [subject for subject in found if subject.name not in known]
        work = partial(_compared, model, device, rates, _threads(workers))
        done = each_done(work, left, workers)
        bar = track(done, 'comparing', len(left), transient=True)
        for subject, points in zip(left, bar, strict=True):
            known[subject.name] = points
            _write(json_out, about, _in_order(found, known))
        show(means(_in_order(found, known)), (OURS, STRETCHED, *OTHERS))


def _threads(workers: int) -> int:
    import torch

    return max(1, torch.get_num_threads() // workers)


def _compared(
    model: str,
    device: str,
    rates: Sequence[float],
    threads: int,
    subject: Subject,
) -> list[Point]:
    """As `compare`, in a process of its own."""
    import torch

    torch.set_num_threads(threads)
    return compare(subject, all_codecs(model, device), rates)


def _in_order(
    found: Sequence[Subject], known: dict[str, list[Point]]
) -> list[tuple[Subject, list[Point]]]:
    return [(s, known[s.name]) for s in found if s.name in known]


def _about(
    folder: Path, largest: int, rates: Sequence[float], model: str, device: str
) -> dict[str, Any]:
    from napari_sft.models.registry import load_model

    return {
        'folder': folder.name,
        'largest': largest,
        'sizes': [*sorted(map(float, rates)), HIGHEST],
        'codecs': {c.name: c.settings for c in all_codecs(model, device)},
        'weights': load_model(model, device).weights_hash.hex(),
        'versions': {
            name: version(name)
            for name in ('napari-sft', 'torch', 'imagecodecs', 'pillow')
        },
    }


def _by_name(content: dict[str, Any]) -> dict[str, list[Point]]:
    return {
        picture['name']: [
            Point(**point | {'psnr': float(point['psnr'] or 'inf')})
            for point in picture['points']
        ]
        for picture in content['pictures']
    }


def _write(path: Path | None, about: dict[str, Any], results: Results) -> None:
    if path is None:
        return
    pictures = [
        {
            'name': subject.name,
            'kind': subject.kind,
            'shape': list(subject.pixels.shape),
            'points': [
                asdict(p) | {'psnr': p.psnr if np.isfinite(p.psnr) else None}
                for p in points
            ],
        }
        for subject, points in results
    ]
    figures = {'about': about, 'means': means(results), 'pictures': pictures}
    path.write_text(json.dumps(figures, indent=1) + '\n')


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(help=__doc__)(main)

if __name__ == '__main__':
    app()
