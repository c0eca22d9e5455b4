"""Write what the plugin expects of a quality from the measured figures.

Run after `docs/results/` changed, with the repository as current folder:

    python docs/expected.py
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

DOCS = Path(__file__).parent
TARGET = DOCS.parent / 'src' / 'napari_sft' / 'expected.json'


def table(path: Path) -> list[list[float]]:
    """Quality and the quartiles of bpp and PSNR, a row a level."""
    rows = []
    for level in json.loads(path.read_text(encoding='utf-8'))['levels']:
        row = [float(level['quality'])]
        for figure in ('bpp', 'psnr'):
            values = [each[figure] for each in level['images'].values()]
            low, _, high = statistics.quantiles(values, n=4)
            row += [round(low, 3), round(high, 3)]
        rows.append(row)
    return rows


def tables() -> dict[str, list[list[float]]]:
    """The tables of colour and gray pictures."""
    results = DOCS / 'results'
    return {
        'colour': table(results / 'kodak.json'),
        'gray': table(results / 'kodak_gray.json'),
    }


if __name__ == '__main__':
    lines = [
        f'"{name}": [\n  '
        + ',\n  '.join(json.dumps(row) for row in rows)
        + '\n ]'
        for name, rows in tables().items()
    ]
    text = '{\n ' + ',\n '.join(lines) + '\n}\n'
    TARGET.write_text(text, encoding='utf-8')
    print(f'wrote {TARGET}')
