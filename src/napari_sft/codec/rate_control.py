"""Meeting a size: shifting the whole map, painted differences kept."""

from __future__ import annotations

import math
from collections.abc import Callable

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import TargetError

TRIALS = 8
TOLERANCE = 0.01
# A size grows elevenfold over the range of qualities: the paper's curve.
_SLOPE = math.log(11) / MAX_FINE


def shift_to_target(size_of: Callable[[int], int], target: int) -> int:
    """Find the shift whose file is the largest within a target.

    Parameters
    ----------
    size_of : callable
        Size in bytes of the file with the map shifted by so many fine units
        (-496..496); grows with the shift. Called at most 8 times.
    target : int
        Size in bytes that must not be exceeded.

    Returns
    -------
    int
        A shift whose file is no larger than the target: within 1 % of it,
        or at the end of the scale, or as close as 8 trials come.

    Raises
    ------
    TargetError
        If even the lowest quality is larger.
    """
    low, high = -MAX_FINE, MAX_FINE  # below `low` fits, above `high` not
    size_low: int | None = None
    size_high: int | None = None
    shift = 0
    for trial in range(TRIALS):
        size = size_of(shift)
        if size <= target:
            low, size_low = shift, size
            if size >= (1 - TOLERANCE) * target or shift == MAX_FINE:
                return shift
        else:
            high, size_high = shift, size
            if shift == -MAX_FINE:
                raise TargetError(
                    f'target of {target} bytes is too small: the lowest '
                    f'quality takes {size} bytes'
                )
        if size_low is not None and high - low <= 1:
            return low
        last = trial == TRIALS - 2 and size_low is None
        guess = _guess(target, low, size_low, high, size_high)
        shift = -MAX_FINE if last else guess
    return low


def _guess(
    target: int,
    low: int,
    size_low: int | None,
    high: int,
    size_high: int | None,
) -> int:
    """Shift at which the logarithm of the size should meet the target."""
    # aim a little below: too large cannot be used
    aim = math.log(target * (1 - 0.4 * TOLERANCE))
    if size_low is not None and size_high is not None:
        lower, upper = math.log(size_low), math.log(size_high)
        share = (aim - lower) / (upper - lower)
        guess = low + share * (high - low)
        return min(max(round(guess), low + 1), high - 1)
    if size_low is not None:
        step = (aim - math.log(size_low)) / _SLOPE
        return min(max(low + math.ceil(1.2 * step), low + 1), high)
    assert size_high is not None
    step = (aim - math.log(size_high)) / _SLOPE
    return max(min(high + math.floor(1.2 * step), high - 1), low)
