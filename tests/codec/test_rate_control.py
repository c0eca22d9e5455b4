"""Meeting a size: never above, in eight trials, within one per cent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import TargetError
from napari_sft.codec.rate_control import TRIALS, shift_to_target

BASES = st.integers(0, MAX_FINE)


class File:
    """A file whose size depends on its quality, 0..496 in fine units."""

    def __init__(self, size_at, base):
        self.size_at, self.base = size_at, base
        self.trials = []

    def size(self, shift):
        return self.size_at(min(max(self.base + shift, 0), MAX_FINE))

    def meet(self, target):
        def size_of(shift):
            self.trials.append(shift)
            return self.size(shift)

        return shift_to_target(
            size_of, target, -self.base, MAX_FINE - self.base
        )

    @property
    def ends(self):
        return self.size_at(0), self.size_at(MAX_FINE)


@st.composite
def smooth_files(draw):
    """Sizes that grow as real ones, faster or slower with the quality."""
    slope = draw(st.floats(0.3, 2)) * math.log(11) / MAX_FINE
    bend = draw(st.floats(-0.6, 0.6)) * slope / MAX_FINE
    size = math.log(draw(st.floats(3e3, 3e6)))
    fixed = draw(st.integers(0, 600))

    def size_at(fine):
        x = fine - MAX_FINE / 2
        return fixed + int(math.exp(size + slope * x + bend * x * x))

    return File(size_at, draw(BASES))


@st.composite
def rough_files(draw):
    """Sizes that grow by any steps, or not at all."""
    steps = draw(
        st.lists(
            st.tuples(BASES, st.integers(0, 10**6)), min_size=1, max_size=9
        )
    )
    start = draw(st.integers(1, 1000))

    def size_at(fine):
        return start + sum(size for at, size in steps if at <= fine)

    return File(size_at, draw(BASES))


@given(smooth_files(), st.floats(0, 1))
def test_a_smooth_size_is_met_within_one_per_cent(file, share):
    low, high = file.ends
    target = int(low ** (1 - share) * high**share)
    target = max(target, low)
    shift = file.meet(target)
    size = file.size(shift)
    assert size <= target
    assert size >= 0.99 * target or file.size(shift + 1) > target


@given(smooth_files() | rough_files(), st.integers(1, 10**7))
def test_any_size_is_never_exceeded_nor_tried_more_than_eight_times(
    file, target
):
    if file.ends[0] > target:
        with pytest.raises(TargetError, match='lowest quality takes'):
            file.meet(target)
    else:
        shift = file.meet(target)
        assert file.size(shift) <= target
        assert shift in file.trials
    assert len(file.trials) <= TRIALS == 8


@given(smooth_files())
def test_a_generous_target_gives_the_highest_quality(file):
    shift = file.meet(2 * file.ends[1])
    assert file.size(shift) == file.ends[1]


@pytest.mark.parametrize('target', [0, -5, 99])
def test_a_target_below_the_lowest_quality_is_refused(target):
    file = File(lambda fine: 100 + fine, 300)
    with pytest.raises(TargetError, match='takes 100 bytes'):
        file.meet(target)


def test_a_size_that_is_met_at_once_is_tried_once():
    file = File(lambda fine: 1000 + fine, 200)
    assert file.meet(1205) == 0
    assert file.trials == [0]


def test_steps_coarser_than_one_per_cent_are_bracketed():
    file = File(lambda fine: 100 * 2 ** (fine // 62), 62)
    assert file.meet(1000) in range(124, 186)
