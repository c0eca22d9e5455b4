"""Pictures of latents, window by window."""

from __future__ import annotations

import numpy as np

from napari_sft.codec.coded_map import CELL, CodedMap
from napari_sft.codec.model import CodecModel, Latents
from napari_sft.codec.pipeline import Plane
from napari_sft.codec.tiles import CELLS, Box, Grid, fine_window, pieces_for


def crop_latents(latents: Latents, outer: Box, box: Box) -> Latents:
    """Latents of some cells, of those that cover `outer`."""
    rows, columns = box.inside(outer)
    first, *others = latents
    z_rows, z_columns = box.over(CELLS).inside(outer.over(CELLS))
    return (
        first[..., rows, columns],
        *(other[..., z_rows, z_columns] for other in others),
    )


def synthesise_box(
    model: CodecModel,
    latents: Latents,
    around: Box,
    box: Box,
    coded_map: CodedMap,
    grid: Grid,
) -> Plane:
    """Picture of some cells of a plane.

    Parameters
    ----------
    latents : Latents
        They cover `around`, which is `box` and the margin of synthesis.
    box : Box
        The cells.

    Returns
    -------
    ndarray of float32
        Its pixels (Y, X) or (Y, X, 3), padding left out, in 0..1.
    """
    target = grid.pixels(box)
    picture = np.empty((*target.shape, *grid.shape[2:]), np.float32)
    for piece in pieces_for(box, model.window):
        window = piece.grown(model.halo.synthesis, around)
        part = model.synthesise(
            crop_latents(latents, around, window),
            fine_window(coded_map, window),
        )
        pixels = grid.pixels(piece)
        rows, columns = pixels.inside(window.times(CELL))
        part = part[rows, columns]
        if len(grid.shape) == 2:
            part = part.mean(2)
        rows, columns = pixels.inside(target)
        picture[rows, columns] = np.clip(part, 0, 1)
    return picture
