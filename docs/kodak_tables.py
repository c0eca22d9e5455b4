"""Write the tables of Kodak in the README and the model card.

Run after `docs/results/kodak*.json` changed, with the repository as current
folder:

    python docs/kodak_tables.py

Each table is known by the head that it has; the text around it, which repeats
some figures, is printed for comparison.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

DOCS = Path(__file__).parent
README = DOCS.parent / 'README.md'
CARD = DOCS.parent / 'src/napari_sft/models/weights/README.md'
RIVALS = ('jpeg', 'webp', 'jpeg2000', 'avif', 'jpegxl')
GRAY_RIVALS = ('jpeg', 'webp')


def results(name: str) -> dict[str, Any]:
    """What `napari-sft evaluate --json` has measured."""
    path = DOCS / 'results' / f'{name}.json'
    return dict(json.loads(path.read_text(encoding='utf-8')))


def over(level: dict[str, Any], rivals: tuple[str, ...]) -> list[str]:
    """By how many dB each of the others is beaten, the mean of pictures."""
    ours = level['mean']['psnr']
    theirs = [
        mean(each['psnr'] for each in level['rivals'][rival].values())
        for rival in rivals
    ]
    return [f'{ours - psnr:.2f}' for psnr in theirs]


def readme_rows(colour: dict[str, Any]) -> list[list[str]]:
    """Every second level."""
    return [
        [
            f'{level["quality"]:.0f}',
            f'{level["mean"]["bpp"]:.3f}',
            f'{level["mean"]["psnr"]:.2f}',
            f'{level["mean"]["ms_ssim"]:.3f}',
            *over(level, RIVALS),
        ]
        for level in colour['levels'][::2]
    ]


def card_rows(colour: dict[str, Any], gray: dict[str, Any]) -> list[list[str]]:
    """All levels, in colour and in gray."""
    rows = []
    for level, other in zip(colour['levels'], gray['levels'], strict=True):
        here, same = level['mean'], other['mean']
        rows.append(
            [
                f'{level["quality"]:.0f}',
                f'{here["bpp"]:.4f}',
                f'{here["psnr"]:.2f}',
                f'{here["ms_ssim"]:.4f}',
                f'{here["loss"]:.4f}',
                *over(level, RIVALS),
                f'{same["bpp"]:.4f}',
                f'{same["psnr"]:.2f}',
                *over(other, GRAY_RIVALS),
            ]
        )
    return rows


def replace(path: Path, head: str, rows: list[list[str]]) -> None:
    """Put rows under the table's head and its line of dashes."""
    lines = path.read_text(encoding='utf-8').splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(head))
    last = first
    while lines[last].startswith('|'):
        last += 1
    table = ['| ' + ' | '.join(row) + ' |' for row in rows]
    lines[first + 2 : last] = table
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def main() -> None:
    """Write both tables, and print what is said in words."""
    colour, gray = results('kodak'), results('kodak_gray')
    replace(README, '| quality | real bpp | PSNR, dB |', readme_rows(colour))
    replace(CARD, '| quality | real bpp | PSNR, dB |', card_rows(colour, gray))
    print(f'mean loss {colour["mean_loss"]:.4f}, gray {gray["mean_loss"]:.4f}')
    print(f'BD-rate to the paper {colour["bd_rate_to_paper"]:+.1f} %')
    test1 = colour['test1']['mean']
    print(f'Test-1 {test1["psnr"]:.2f} dB at {test1["bpp"]:.3f} bpp')
    for name, run, rivals in (
        ('colour', colour, RIVALS),
        ('gray', gray, GRAY_RIVALS),
    ):
        least = {
            rival: min(
                float(over(level, rivals)[number]) for level in run['levels']
            )
            for number, rival in enumerate(rivals)
        }
        print(f'{name}: least dB over', least)


if __name__ == '__main__':
    main()
