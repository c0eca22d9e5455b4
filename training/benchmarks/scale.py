"""Measure time and memory of large images: encode, decode, read a region.

\b
Example:
  python -m napari_sft_training.benchmarks.scale --json scale.json

Each step runs in a process of its own, so that its peak memory is its own.
The image is a file mapped to memory, and is decoded into another. Time is
taken after a small image has warmed everything up; a region is read once,
and once more with the model to be loaded before. The effort is the fastest
one; `benchmarks.effort` tells what others take.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

REGION = 512  # pixels along the side of the region read
STRIP = 512  # rows of the image made at once
COLUMNS = (
    ('megapixels', 'MP', '.0f'),
    ('encode_s_per_mp', 'encode s/MP', '.3f'),
    ('encode_peak_mb', 'peak MB', '.0f'),
    ('decode_s_per_mp', 'decode s/MP', '.3f'),
    ('decode_peak_mb', 'peak MB', '.0f'),
    ('region_s', 'region s', '.3f'),
    ('region_cold_s', 'and model s', '.3f'),
    ('bpp', 'bpp', '.3f'),
    ('psnr', 'PSNR', '.2f'),
)


def make_image(path: Path, side: int) -> None:
    """Write a square RGB image of a photograph, turned in many ways.

    Parameters
    ----------
    path : Path
        Where to, raw bytes (side, side, 3).
    side : int
        Height and width in pixels.
    """
    from skimage.data import astronaut

    tile = astronaut()
    turned = [
        np.rot90(flip, n) for flip in (tile, tile[::-1]) for n in range(4)
    ]
    count = -(-side // len(tile))
    with path.open('wb') as file:
        for row in range(count):
            blocks = [turned[(3 * row + 5 * n) % 8] for n in range(count)]
            strip = np.concatenate(blocks, 1)[:, :side]
            # brightness drifts, so that no two are alike
            gain = np.linspace(0.6 + 0.4 * row / count, 1, side)[:, None]
            strip = (strip * gain).astype(np.uint8)
            file.write(strip[: side - row * STRIP].tobytes())


def encode(job: dict[str, Any]) -> dict[str, float]:
    """Encode the image."""
    import napari_sft
    from napari_sft.codec.effort import FASTEST_EFFORT

    image = _mapped(job['image'], job['side'], 'r')
    options = {
        'quality': job['quality'],
        'model': job['model'],
        'effort': FASTEST_EFFORT,
    }
    _warm_up(options)
    start = time.perf_counter()
    napari_sft.imwrite(job['file'], image, device='cpu', **options)
    seconds = time.perf_counter() - start
    with napari_sft.open(job['file']) as file:
        statistics = file.statistics
        assert statistics is not None
        return {'s': seconds, 'bpp': file.bpp, 'psnr': statistics.psnr}


def decode(job: dict[str, Any]) -> dict[str, float]:
    """Decode the file into another mapped one."""
    import napari_sft
    from napari_sft.codec.mapped import give_back_pages

    _warm_up({'model': job['model']})
    start = time.perf_counter()
    result = _mapped(job['decoded'], job['side'], 'w+')
    with napari_sft.open(job['file'], device='cpu') as image:
        for region in image.regions():
            result[region] = image.read(region)
            result.flush()
            give_back_pages(result)
    return {'s': time.perf_counter() - start}


def region(job: dict[str, Any]) -> dict[str, float]:
    """Read a region around the corner of four tiles, first without a model."""
    import torch  # noqa: F401  its import is not what is measured

    import napari_sft

    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        with napari_sft.open(job['file'], device='cpu') as image:
            tile = image.chunks[0]
            middle = job['side'] // 2 // tile * tile
            first = max(middle - REGION // 2, 0)
            rows = slice(first, first + REGION)
            part = image.read((rows, rows))
        seconds.append(time.perf_counter() - start)
    side = min(REGION, job['side'])
    assert part.shape == (side, side, 3)
    return {'cold_s': seconds[0], 's': seconds[1]}


def measure(job: dict[str, Any]) -> dict[str, float]:
    """All steps for one size."""
    side = job['side']
    megapixels = side * side / 1e6
    coded = _apart(encode, job)
    decoded = _apart(decode, job)
    read = _apart(region, job)
    return {
        'megapixels': megapixels,
        'encode_s_per_mp': coded['s'] / megapixels,
        'encode_peak_mb': coded['peak_mb'],
        'decode_s_per_mp': decoded['s'] / megapixels,
        'decode_peak_mb': decoded['peak_mb'],
        'region_s': read['s'],
        'region_cold_s': read['cold_s'],
        'region_peak_mb': read['peak_mb'],
        'bpp': coded['bpp'],
        'psnr': coded['psnr'],
    }


def _mapped(path: str, side: int, mode: Any) -> np.memmap[Any, Any]:
    return np.memmap(path, np.uint8, mode, shape=(side, side, 3))


def _warm_up(options: dict[str, Any]) -> None:
    import napari_sft

    small = np.zeros((256, 256, 3), np.uint8)
    napari_sft.decode(napari_sft.encode(small, device='cpu', **options))


def _apart(
    step: Callable[[dict[str, Any]], dict[str, float]], job: dict[str, Any]
) -> dict[str, float]:
    """Run a step in a new process; its result and peak memory."""
    context = multiprocessing.get_context('spawn')
    with context.Pool(1) as pool:
        return pool.apply(_run, (step, job))


def _run(
    step: Callable[[dict[str, Any]], dict[str, float]], job: dict[str, Any]
) -> dict[str, float]:
    if job['threads']:
        import torch

        torch.set_num_threads(job['threads'])
    result = step(job)
    return {**result, 'peak_mb': _peak_bytes() / 1e6}


def _peak_bytes() -> float:
    """Largest resident memory of this process so far."""
    status = Path('/proc/self/status')
    if status.exists():
        line = status.read_text().partition('VmHWM:')[2]
        return 1024 * float(line.split()[0])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else 1024 * peak


def show(rows: list[dict[str, float]], title: str) -> None:
    """Print the table."""
    table = Table(title=title)
    for _, label, _ in COLUMNS:
        table.add_column(label, justify='right')
    for row in rows:
        table.add_row(*(format(row[key], form) for key, _, form in COLUMNS))
    Console().print(table)


def main(
    megapixels: Annotated[
        str, typer.Option(help='Sizes, separated by commas.')
    ] = '1,16,100,400',
    json_out: Annotated[
        Path | None, typer.Option('--json', help='Write the figures here.')
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help='For the images: 6 bytes a pixel are free there.'),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="torch's threads.")
    ] = None,
    quality: Annotated[float, typer.Option(help='0..100.')] = 50,
    model: Annotated[str, typer.Option(help='Model of ours.')] = 'compact',
) -> None:
    """Measure images of several sizes."""
    from napari_sft_training.cli import errors_on_one_line

    with errors_on_one_line():
        rows = []
        for number in megapixels.split(','):
            side = round(1000 * math.sqrt(float(number)))
            with tempfile.TemporaryDirectory(dir=folder) as place:
                names = ('image', 'file', 'decoded')
                job = {name: str(Path(place, name)) for name in names}
                make_image(Path(job['image']), side)
                settings = {
                    'side': side,
                    'quality': quality,
                    'model': model,
                    'threads': threads,
                }
                rows.append(measure(job | settings))
            show(rows, f'RGB, quality {quality:g}, {platform.machine()}')
            if json_out is not None:
                figures = {
                    'threads': threads,
                    'quality': quality,
                    'model': model,
                    'sizes': rows,
                }
                json_out.write_text(json.dumps(figures, indent=1) + '\n')


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(help=__doc__)(main)

if __name__ == '__main__':
    app()
