"""Time the codec against a network of the paper's shape, on one CPU.

\b
Example:
  python -m napari_sft_training.benchmarks.speed --threads 2 --json speed.json

One picture of 768x512 pixels, everything warm, the runs interleaved, medians
shown. Ours is timed as users call it, real files with entropy coding and
checksums; the paper's is timed as networks alone in float32 (random weights
in the paper's layer shapes), which flatters it. The effort is the fastest
one; `benchmarks.effort` tells what others take.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

Picture = NDArray[np.uint8]
OURS = {
    'encode': 'napari_sft.encode',
    'encode_bare': 'napari_sft.encode(statistics=False)',
    'decode': 'napari_sft.decode',
}
PAPER = {
    'paper_encode': "paper's g_a, h_a",
    'paper_decode': "paper's h_s, g_s",
}
AGAINST = {
    'encode': 'paper_encode',
    'encode_bare': 'paper_encode',
    'decode': 'paper_decode',
}


def picture_of(path: Path | None, width: int, height: int) -> Picture:
    """A picture of a size, by mirrored tiling and cropping.

    Parameters
    ----------
    path : Path or None
        Picture file; scikit-image's astronaut if None.
    width, height : int
        Pixels, multiples of 64 (what the paper's network takes).

    Returns
    -------
    ndarray
        RGB (height, width, 3), uint8.
    """
    if path is None:
        from skimage.data import astronaut

        source = astronaut()
    else:
        from napari_sft_training.images import read_picture

        source = read_picture(path)[0]
    missing = [
        max(0, n - m)
        for n, m in zip((height, width), source.shape[:2], strict=True)
    ]
    padding = ((0, missing[0]), (0, missing[1]), (0, 0))
    return np.pad(source, padding, 'symmetric')[:height, :width]


def tasks(
    picture: Picture, quality: float, model: str
) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    import torch

    import napari_sft
    from napari_sft.codec.effort import FASTEST_EFFORT
    from napari_sft_training.benchmarks.paper_shapes import (
        PaperDecoder,
        PaperEncoder,
    )
    from napari_sft_training.images import to_tensor

    def encode(with_statistics: bool) -> bytes:
        return napari_sft.encode(
            picture,
            quality=quality,
            model=model,
            device='cpu',
            statistics=with_statistics,
            effort=FASTEST_EFFORT,
        )

    data = encode(True)
    torch.manual_seed(0)
    encoder, decoder = PaperEncoder().eval(), PaperDecoder().eval()
    x = to_tensor([picture])
    q = torch.full_like(x[:, :1], quality / 100)

    def paper_encode() -> Any:
        with torch.inference_mode():
            return encoder(x, q)

    latents = [latent.round() for latent in paper_encode()]

    def paper_decode() -> Any:
        with torch.inference_mode():
            return decoder(*latents)

    return {
        'encode': lambda: encode(True),
        'encode_bare': lambda: encode(False),
        'decode': lambda: napari_sft.decode(data, device='cpu'),
        'paper_encode': paper_encode,
        'paper_decode': paper_decode,
    }


def interleaved_times(
    work: dict[str, Callable[[], Any]], runs: int
) -> dict[str, list[float]]:
    """Seconds of each run, in rounds, after one round that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(runs + 1):
        for name, task in work.items():
            start = time.perf_counter()
            task()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Medians in seconds, and the paper's over ours."""
    medians = {k: statistics.median(v) for k, v in seconds.items()}
    ratios = {
        ours: medians[paper] / medians[ours] for ours, paper in AGAINST.items()
    }
    return {'median_seconds': medians, 'paper_over_ours': ratios}


def show(figures: dict[str, Any], title: str) -> None:
    """Print the table."""
    table = Table(title=title)
    table.add_column('what')
    for name in ('median', 'paper / ours'):
        table.add_column(name, justify='right')
    for key, label in {**OURS, **PAPER}.items():
        ratio = figures['paper_over_ours'].get(key)
        table.add_row(
            label,
            f'{figures["median_seconds"][key]:.4f} s',
            '' if ratio is None else f'{ratio:.1f}',
        )
    Console().print(table)


def main(
    image: Annotated[
        Path | None, typer.Option(help='Picture; astronaut if none.')
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option('--json', help='Write the figures here.')
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help='Timed rounds.')] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="torch's threads.")
    ] = None,
    quality: Annotated[float, typer.Option(help='0..100.')] = 50,
    model: Annotated[str, typer.Option(help='Model of ours.')] = 'compact',
    width: Annotated[int, typer.Option(min=128, help='Pixels.')] = 768,
    height: Annotated[int, typer.Option(min=128, help='Pixels.')] = 512,
) -> None:
    """Time encode and decode against the paper's shape."""
    from napari_sft_training.cli import errors_on_one_line

    with errors_on_one_line():
        import torch

        if threads:
            torch.set_num_threads(threads)
        picture = picture_of(image, 64 * (width // 64), 64 * (height // 64))
        seconds = interleaved_times(tasks(picture, quality, model), runs)
        figures = {
            'size': [picture.shape[1], picture.shape[0]],
            'threads': torch.get_num_threads(),
            'torch': torch.__version__,
            'cpu': _cpu_name(),
            **report(seconds),
            'seconds': seconds,
        }
        columns, rows = figures['size']
        show(
            figures,
            f'{columns}x{rows}, {figures["threads"]} threads, {runs} runs, '
            f'{figures["cpu"]}',
        )
        if json_out is not None:
            json_out.write_text(json.dumps(figures, indent=1) + '\n')


def _cpu_name() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [x.split(':')[1].strip() for x in lines if 'model name' in x]
    return names[0] if names else platform.machine()


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(help=__doc__)(main)

if __name__ == '__main__':
    app()
