"""What is asked of the codec for one preview, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.codec.quality import feather
from napari_sft.plugin.map_layer import to_quality

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sft.plugin.image_layer import Plane
    from napari_sft.preview.previewer import Preview, Previewer


def quality_of(
    labels: np.ndarray | None, base: float, px: float
) -> float | np.ndarray:
    """Qualities of painted labels, one number if nothing is painted.

    Parameters
    ----------
    labels : ndarray of uint8 (Y, X) or (..., Y, X), optional
        One map, or one for each plane of a stack.
    base : float
        Quality 0..100 of what is unpainted.
    px : float
        How far edges are softened, in pixels.
    """
    if labels is None or not labels.any():
        return base
    quality = to_quality(labels, base)
    if px:
        for index in np.ndindex(quality.shape[:-2]):
            quality[index] = feather(quality[index], px)
    return quality


@dataclass(frozen=True, eq=False)
class Request:
    """One plane with its map and settings, frozen at the time of asking.

    Attributes
    ----------
    plane : Plane
        What to compress; read in the job, for it may be lazy.
    settings : dict
        As `napari_sft.preview.previewer.Previewer` takes them.
    labels : ndarray of uint8 (Y, X) or None
        A copy of the painted map; None for one quality everywhere.
    base : float
        Quality 0..100 of what is unpainted, or of everything.
    feather : float
        How far the map's edges are softened, in pixels.
    target_bytes : int or None
        Size that the file is to fit into.
    """

    plane: Plane
    settings: dict[str, Any] = field(default_factory=dict)
    labels: np.ndarray | None = None
    base: float = 75
    feather: float = 0
    target_bytes: int | None = None

    def quality(self) -> float | np.ndarray:
        """The quality of each pixel (Y, X), or of all of them."""
        return quality_of(self.labels, self.base, self.feather)

    def same_image(self, other: Request | None) -> bool:
        """Whether both compress the same pixels by the same codec."""
        return other is not None and (
            self.plane.identity == other.plane.identity
            and self.settings == other.settings
        )

    def same(self, other: Request | None) -> bool:
        """Whether both give the same file."""
        if other is None or not self.same_image(other):
            return False
        mine, others = (
            (r.base, r.feather, r.target_bytes, r.labels is None)
            for r in (self, other)
        )
        return mine == others and (
            self.labels is None or np.array_equal(self.labels, other.labels)
        )


@dataclass(frozen=True, eq=False)
class Outcome:
    """A preview, what was asked for, and the pictures to show.

    Attributes
    ----------
    request : Request
        What was asked for.
    effort : int
        1 to 9: the encoder's.
    preview : Preview
        The file and its figures.
    original : ndarray
        The plane's pixels.
    pictures : dict of str to array
        As `ResultLayers.show` takes them.
    """

    request: Request
    effort: int
    preview: Preview
    original: np.ndarray
    pictures: dict[str, np.ndarray]


def new_previewer(request: Request, pixels: np.ndarray) -> Previewer:
    """A previewer of a request's plane, whose pixels have been read."""
    from napari_sft.preview.previewer import Previewer

    return Previewer(pixels, rgb=request.plane.rgb, **request.settings)


class Maker:
    """Makes previews; keeps the last plane ready, so the next is quick.

    One thread makes them; any may let it forget.
    """

    def __init__(self) -> None:
        self._age = 0
        self._last: tuple[int, Request, np.ndarray, Previewer] | None = None

    def make(
        self,
        request: Request,
        effort: int,
        progress: Callable[[int, int], None],
        show: Callable[[np.ndarray], None] | None = None,
    ) -> Outcome:
        """Compress.

        Parameters
        ----------
        request : Request
            What to compress.
        effort, progress, show
            As `napari_sft.preview.previewer.Previewer.run` takes them.

        Raises
        ------
        SftError
            As `napari_sft.preview.previewer.Previewer`.
        """
        from napari_sft.preview.previewer import error_map

        original, previewer = self._ready(request)
        preview = previewer.run(
            request.quality(),
            target_bytes=request.target_bytes,
            effort=effort,
            progress=progress,
            show=show,
        )
        pictures = {
            'reconstruction': preview.reconstruction,
            'error': error_map(original, preview.reconstruction),
            'rate': preview.bits,
            'quality': preview.quality,
        }
        return Outcome(request, effort, preview, original, pictures)

    def forget(self) -> None:
        """Read the plane anew next time, whose pixels may have changed."""
        self._age += 1

    def _ready(self, request: Request) -> tuple[np.ndarray, Previewer]:
        age, last = self._age, self._last
        if last is None or last[0] != age or not request.same_image(last[1]):
            self._last = last = None  # two planes need not be in memory
            original = request.plane.read()
            previewer = new_previewer(request, original)
            # The map is not kept: it may be large.
            last = age, replace(request, labels=None), original, previewer
            self._last = last
        return last[2], last[3]
