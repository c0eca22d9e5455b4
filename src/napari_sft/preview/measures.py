"""How far parts of a plane are from their original, measured once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_sft.codec.cache import Cache
from napari_sft.codec.image import normalise
from napari_sft.codec.metrics import ErrorTally
from napari_sft.codec.tiles import map_under
from napari_sft.preview.remembering_model import digest
from napari_sft.preview.similarity import Similarity

if TYPE_CHECKING:
    from napari_sft.codec.job import Job
    from napari_sft.codec.parts import Part


@dataclass(frozen=True)
class Measured:
    """How far some pixels are from what the file's reader gets."""

    errors: ErrorTally
    ms_ssim: float | None


class Measures:
    """Measures of the parts of one plane."""

    def __init__(self) -> None:
        self._parts: Cache[Measured] = Cache(1 << 12, lambda _: 1)
        self._similarity = Similarity()

    def of(self, job: Job, part: Part, decoded: NDArray[Any]) -> Measured:
        """Measure a part, in the image's dtype as its reader gets it."""
        box = part.box
        cells = map_under(box, part.coded_map)

        def measure() -> Measured:
            original = part.original()
            back = normalise(decoded, job.window(0))
            tally = ErrorTally()
            if cells.uniform:
                tally.add(original, back, float(cells.quality()[0, 0]))
            else:
                tally.add(original, back, cells.pixels(box.shape))
            similarity = self._similarity.of(original, back, box)
            return Measured(tally, similarity)

        return self._parts.get((box, digest(decoded, cells.fine())), measure)
