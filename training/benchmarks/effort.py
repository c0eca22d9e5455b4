"""What encoder efforts gain on a folder of pictures, and what they cost.

\b
Example:
  python -m napari_sft_training.benchmarks.effort kodak --json effort.json

Every picture is encoded at each effort and quality into a whole file, and
decoded from it. Gains are against effort 1: of the loss, real bpp + 255^2 *
mean(lambda * squared error), the mean over pictures and qualities; and as
BD-rate, by the mean curve over the qualities. "Time" is that of encoding over
that at effort 1. The JSON is written after every effort and read again, so
that a run that was ended goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import Progress

from napari_sft.codec.effort import EFFORTS, FASTEST_EFFORT, check_effort
from napari_sft.codec.errors import SftError
from napari_sft.codec.metrics import bd_rate, psnr
from napari_sft.codec.quality import lambda_of
from napari_sft.console import print_table, progress_bar
from napari_sft_training.benchmarks.resumed import earlier

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Point:
    """A picture at an effort and a quality.

    Attributes
    ----------
    name : str
        Of its file.
    effort : int
    quality, bpp, psnr, loss : float
        Of the whole file; PSNR in dB.
    seconds : float
        That encoding took.
    """

    name: str
    effort: int
    quality: float
    bpp: float
    psnr: float
    loss: float
    seconds: float


@dataclass(frozen=True)
class Gain:
    """What an effort gives.

    Attributes
    ----------
    effort : int
    loss, bd_rate : float
        Change in percent.
    time : float
        Of encoding, as a multiple.
    """

    effort: int
    loss: float
    bd_rate: float
    time: float


def measure(
    name: str,
    picture: Picture,
    effort: int,
    quality: float,
    model: str = 'compact',
    device: str = 'auto',
) -> Point:
    """Encode and decode a picture (Y, X, 3) of 8 bits."""
    import napari_sft

    start = time.perf_counter()
    data = napari_sft.encode(
        picture,
        quality=quality,
        effort=effort,
        model=model,
        device=device,
        statistics=False,
        provenance=False,
    )
    seconds = time.perf_counter() - start
    decoded = napari_sft.decode(data, device=device)
    bpp = 8 * len(data) / (picture.shape[0] * picture.shape[1])
    error = decoded.astype(np.float64) - picture
    loss = bpp + float(lambda_of(quality)) * float(np.mean(error**2))
    value = psnr(picture, decoded, 255)
    return Point(name, effort, quality, bpp, value, loss, seconds)


def gains(points: Sequence[Point]) -> list[Gain]:
    """Of each effort, against the default one on the same pictures."""
    by_effort: dict[int, list[Point]] = {}
    for point in points:
        by_effort.setdefault(point.effort, []).append(point)
    base = by_effort[FASTEST_EFFORT]
    return [
        Gain(
            effort,
            100 * (_mean(found, 'loss') / _mean(base, 'loss') - 1),
            bd_rate(*_curve(base), *_curve(found)),
            _mean(found, 'seconds') / _mean(base, 'seconds'),
        )
        for effort, found in sorted(by_effort.items())
    ]


def _curve(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Mean bpp and PSNR of each quality."""
    qualities = sorted({point.quality for point in points})
    groups = [[p for p in points if p.quality == q] for q in qualities]
    return (
        [_mean(group, 'bpp') for group in groups],
        [_mean(group, 'psnr') for group in groups],
    )


def _mean(points: Sequence[Point], what: str) -> float:
    return float(np.mean([getattr(point, what) for point in points]))


def show(found: Sequence[Gain], title: str) -> None:
    """Print the table."""
    print_table(
        ('effort', 'loss', 'BD-rate', 'time'),
        [
            (
                str(gain.effort),
                f'{gain.loss:+.2f} %',
                f'{gain.bd_rate:+.2f} %',
                f'{gain.time:.1f} x',
            )
            for gain in found
        ],
        title,
    )


