"""Means of the comparison on microscopy, by kind of picture, and their table.

Three comparisons: at a size that was asked for, over all pictures, though a
codec's best file may be smaller; at that size, over the pictures that all
codecs can bring to it; and at the size of our file of highest quality, over
the pictures where that is smaller than one of the sizes asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sft.console import print_table
from napari_sft_training.benchmarks.microscopy_pictures import KINDS, Subject

ALL = 'all'
ASKED, REACHED, HIGHEST = 'as asked', 'reached by all', 'ours at its highest'


@dataclass(frozen=True)
class Point:
    """What a codec makes of a picture at a size.

    Attributes
    ----------
    codec : str
    bpp : float
        Bits per pixel compared at.
    psnr : float
        In dB.
    reached : bool
        Whether the codec can make files so small, or so large; otherwise
        the PSNR is that of its nearest file.
    highest : bool
        Whether the size is not one asked for, but that of our file of
        highest quality.
    """

    codec: str
    bpp: float
    psnr: float
    reached: bool
    highest: bool = False


Results = Sequence[tuple[Subject, list[Point]]]


def means(results: Results) -> list[dict[str, Any]]:
    """Mean PSNR by kind of picture, comparison and codec, `ALL` kinds first.

    Pictures that some codec keeps without loss, at any of the sizes, are
    left out: their PSNR is infinite.
    """
    usable = [
        (subject.kind, points)
        for subject, points in results
        if all(np.isfinite(point.psnr) for point in points)
    ]
    kinds = {kind for kind, _ in usable}
    groups = {ALL: [points for _, points in usable]} | {
        kind: [points for k, points in usable if k == kind]
        for kind in KINDS
        if kind in kinds
    }
    return [
        {'kind': kind} | row
        for kind, pictures in groups.items()
        for row in _rows(pictures)
    ]


def _rows(pictures: Sequence[list[Point]]) -> Iterator[dict[str, Any]]:
    """A row for each comparison of some pictures."""
    asked = {p.bpp for points in pictures for p in points if not p.highest}
    for bpp in sorted(asked):
        there = [
            [p for p in points if p.bpp == bpp and not p.highest]
            for points in pictures
        ]
        yield _row(ASKED, there)
        reached = [
            points for points in there if all(p.reached for p in points)
        ]
        if reached:
            yield _row(REACHED, reached)
    highest = [[p for p in points if p.highest] for points in pictures]
    if any(highest):
        yield _row(HIGHEST, [points for points in highest if points])


def _row(which: str, pictures: Sequence[list[Point]]) -> dict[str, Any]:
    by_codec: dict[str, list[Point]] = {}
    for points in pictures:
        for point in points:
            by_codec.setdefault(point.codec, []).append(point)
    return {
        'which': which,
        'pictures': len(pictures),
        'bpp': float(np.mean([points[0].bpp for points in pictures])),
        'psnr': {
            codec: float(np.mean([p.psnr for p in points]))
            for codec, points in by_codec.items()
        },
        'out_of_reach': {
            codec: sum(not p.reached for p in points)
            for codec, points in by_codec.items()
        },
    }


def show(rows: Sequence[dict[str, Any]], codecs: Sequence[str]) -> None:
    """Print the table; a star where some files are of another size."""
    print_table(
        ('pictures', 'number', 'size', 'bpp', *codecs),
        [
            (
                row['kind'],
                str(row['pictures']),
                row['which'],
                f'{row["bpp"]:.3g}',
                *(
                    f'{row["psnr"][codec]:.2f} dB'
                    f'{"*" if row["out_of_reach"][codec] else ""}'
                    for codec in codecs
                ),
            )
            for row in rows
        ],
        "Mean PSNR at equal size (* some out of the codec's reach)",
    )
