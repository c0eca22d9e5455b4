"""`napari-sft evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sft.cli.options import (
    DeviceOption,
    EffortOption,
    ModelOption,
)
from napari_sft.codec.effort import DEFAULT_EFFORT
from napari_sft.codec.errors import SftError
from napari_sft.console import progress_bar

if TYPE_CHECKING:
    from napari_sft.evaluation_results import Evaluation, Figures, Level


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar='FOLDER', help='Folder of pictures.')
    ],
    levels: Annotated[
        int,
        typer.Option(
            '--levels', min=2, max=101, help='Number of uniform qualities.'
        ),
    ] = 11,
    json_out: Annotated[
        Path | None,
        typer.Option(
            '--json', metavar='OUT', help='Write all figures as JSON.'
        ),
    ] = None,
    effort: EffortOption = DEFAULT_EFFORT,
    model: ModelOption = 'compact',
    device: DeviceOption = 'auto',
    limit: Annotated[
        int | None,
        typer.Option(
            '--limit', metavar='N', min=1, help='Only the first N pictures.'
        ),
    ] = None,
    shift: Annotated[
        float,
        typer.Option(
            '--shift',
            metavar='S',
            min=-100,
            max=100,
            help="Add S to the qualities of Test-1's maps.",
        ),
    ] = 0.0,
    gray: Annotated[
        bool, typer.Option('--gray', help='Turn pictures to gray first.')
    ] = False,
    compare: Annotated[
        str,
        typer.Option(
            '--compare',
            metavar='CODECS',
            help='Codecs to compare with: some of '
            'jpeg,webp,jpeg2000,avif,jpegxl.',
        ),
    ] = '',
) -> None:
    """Measure rate and distortion on a folder of pictures.

    Every picture is encoded into a whole file in memory and decoded from it,
    at uniform qualities from 0 to 100 and with the paper's non-uniform maps
    (Test-1). Files hold neither statistics nor provenance, so "Real BPP" is
    what the codec needs: signature, header, map, symbols and checksums.
    "BPP" is the ideal code length of the symbols. "Total" is real bpp +
    255^2 * mean(lambda * squared error). All figures are means of those of
    the pictures. The paper's curve was measured on Kodak, in colour.

    With --compare: each codec's mean PSNR at the very size of each picture's
    file, between its two neighbouring qualities linear in the logarithm of
    the size. "*" marks levels at which it makes no file of that size for
    some pictures; those count with its smallest (or largest) file. The JSON
    also holds each codec's mean curve over its whole range, for
    `napari-sft-train plot`.

    \b
    Examples:
      napari-sft evaluate kodak
      napari-sft evaluate kodak --effort 9 --limit 2
      napari-sft evaluate kodak --levels 2 --shift -15
      napari-sft evaluate kodak --compare jpeg,webp --json kodak.json
      napari-sft evaluate kodak --gray --limit 4 --levels 3
    """
    from napari_sft.evaluation import Evaluator
    from napari_sft.other_codecs import other_codec

    rivals = [other_codec(name.strip()) for name in _names(compare)]
    with progress_bar() as bar:
        evaluator = Evaluator(
            folder, model, device, limit, gray, rivals, effort, shift
        )
        count = len(evaluator.paths)
        task = bar.add_task(
            'evaluating', total=(levels + 1 + len(rivals)) * count
        )
        evaluator.on_picture = lambda _: bar.advance(task)
        evaluator.on_curve = lambda _: bar.advance(task, count)
        evaluator.on_level = lambda level: typer.echo(_level_line(level))
        result = evaluator.run(levels)
    _print_summary(result)
    if json_out is not None:
        _write_json(json_out, result)


def _names(text: str) -> list[str]:
    return [name for name in text.lower().split(',') if name.strip()]


def _write_json(path: Path, result: Evaluation) -> None:
    from napari_sft.image_files import whole_file

    text = json.dumps(result.as_dict(), indent=1)
    with whole_file(path) as part:
        part.write_text(f'{text}\n', encoding='utf-8')


def _level_line(level: Level) -> str:
    """One line in the format of the paper's public code."""
    return f'[ Test{level.name:>2} ] {_figures_text(level.mean)}'


def _figures_text(mean: Figures) -> str:
    similarity = '-' if mean.ms_ssim is None else f'{mean.ms_ssim:.4f}'
    return (
        f'Total: {mean.loss:.4f} | '
        f'Real BPP: {mean.bpp:.4f} | '
        f'BPP: {mean.estimated_bpp:.4f} | '
        f'PSNR: {mean.psnr:.4f} | '
        f'MS-SSIM: {similarity} | '
        f'Enc Time: {mean.encode_seconds:.4f}s | '
        f'Dec Time: {mean.decode_seconds:.4f}s'
    )


def _print_summary(result: Evaluation) -> None:
    from napari_sft.evaluation_results import mean_figures

    every = mean_figures({level.name: level.mean for level in result.levels})
    typer.echo(
        f'[ Test ] Total mean: {result.mean_loss:.4f} | '
        f'Enc Time: {every.encode_seconds:.4f}s | '
        f'Dec Time: {every.decode_seconds:.4f}s'
    )
    try:
        rate = result.bd_rate_to_paper()
    except SftError as error:
        typer.echo(f"BD-rate against the paper's curve: none, {error}")
    else:
        typer.echo(f"BD-rate against the paper's curve: {rate:+.2f} %")
    if result.about['rivals']:
        _print_rivals(result)


def _print_rivals(result: Evaluation) -> None:
    from napari_sft.console import print_table

    rivals = result.about['rivals']
    levels = [*result.levels, result.test1]
    rows = []
    for level in levels:
        row = [level.name, f'{level.mean.bpp:.4f}', f'{level.mean.psnr:.2f}']
        for name in rivals:
            gain = level.mean.psnr - level.rival_psnr(name)
            mark = '*' if level.unreached(name) else ''
            row.append(f'{level.rival_psnr(name):.2f}{mark} ({gain:+.2f})')
        rows.append(row)
    print_table(
        ('Test', 'real bpp', 'PSNR', *rivals),
        rows,
        'PSNR at equal real bpp (gain over it)',
    )
    for name, settings in rivals.items():
        gains = {
            level.name: level.mean.psnr - level.rival_psnr(name)
            for level in result.levels
        }
        ahead = [level for level, gain in gains.items() if gain <= 0]
        verdict = (
            f'not beaten at {", ".join(ahead)}'
            if ahead
            else f'beaten at every level, by {min(gains.values()):.2f} dB '
            'or more'
        )
        typer.echo(f'{name} ({settings}): {verdict}')