def main(
    folder: Annotated[Path, typer.Argument(help='Pictures.')],
    json_out: Annotated[
        Path | None, typer.Option('--json', help='Write the figures here.')
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help='Only the first so many.')
    ] = None,
    efforts: Annotated[
        list[int], typer.Option('--effort', help='Besides 1.')
    ] = list(EFFORTS),  # noqa: B006
    qualities: Annotated[
        list[float], typer.Option('--quality', min=0, max=100, help='0..100.')
    ] = [20, 60, 100],  # noqa: B006
    largest: Annotated[
        int | None,
        typer.Option(min=64, help='Pixels a side, of the middle.'),
    ] = None,
    model: Annotated[str, typer.Option(help='Model of ours.')] = 'compact',
    device: Annotated[str, typer.Option(help="'auto', 'cpu', ...")] = 'auto',
) -> None:
    """Measure the efforts on the pictures of a folder."""
    from napari_sft_training.cli import errors_on_one_line

    with errors_on_one_line():
        wanted = sorted({FASTEST_EFFORT, *map(check_effort, efforts)})
        if len(set(qualities)) < 2:
            raise SftError('a curve needs two qualities or more')
        about = _about(folder, limit, qualities, largest, model, device)
        points = earlier(json_out, about, _points) or []
        with progress_bar() as bar:
            for effort in wanted:
                if effort not in {point.effort for point in points}:
                    points += _measured(effort, about, folder, bar)
                    _write(json_out, about, points)
        count = len({point.name for point in points})
        show(gains(points), f'Efforts on {count} pictures')


def _about(
    folder: Path,
    limit: int | None,
    qualities: Sequence[float],
    largest: int | None,
    model: str,
    device: str,
) -> dict[str, Any]:
    import torch

    from napari_sft.image_files import find_pictures
    from napari_sft.models.registry import load_model

    if not folder.is_dir():
        raise SftError(f'{folder} is no folder')
    names = [path.name for path in find_pictures(folder)[:limit]]
    if not names:
        raise SftError(f'{folder} has no pictures')
    return {
        'folder': folder.name,
        'pictures': names,
        'qualities': sorted({float(quality) for quality in qualities}),
        'largest': largest,
        'model': model,
        'device': device,
        'weights': load_model(model, device).weights_hash.hex(),
        'threads': torch.get_num_threads(),
    }


def _points(content: dict[str, Any]) -> list[Point]:
    return [Point(**point) for point in content['points']]


def _write(
    path: Path | None, about: dict[str, Any], points: Sequence[Point]
) -> None:
    if path is None:
        return
    figures = {
        'about': about,
        'gains': [asdict(gain) for gain in gains(points)],
        'points': [asdict(point) for point in points],
    }
    path.write_text(json.dumps(figures, indent=1) + '\n')


def _measured(
    effort: int, about: dict[str, Any], folder: Path, bar: Progress
) -> list[Point]:
    qualities, names = about['qualities'], about['pictures']
    model, device = about['model'], about['device']
    total = len(names) * len(qualities)
    task = bar.add_task(f'effort {effort}', total=total)
    points = []
    for number, name in enumerate(names):
        picture = _picture(folder / name, about['largest'])
        if not number:  # the first run takes longer than those after it
            measure(name, picture, FASTEST_EFFORT, 50, model, device)
        for quality in qualities:
            points.append(
                measure(name, picture, effort, quality, model, device)
            )
            bar.advance(task)
    return points


def _picture(path: Path, largest: int | None) -> Picture:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert('RGB'))
    except OSError as error:
        raise SftError(f"can't read {path}: {error}") from error
    if largest is None:
        return pixels
    top, left = (max(0, n - largest) // 2 for n in pixels.shape[:2])
    return pixels[top : top + largest, left : left + largest]


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(help=__doc__)(main)

if __name__ == '__main__':
    app()
