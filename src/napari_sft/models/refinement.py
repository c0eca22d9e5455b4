"""Encoder effort: y of `compact`, improved for the picture at hand.

The analysis transform gives y at once for any picture; the feedback network
corrects it, some times over, and gradient steps through the decoder find a
still better one for this picture. Files are as ever, decoders do not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.effort import check_effort
from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import CodecModel
from napari_sft.codec.refinement import Refiner
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.latent_block import LatentBlock
from napari_sft.models.memory import give_back_freed_memory

# Cells of a block that lies within a large plane, whose peaks would add up.
LARGE = 2500
# Corrections by the feedback of efforts 1, 2 and so on, then gradient steps:
# twice as many from one to the next.
CORRECTIONS = 0, 1, 3, 6, 12
FEEDBACK_EFFORT = len(CORRECTIONS)  # the highest one without gradient steps


def refiner_for(model: CodecModel, effort: int) -> Refiner | None:
    """What refines the latents of a model at an effort.

    Parameters
    ----------
    model : CodecModel
        The codec model.
    effort : int
        1 to 9; 1 refines nothing, nor do 2 to 5 if the model has no feedback.

    Raises
    ------
    SftError
        The effort is no whole number from 1 to 9.
    ModelError
        The model's latents can't be refined.
    """
    feedback = min(check_effort(effort), FEEDBACK_EFFORT)
    steps = 1 << (effort - 1) if effort > FEEDBACK_EFFORT else 0
    if not isinstance(model, CompactCodec):
        if not steps:
            return None
        raise ModelError(
            f'model {model.name!r} has no efforts above {FEEDBACK_EFFORT}: '
            f'leave the effort at {FEEDBACK_EFFORT}, or use compact'
        )
    corrections = CORRECTIONS[feedback - 1] if model.has_feedback else 0
    if not corrections + steps:
        return None
    return LatentRefiner(model, corrections, steps)


@dataclass(frozen=True)
class LatentRefiner:
    """Refines y by feedback, then gradients.

    See `napari_sft.codec.refinement`. With gradient steps the cost, that of
    the coder, ``bits + 255**2 * sum(lambda * mean error squared over
    samples)``, never grows. Feedback alone lowers it nearly always, and is
    trusted.

    Parameters
    ----------
    codec : CompactCodec
        The model.
    corrections : int
        How often the feedback network corrects y.
    gradient_steps : int
        Gradient steps after that.
    """

    codec: CompactCodec
    corrections: int
    gradient_steps: int

    @property
    def steps(self) -> int:
        """See `Refiner`."""
        return self.corrections + self.gradient_steps

    def __call__(
        self,
        x: NDArray[np.float32],
        y: Tensor,
        fine: NDArray[np.integer],
        step: Callable[[], None],
    ) -> Tensor:
        """See `Refiner`."""
        refined = self._refined(LatentBlock(self.codec, x, y, fine), y, step)
        if self.codec.device.type == 'cpu' and fine.size >= LARGE:
            give_back_freed_memory()
        return refined

    def _refined(
        self, block: LatentBlock, y: Tensor, step: Callable[[], None]
    ) -> Tensor:
        candidates = [y.float().clone()]
        if self.corrections:
            y = block.corrected(candidates[-1], self.corrections, step)
            candidates.append(y)
        if not self.gradient_steps:
            return candidates[-1]
        start = candidates[-1]
        candidates.append(block.descend(start, self.gradient_steps, step))
        return min(candidates, key=block.cost)
