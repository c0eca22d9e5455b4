"""What a task sees of an image, and maps on whole cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sft.codec.coded_map import CodedMap
from napari_sft.tasks.planes import bytes_of, fill_cells, plane_of
from napari_sft.tasks.registry import TaskError


def test_gray_becomes_three_equal_samples_over_its_own_range():
    image = np.array([[100, 300], [500, 900]], np.uint16)
    plane = plane_of(image)
    assert plane.shape == (2, 2, 3)
    np.testing.assert_allclose(plane[..., 1], [[0, 0.25], [0.5, 1]], atol=1e-6)


def test_colours_stay_what_they_are(make_picture):
    picture = make_picture()
    np.testing.assert_array_equal(bytes_of(plane_of(picture)), picture)
    floats = plane_of(picture / 255)
    assert floats.shape == picture.shape


def test_a_stack_is_refused():
    with pytest.raises(TaskError, match='5 planes'):
        plane_of(np.zeros((5, 8, 8), np.uint8))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_filled_cells_code_the_highest_quality_of_each(height, width, seed):
    rng = np.random.default_rng(seed)
    quality = rng.uniform(0, 100, (height, width)).astype(np.float32)
    filled = fill_cells(quality)
    assert filled.shape == quality.shape
    assert (filled >= quality).all()
    for top in range(0, height, 16):
        for left in range(0, width, 16):
            cell = np.s_[top : top + 16, left : left + 16]
            assert (filled[cell] == quality[cell].max()).all()
    coded = CodedMap.from_quality(filled).pixels((height, width))
    assert np.abs(coded - filled).max() <= 100 / 31
