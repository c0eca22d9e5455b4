"""Encoder effort: y of `compact`, improved for the picture at hand.

The analysis transform gives y at once for any picture; the feedback network
corrects it, and gradient steps through the decoder find better ones for this
picture. Files are as ever, decoders do not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.effort import EFFORTS, check_effort
from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import CodecModel
from napari_sft.codec.refinement import Refiner
from napari_sft.models.compact_codec import CompactCodec
from napari_sft.models.latent_block import LatentBlock
from napari_sft.models.memory import give_back_freed_memory

# Cells of a block that lies within a large plane, whose peaks would add up.
LARGE = 2500
FEEDBACK_EFFORT = 2  # the highest one without gradient steps
# Gradient steps of each effort: twice as many from one to the next.
STEPS = {
    effort: 1 << (effort - 1) if effort > FEEDBACK_EFFORT else 0
    for effort in EFFORTS
}


def refiner_for(model: CodecModel, effort: int) -> Refiner | None:
    """What refines the latents of a model at an effort.

    Parameters
    ----------
    model : CodecModel
        The codec model.
    effort : int
        1 to 9; 1 refines nothing, nor does 2 if the model has no feedback.

    Raises
    ------
    SftError
        The effort is no whole number from 1 to 9.
    ModelError
        The model's latents can't be refined.
    """
    steps = STEPS[check_effort(effort)]
    if not isinstance(model, CompactCodec):
        if not steps:
            return None
        raise ModelError(
            f'model {model.name!r} has no efforts above {FEEDBACK_EFFORT}: '
            f'leave the effort at {FEEDBACK_EFFORT}, or use compact'
        )
    feedback = model.has_feedback and effort >= FEEDBACK_EFFORT
    return LatentRefiner(model, steps, feedback) if feedback or steps else None


@dataclass(frozen=True)
class LatentRefiner:
    """Refines y by feedback, then gradients.

    See `napari_sft.codec.refinement`. With gradient steps the cost, that of
    the coder, ``bits + 255**2 * sum(lambda * mean error squared over
    samples)``, never grows. Feedback alone lowers it nearly always; to make
    sure would take half as long again.

    Parameters
    ----------
    codec : CompactCodec
        The model.
    gradient_steps : int
        Gradient steps; 0 for none.
    feedback : bool
        Whether the feedback network corrects y first.
    """

    codec: CompactCodec
    gradient_steps: int
    feedback: bool

    @property
    def steps(self) -> int:
        """See `Refiner`."""
        return self.gradient_steps + self.feedback

    def __call__(
        self,
        x: NDArray[np.float32],
        y: Tensor,
        fine: NDArray[np.integer],
        step: Callable[[], None],
    ) -> Tensor:
        """See `Refiner`."""
        refined = self._refined(LatentBlock(self.codec, x, fine), y, step)
        if self.codec.device.type == 'cpu' and fine.size >= LARGE:
            give_back_freed_memory()
        return refined

    def _refined(
        self, block: LatentBlock, y: Tensor, step: Callable[[], None]
    ) -> Tensor:
        candidates = [y.float().clone()]
        if self.feedback:
            step()
            candidates.append(block.corrected(candidates[-1]))
        if not self.gradient_steps:
            return candidates[-1]
        start = candidates[-1]
        candidates.append(block.descend(start, self.gradient_steps, step))
        return min(candidates, key=block.cost)
