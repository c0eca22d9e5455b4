"""Maps that keep objects countable, found by looking at what is decoded.

Whether touching objects stay two hangs on a few pixels, and on where the
codec errs: no map of the original alone tells that. So the search encodes,
decodes and segments; where objects were lost, merged or cut, the next map has
more quality and, as files stay of one size, all else has less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_sft
from napari_sft.codec.coded_map import CELL
from napari_sft.codec.errors import TargetError
from napari_sft.tasks.registry import Progress, TaskError
from napari_sft.tasks.segmentation import Method, find_objects

STEP = 10.0  # quality that the cells of wrong objects gain each time
HALF = 0.5  # of what two objects cover together, to be the same object
TOUCHED = 0.02  # share of a cell that wrong objects cover at least

Labels = NDArray[np.int32]


def counting_map(
    image: Any,
    *,
    quality: float = 30,
    iterations: int = 8,
    method: Method = 'watershed',
    model: str = 'compact',
    device: str = 'auto',
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """A map whose file keeps number and area of objects.

    Of the maps tried, all with files no larger than a uniform one, it is the
    one with the least `harm`; the uniform one if none is better.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane.
    quality : float
        0..100, of the uniform map whose file is as large.
    iterations : int
        Maps to try, at least 1.
    method : {'otsu', 'watershed'}
        How `find_objects` finds objects.
    model, device : str
        As for `napari_sft.encode`, for which the map is good.
    progress : callable, optional
        Called with (done, total) maps; may raise to cancel.

    Returns
    -------
    ndarray of float32 (Y, X)
        Qualities 0..100, the same throughout each 16x16 cell.

    Raises
    ------
    TaskError
        There are no objects, no iterations, or there is no such method.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> image = skimage.data.coins()
    >>> quality_map = napari_sft.tasks.counting_map(image, quality=20)
    >>> data = napari_sft.encode(image, quality_map=quality_map)
    """
    if iterations < 1:
        raise TaskError(f'{iterations} iterations; give 1 or more')
    objects = find_objects(image, method)
    if not objects.any():
        raise TaskError('no objects stand out from this image')
    progress = progress or (lambda done, total: None)
    progress(0, iterations)
    search = _Search(image, objects, method, model, device)
    best = min(
        search.run(quality, iterations, progress), key=lambda try_: try_.harm
    )
    return best.quality_map


def harm(before: Labels, after: Labels) -> float:
    """How much worse objects are: 0 if they are the same.

    The sum of the wrong objects of both sides and of the relative errors of
    number, mean area and mask: the errors alone would forgive one object lost
    for another one cut.
    """
    (count, area), (left, kept) = measured(before), measured(after)
    wrong = sum(int(each.sum()) for each in _unmatched(before, after))
    mask = (before > 0) != (after > 0)
    return (
        wrong / count
        + abs(left / count - 1)
        + abs(kept / area - 1)
        + float(mask.sum() / (count * area))
    )


def measured(objects: Labels) -> tuple[int, float]:
    """Number and mean area in pixels."""
    count = int(objects.max())
    return count, float((objects > 0).sum() / count) if count else 0.0


@dataclass(frozen=True)
class _Try:
    """A map as its file holds it, and the harm that the file does."""

    quality_map: NDArray[np.float32]
    harm: float


@dataclass
class _Search:
    image: Any
    objects: Labels
    method: Method
    model: str
    device: str

    def run(
        self, quality: float, iterations: int, progress: Progress
    ) -> Iterator[_Try]:
        """The uniform map, then one after the other."""
        data = self._encode(quality=quality)
        size = len(data)
        found, wrong = self._judge(data)
        yield found
        wanted = np.full(wrong.shape, quality)
        for done in range(1, iterations + 1):
            wanted = np.clip(wanted + STEP * wrong, 0, 100)
            try:
                data = self._encode(
                    quality_map=_spread(wanted, self.objects.shape),
                    target_bytes=size,
                )
            except TargetError:  # the map itself takes more than there is
                break
            found, wrong = self._judge(data)
            progress(done, iterations)
            yield found

    def _encode(self, **how: Any) -> bytes:
        return napari_sft.encode(
            self.image,
            model=self.model,
            device=self.device,
            rgb=np.ndim(self.image) == 3 and np.shape(self.image)[-1] == 3,
            statistics=False,
            provenance=False,
            **how,
        )

    def _judge(self, data: bytes) -> tuple[_Try, NDArray[np.bool_]]:
        """A file, and the cells where its objects are wrong."""
        with napari_sft.open(data, device=self.device) as file:
            decoded = np.asarray(file)
            quality_map = file.quality_map
        after = find_objects(decoded, self.method)
        found = _Try(quality_map, harm(self.objects, after))
        lost, new = _unmatched(self.objects, after)
        return found, _touched(lost[self.objects] | new[after])


def _unmatched(
    before: Labels, after: Labels
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """By label, which objects of either side have no partner on the other."""
    count = int(after.max()) + 1
    pairs, common = np.unique(
        before.astype(np.int64) * count + after, return_counts=True
    )
    first, second = np.divmod(pairs, count)
    areas = np.bincount(before.ravel()), np.bincount(after.ravel())
    union = areas[0][first] + areas[1][second] - common
    same = (common > HALF * union) & (first > 0) & (second > 0)
    wrong = np.ones(len(areas[0]), bool), np.ones(len(areas[1]), bool)
    for side, partners in zip(wrong, (first, second), strict=True):
        side[0] = False
        side[partners[same]] = False
    return wrong


def _touched(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells that pixels cover to a part."""
    margin = [(0, -n % CELL) for n in pixels.shape]
    padded = np.pad(pixels, margin)
    rows, columns = (n // CELL for n in padded.shape)
    shares = padded.reshape(rows, CELL, columns, CELL).mean((1, 3))
    return shares > TOUCHED


def _spread(
    cells: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """The quality of each pixel."""
    return cells.repeat(CELL, 0).repeat(CELL, 1)[: shape[0], : shape[1]]
