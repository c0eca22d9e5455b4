"""Rotations of colours, and models that see turned ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_sft.codec.colours import ColourTurn
from napari_sft.codec.errors import ImageError

vectors = st.tuples(*3 * [st.integers(-32767, 32767)])
pivots = st.tuples(*3 * [st.integers(0, 255)])


@given(rotation=vectors, pivot=pivots)
def test_colours_come_back_and_distances_stay(rotation, pivot):
    turn = ColourTurn(rotation, pivot)
    picture = np.random.default_rng(0).random((3, 5, 3), np.float32)
    seen = turn.there(picture)
    np.testing.assert_allclose(turn.back(seen), picture, atol=2e-6)
    first, second = picture[0], picture[1]
    np.testing.assert_allclose(
        np.square(seen[0] - seen[1]).sum(1),
        np.square(first - second).sum(1),
        rtol=1e-4,
        atol=1e-6,
    )


@given(rotation=vectors, pivot=pivots)
def test_the_pivot_stays(rotation, pivot):
    turn = ColourTurn(rotation, pivot)
    colour = np.full((1, 1, 3), np.array(pivot) / 255, np.float32)
    np.testing.assert_allclose(turn.there(colour), colour, atol=2e-6)


@given(rotation=vectors)
def test_the_matrix_is_that_of_the_axis_and_angle(rotation):
    wanted = Rotation.from_rotvec(np.array(rotation) / 4096).as_matrix()
    matrix = ColourTurn(rotation, (0, 0, 0)).matrix
    np.testing.assert_allclose(matrix, wanted, atol=1e-12)


def test_no_rotation_changes_nothing():
    turn = ColourTurn((0, 0, 0), (10, 20, 30))
    np.testing.assert_array_equal(turn.matrix, np.eye(3))
    assert turn.angle == 0


@given(rotation=st.tuples(*3 * [st.integers(-7000, 7000)]), pivot=pivots)
def test_a_matrix_is_kept_to_a_unit(rotation, pivot):
    turn = ColourTurn(rotation, pivot)
    again = ColourTurn.of_matrix(turn.matrix, np.array(pivot) / 255)
    assert again.pivot == pivot
    np.testing.assert_allclose(again.matrix, turn.matrix, atol=1e-3)


def test_a_quarter_turn_about_blue_takes_red_to_green():
    quarter = round(math.pi / 2 * 4096)
    turn = ColourTurn((0, 0, quarter), (0, 0, 0))
    assert turn.angle == pytest.approx(90, abs=0.02)
    red = np.array([[[1, 0, 0]]], np.float32)
    np.testing.assert_allclose(turn.there(red), [[[0, 1, 0]]], atol=2e-4)


@pytest.mark.parametrize(
    ('rotation', 'pivot'),
    [((-32768, 0, 0), (0, 0, 0)), ((0, 0, 0), (0, 256, 0))],
)
def test_numbers_out_of_range_are_refused(rotation, pivot):
    with pytest.raises(ImageError, match='out of range'):
        ColourTurn(rotation, pivot)
