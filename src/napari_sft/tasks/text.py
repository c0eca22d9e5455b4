"""Text-aware maps: quality where something is written, less elsewhere.

RapidOCR's networks, which its wheel carries, find text and read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sft.codec.quality import from_shapes
from napari_sft.tasks.planes import bytes_of, fill_cells, plane_of
from napari_sft.tasks.registry import Progress, find_task, need

Box = NDArray[np.float64]  # corners (4, 2) as (x, y), from the top left
UPRIGHT = 1.5  # boxes so much higher than wide are read from the side


@dataclass(frozen=True)
class Reader:
    """Finds text and reads it.

    Attributes
    ----------
    engine : rapidocr_onnxruntime.RapidOCR
        Called with a picture (Y, X, 3) of uint8, samples in the order BGR.
    """

    engine: Any

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        """Boxes around text in a picture (Y, X, 3)."""
        found, _ = self.engine(
            _bgr(picture), use_det=True, use_cls=False, use_rec=False
        )
        return [np.asarray(box, np.float64) for box in found or ()]

    def read(
        self, picture: NDArray[np.uint8], boxes: Iterable[Box]
    ) -> list[str]:
        """What is written in each box."""
        return [self._read_box(picture, box) for box in boxes]

    def _read_box(self, picture: NDArray[np.uint8], box: Box) -> str:
        found, _ = self.engine(
            _bgr(cut_out(picture, box)),
            use_det=False,
            use_cls=False,
            use_rec=True,
        )
        return ''.join(text for text, *_ in found or ())


@cache
def reader() -> Reader:
    """RapidOCR, loaded once.

    Raises
    ------
    TaskError
        If it isn't installed.
    """
    need(find_task('text').packages, 'text')
    import torch
    from rapidocr_onnxruntime import RapidOCR

    threads = torch.get_num_threads()
    return Reader(
        RapidOCR(intra_op_num_threads=threads, inter_op_num_threads=1)
    )


def text_map(
    image: Any,
    *,
    text: float = 80,
    rest: float = 10,
    margin: float = 4,
    boxes: Iterable[Box] | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """A map that spends bits on text.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane.
    text, rest : float
        Quality of text and of everything else, 0..100.
    margin : float
        By how many pixels boxes grow to each side.
    boxes : iterable of array (4, 2), optional
        Corners (x, y) of text; found by RapidOCR's detector if left out.
    progress : callable, optional
        Called with (done, total) steps; may raise to cancel.

    Returns
    -------
    ndarray of float32 (Y, X)
        Qualities 0..100, the same throughout each 16x16 cell; `rest`
        everywhere if there is no text.

    Raises
    ------
    TaskError
        If RapidOCR isn't installed.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> image = skimage.data.page()
    >>> quality_map = napari_sft.tasks.text_map(image)
    >>> data = napari_sft.encode(image, quality_map=quality_map)
    """
    progress = progress or (lambda done, total: None)
    progress(0, 2)
    plane = plane_of(image)
    if boxes is None:
        boxes = reader().find(bytes_of(plane))
    progress(1, 2)
    shapes = [(_grown(box, margin)[:, ::-1], text) for box in boxes]
    quality = from_shapes(plane.shape[:2], shapes, rest)
    progress(2, 2)
    return fill_cells(quality)


def cut_out(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The picture (Y, X, 3) of a box, turned so that lines run across."""
    from PIL import Image

    sides = np.linalg.norm(np.roll(box, -1, 0) - box, axis=1)
    width = max(int(max(sides[0], sides[2])), 1)
    height = max(int(max(sides[1], sides[3])), 1)
    corners = box[[0, 3, 2, 1]].ravel().tolist()
    part = Image.fromarray(picture).transform(
        (width, height),
        Image.Transform.QUAD,
        corners,
        Image.Resampling.BICUBIC,
    )
    pixels = np.asarray(part)
    return np.rot90(pixels) if height >= UPRIGHT * width else pixels


def character_errors(read: str, true: str) -> tuple[int, int]:
    """Edits that turn what was read into what is written, and its length.

    Neither case nor space counts.
    """
    read, true = (''.join(s.casefold().split()) for s in (read, true))
    row = list(range(len(true) + 1))
    for done, got in enumerate(read, 1):
        before, row[0] = row[0], done
        for at, wanted in enumerate(true, 1):
            swap = before + (got != wanted)
            before = row[at]
            row[at] = min(swap, row[at] + 1, row[at - 1] + 1)
    return row[-1], len(true)


def _bgr(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(picture[..., ::-1])


def _grown(box: Box, margin: float) -> Box:
    """A box whose corners are further out along both sides by `margin`."""
    box = np.asarray(box, np.float64)
    along = _unit(box[1] - box[0] + box[2] - box[3])
    down = _unit(box[3] - box[0] + box[2] - box[1])
    ways = np.array([-along - down, along - down, along + down, down - along])
    return box + margin * ways


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
