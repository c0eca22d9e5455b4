"""The .sft file: written tile after tile, read at random.

The layout is specified in ``docs/format.md``. The container knows where
things lie and whether they are whole; what packed maps and payloads mean is
the codec's matter.

``fields`` holds numbers and texts, ``chunks`` the chunks, ``header`` and
``records`` what a file says, ``bodies`` how that becomes bytes, ``writer``
and ``reader`` the two ends.
"""

from __future__ import annotations

from napari_sft.codec.header import Header, TileKey
from napari_sft.codec.reader import Reader, Tile
from napari_sft.codec.records import (
    Calibration,
    Measure,
    Provenance,
    Region,
    Statistics,
)
from napari_sft.codec.writer import Writer

__all__ = [
    'Calibration',
    'Header',
    'Measure',
    'Provenance',
    'Reader',
    'Region',
    'Statistics',
    'Tile',
    'TileKey',
    'Writer',
]
