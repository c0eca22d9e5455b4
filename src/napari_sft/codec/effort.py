"""Encoder efforts: from the fastest files to the smallest ones.

At 1 the latents are those of the analysis transform; at 2, 3, 4 and 5 they
are corrected once, three, six and twelve times, each time after a look at
what they decode to; from 6 on gradient steps refine them further, twice as
many from one effort to the next.
"""

from __future__ import annotations

from napari_sft.codec.errors import SftError

EFFORTS = range(1, 10)
FASTEST_EFFORT, DEFAULT_EFFORT = 1, 4


def check_effort(effort: int) -> int:
    """Return the effort that a user asks for, or raise SftError."""
    if effort not in EFFORTS:
        raise SftError(
            f'effort of {effort!r} is unknown: give a whole number from '
            f'{EFFORTS[0]} (fastest) to {EFFORTS[-1]} (smallest files)'
        )
    return int(effort)
