"""Meeting a size: shifting the whole map, painted differences kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import TargetError

TRIALS = 8
TOLERANCE = 0.01
_AIM = 1 - 0.4 * TOLERANCE  # of the target: too large cannot be used
# A size grows elevenfold over the range of qualities: the paper's curve.
_SLOPE = math.log(11) / MAX_FINE
_OPEN_TRIALS = 3  # before an end of the range is tried, to have a bracket

Sizes = dict[int, int]  # of the file, by shift


def shift_to_target(
    size_of: Callable[[int], int],
    target: int,
    lowest: int = -MAX_FINE,
    highest: int = MAX_FINE,
    start: int = 0,
    trials: int = TRIALS,
) -> int:
    """Find the shift whose file is the largest within a target.

    Parameters
    ----------
    size_of : callable
        Size in bytes of the file with the map shifted by so many fine units;
        grows with the shift.
    target : int
        Size in bytes that must not be exceeded.
    lowest, highest : int
        Shifts beyond which nothing changes; 0 lies between them.
    start : int
        The shift to try first.
    trials : int
        How often the size is taken at most, but for a lowest quality that
        is needed.

    Returns
    -------
    int
        The largest shift tried whose file is not above the target: within
        1 % of it, or at the end of the range, or as close as whole shifts or
        the trials come.

    Raises
    ------
    TargetError
        If even the lowest quality is larger.
    """
    sizes: Sizes = {}
    shift = start
    while True:
        size = sizes[shift] = size_of(shift)
        if size > target and shift == lowest:
            raise TargetError(
                f'target of {target} bytes is too small: the lowest quality '
                f'takes {size} bytes'
            )
        within = (1 - TOLERANCE) * target <= size <= target
        if within or (size <= target and shift == highest):
            return shift
        low = max((s for s in sizes if sizes[s] <= target), default=None)
        high = min((s for s in sizes if sizes[s] > target), default=None)
        if low is not None:
            closed = high is not None and high - low <= 1
            if closed or len(sizes) >= trials:
                return low
        shift = _guess(sizes, target, low, high, lowest, highest)


def _guess(
    sizes: Sizes,
    target: int,
    low: int | None,
    high: int | None,
    lowest: int,
    highest: int,
) -> int:
    """Shift at which the size should meet the target.

    Above `low` and below `high`; None where all sizes so far lie on one side
    of the target.
    """
    aim = math.log(max(target, 1) * _AIM)
    if low is not None and high is not None:
        return min(max(round(_inside(sizes, aim)), low + 1), high - 1)
    if len(sizes) >= _OPEN_TRIALS:
        return lowest if low is None else highest
    end = low if high is None else high
    assert end is not None
    missing = aim - math.log(max(sizes[end], 1))
    step = round(missing / _steepness(sizes))
    if high is None:
        return min(max(end + step, end + 1), highest)
    return max(min(end + step, end - 1), lowest)


def _steepness(sizes: Sizes) -> float:
    """Growth of the logarithm of the size from one shift to the next."""
    if len(sizes) == 1:
        return _SLOPE / 1.2  # rather too far: the bracket is what matters
    (a, small), (b, large) = sorted(sizes.items())[:2]
    slope = math.log(max(large, 1) / max(small, 1)) / (b - a)
    return max(slope, _SLOPE / 8)


def _inside(sizes: Sizes, aim: float) -> float:
    """Shift of a logarithm of size, by monotone cubics between those known."""
    from scipy.interpolate import PchipInterpolator

    shifts = np.array(sorted(sizes), float)
    logs = np.log([max(sizes[int(shift)], 1) for shift in shifts])
    rising = np.append(True, np.diff(np.maximum.accumulate(logs)) > 0)
    return float(PchipInterpolator(logs[rising], shifts[rising])(aim))
