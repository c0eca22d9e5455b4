"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    str,
    typer.Option(
        '--model',
        metavar='M',
        help='A model by name, or the path of its weights.',
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        '--device', metavar='D', help="'auto', 'cpu', 'cuda' or 'mps'."
    ),
]
EffortOption = Annotated[
    int,
    typer.Option(
        '--effort',
        metavar='N',
        min=1,
        max=9,
        help='1 to 9, from fast to small files of the same quality: at 2, 3, '
        '4 and 5 symbols are corrected once, three, six and twelve times, '
        'from 6 on gradient steps refine them, twice as many from one to the '
        'next.',
    ),
]
ForceOption = Annotated[
    bool, typer.Option('--force', '-f', help='Overwrite existing files.')
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        '--out-dir', metavar='DIR', help='Folder to write into, made if new.'
    ),
]
