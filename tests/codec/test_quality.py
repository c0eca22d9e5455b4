from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sft.codec import coded_map
from napari_sft.codec.errors import MapError
from napari_sft.codec.layout import Layout
from napari_sft.codec.quality import (
    CodedMap,
    centre_focus,
    check_quality,
    feather,
    from_gray,
    from_labels,
    from_shapes,
    gradient,
    lambda_of,
    plane_map,
    resample,
    to_gray,
)

maps = st.builds(
    lambda shape, offset, seed: CodedMap(
        np.random.default_rng(seed).integers(0, 32, shape), offset
    ),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.integers(-16, 16),
    st.integers(0, 1000),
)


def test_lambda_is_the_papers_t_of_q():
    assert lambda_of(0) == pytest.approx(1e-3)
    assert lambda_of(50) == pytest.approx(1e-3 * np.exp(2.191))
    assert lambda_of(np.array([[0, 100]])).shape == (1, 2)


def test_a_number_stands_for_every_pixel():
    values = check_quality(30, (4, 5))
    assert values.shape == (4, 5)
    assert (values == 30).all()


@pytest.mark.parametrize('bad', [-0.1, 100.5, np.nan, np.inf])
def test_values_outside_0_100_are_refused_naming_the_range(bad):
    quality = np.full((4, 5), 50.0)
    quality[2, 3] = bad
    with pytest.raises(MapError, match='from 0 to 100'):
        check_quality(quality, (4, 5))
    with pytest.raises(MapError, match='from 0 to 100'):
        check_quality(bad, (4, 5))


def test_a_wrong_shape_is_refused_naming_both():
    with pytest.raises(MapError, match=r'\(4, 5\).*\(5, 4\)'):
        check_quality(np.zeros((4, 5)), (5, 4))


@pytest.mark.parametrize('dtype', [bool, object, complex, 'U1'])
def test_maps_that_are_no_numbers_are_refused(dtype):
    with pytest.raises(MapError, match='not made of numbers'):
        check_quality(np.zeros((4, 5), dtype), (4, 5))


class Lazy:
    """An array that is read by parts only; the largest part is noted."""

    def __init__(self, data):
        self._data = data
        self.shape, self.ndim, self.dtype = data.shape, data.ndim, data.dtype
        self.largest = 0

    def __getitem__(self, index):
        part = self._data[index]
        self.largest = max(self.largest, part.size)
        return part


def test_stacks_take_one_map_for_all_planes_or_one_for_each():
    layout = Layout('TCYX', (2, 3, 40, 50), np.dtype('uint8'))
    full = np.random.default_rng(0).integers(0, 101, layout.shape)
    wanted = CodedMap.from_quality(full[1, 1])
    assert plane_map(full, layout, 4) == wanted
    assert plane_map(full[1, 1], layout, 4) == wanted
    assert plane_map(50, layout, 4) == CodedMap.from_quality(50, (40, 50))
    with pytest.raises(MapError, match=r'\(2, 40, 50\).*\(2, 3, 40, 50\)'):
        plane_map(full[:, 0], layout, 0)


def test_large_maps_are_read_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(coded_map, '_STRIP_PIXELS', 64 * 70)
    quality = np.random.default_rng(0).integers(0, 101, (3, 211, 70))
    lazy = Lazy(quality)
    layout = Layout('ZYX', quality.shape, np.dtype('uint8'))
    maps = [plane_map(lazy, layout, n) for n in range(3)]
    assert lazy.largest <= 64 * 70
    assert maps == [CodedMap.from_quality(part) for part in quality]
    shared = CodedMap.from_quality(Lazy(quality[1]), (211, 70))
    assert shared == maps[1]
    quality[2, 200, 3] = 101
    with pytest.raises(MapError, match='to 101'):
        plane_map(lazy, layout, 2)


def test_a_uniform_map_takes_no_memory_and_the_largest_plane_no_time():
    coded = CodedMap.from_quality(50, (1 << 30, 1 << 30))
    assert coded.uniform
    assert coded.shape == (1 << 26, 1 << 26)
    shifted = coded.shifted(-100)
    assert shifted.uniform
    part = shifted.crop(slice(1 << 25, (1 << 25) + 2), slice(0, 3)).fine()
    np.testing.assert_array_equal(part, np.full((2, 3), 148))
    assert coded.halved().shape == (1 << 25, 1 << 25)


@given(maps)
@settings(deadline=None)
def test_a_map_is_halved_by_averages_of_2x2_cells(coded):
    half = coded.halved()
    assert half.shape == tuple(-(-n // 2) for n in coded.shape)
    assert half.offset == coded.offset
    levels = coded.levels.astype(float)
    levels = np.pad(levels, [(0, n % 2) for n in levels.shape], 'edge')
    means = levels.reshape(half.shape[0], 2, half.shape[1], 2).mean((1, 3))
    assert np.abs(half.levels - means).max() <= 0.5


def test_resampling_keeps_flat_maps_and_averages_where_it_shrinks():
    flat = np.full((6, 8), 40.0)
    np.testing.assert_allclose(resample(flat, (13, 5)), 40, atol=1e-4)
    half = np.repeat([[20.0, 80.0]], 32, axis=1).repeat(64, axis=0)
    small = resample(half, (8, 8))
    assert small.mean() == pytest.approx(50, abs=0.5)
    assert small[0, 0] == pytest.approx(20, abs=0.5)
    assert small[0, -1] == pytest.approx(80, abs=0.5)


def test_feather_turns_an_edge_into_a_slope_of_the_width_asked_for():
    edge = np.repeat([[10, 90]], 50, axis=1).repeat(4, axis=0)
    soft = feather(edge, 20)
    assert soft[0, 49] == pytest.approx(50, abs=3)
    assert (np.diff(soft[0]) >= -1e-4).all()
    assert abs(soft[0, 49 - 20] - 10) < 0.05 * 80
    assert abs(soft[0, 49 - 8] - 10) > 0.1 * 80
    np.testing.assert_array_equal(feather(edge, 0), edge)


@pytest.mark.parametrize('px', [-1, np.nan, np.inf])
def test_feather_of_no_width_at_all_is_refused(px):
    with pytest.raises(MapError, match='0 or more'):
        feather(np.zeros((3, 3)), px)


def test_labels_take_their_quality_and_all_others_the_base():
    labels = np.array([[0, 1, 2], [7, 1, -3]])
    quality = from_labels(labels, {1: 90, -3: 5.5}, base=40)
    assert quality.tolist() == [[40, 90, 40], [40, 90, 5.5]]


def test_labels_must_be_whole_numbers_and_qualities_in_range():
    with pytest.raises(MapError, match='float64'):
        from_labels(np.zeros((3, 3)), {}, base=40)
    with pytest.raises(MapError, match='from 0 to 100'):
        from_labels(np.ones((3, 3), int), {1: 101}, base=40)


def test_polygons_are_filled_later_ones_on_top_and_cut_at_the_border():
    square = [(2, 2), (2, 8), (8, 8), (8, 2)]
    corner = [(5, 5), (5, 99), (99, 99), (99, 5)]
    quality = from_shapes((12, 12), [(square, 80), (corner, 10)], base=50)
    assert quality[4, 4] == 80
    assert quality[7, 7] == 10
    assert quality[11, 11] == 10
    assert quality[0, 0] == 50


@pytest.mark.parametrize(
    'vertices',
    [[(1, 1), (2, 2)], [(1, 1, 1)] * 3, [(0, 0), (1, np.nan), (2, 0)]],
)
def test_vertices_that_are_no_polygon_are_refused(vertices):
    with pytest.raises(MapError, match='shape 0'):
        from_shapes((9, 9), [(vertices, 50)], base=0)


@pytest.mark.parametrize(
    ('angle', 'low', 'high'),
    [
        (0, (5, 0), (5, 29)),
        (90, (0, 5), (19, 5)),
        (180, (5, 29), (5, 0)),
        (45, (0, 0), (19, 29)),
    ],
)
def test_gradients_reach_both_ends_in_the_direction_asked_for(
    angle, low, high
):
    quality = gradient((20, 30), 10, 90, angle)
    assert quality[low] == pytest.approx(10, abs=1e-4)
    assert quality[high] == pytest.approx(90, abs=1e-4)


def test_a_gradient_over_one_pixel_is_its_start():
    assert gradient((1, 1), 30, 90).tolist() == [[30]]


def test_centre_focus_falls_from_the_centre_to_the_corners():
    quality = centre_focus((101, 201), centre=90, edge=20)
    assert quality[50, 100] == pytest.approx(90)
    assert quality[0, 0] == pytest.approx(20, abs=0.1)
    assert (np.diff(quality[50, 100:]) < 0).all()
    np.testing.assert_allclose(quality, quality[::-1, ::-1], atol=1e-4)


def test_centre_focus_reaches_its_edge_at_a_radius_in_pixels():
    quality = centre_focus((101, 201), centre=90, edge=20, radius=40)
    assert quality[50, 100] == pytest.approx(90, abs=0.1)
    assert quality[50, 120] == quality[70, 100] == pytest.approx(55, abs=0.1)
    assert (quality[:10] == 20).all()
    assert (quality[:, :60] == 20).all()
    with pytest.raises(MapError, match='radius'):
        centre_focus((8, 8), centre=90, edge=20, radius=0)


def test_gray_pictures_come_back():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    quality = from_gray(gray)
    assert quality.min() == 0
    assert quality.max() == 100
    np.testing.assert_array_equal(to_gray(quality), gray)
    with pytest.raises(MapError, match='8-bit gray'):
        from_gray(gray.astype(float))


def test_uniform_50_is_exactly_248():
    coded = CodedMap.from_quality(50, (40, 50))
    assert coded.shape == (3, 4)
    assert coded.uniform
    assert (coded.fine() == 248).all()
    assert (coded.quality() == 50).all()


@given(st.floats(0, 100))
@settings(deadline=None)
def test_uniform_maps_are_met_within_a_tenth(quality):
    coded = CodedMap.from_quality(quality, (5, 5))
    assert abs(coded.quality()[0, 0] - quality) <= 50 / 496 + 1e-5
    as_array = CodedMap.from_quality(np.full((5, 5), quality))
    assert as_array == coded


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings(deadline=None)
def test_painted_maps_are_met_within_half_a_level(height, width, seed):
    rng = np.random.default_rng(seed)
    quality = rng.uniform(0, 100, (height, width))
    coded = CodedMap.from_quality(quality)
    rows, columns = (-(-n // 16) * 16 for n in quality.shape)
    padding = (0, rows - height), (0, columns - width)
    padded = np.pad(quality, padding, mode='edge')
    means = padded.reshape(rows // 16, 16, columns // 16, 16).mean((1, 3))
    worst = np.abs(coded.quality() - means).max()
    assert coded.shape == means.shape
    assert worst <= (8 + 8 + 0.5) * 100 / 496


def test_the_offset_follows_the_larger_part_of_the_map():
    quality = np.full((160, 160), 50)
    quality[:16, :16] = 90
    coded = CodedMap.from_quality(quality)
    assert coded.fine()[5, 5] == 248
    assert coded.quality()[0, 0] == pytest.approx(90, abs=1.7)


@given(maps, st.integers(-600, 600))
@settings(deadline=None)
def test_shifting_adds_to_every_cell_and_clips_at_the_ends(coded, delta):
    raw = 16 * coded.levels.astype(int) + coded.offset
    shifted = coded.shifted(delta)
    np.testing.assert_array_equal(shifted.fine(), np.clip(raw + delta, 0, 496))


@given(maps)
@settings(deadline=None)
def test_pixels_repeat_cells_and_cells_lie_within_0_100(coded):
    height, width = coded.shape[0] * 16 - 3, coded.shape[1] * 16
    pixels = coded.pixels((height, width))
    np.testing.assert_array_equal(pixels[::16, ::16], coded.quality())
    np.testing.assert_array_equal(pixels[-1, -1], coded.quality()[-1, -1])
    assert 0 <= pixels.min() <= pixels.max() <= 100
    with pytest.raises(MapError, match='does not cover'):
        coded.pixels((height, width + 1))


def test_a_crop_keeps_levels_and_offset():
    coded = CodedMap(np.arange(20).reshape(4, 5), 3)
    part = coded.crop(slice(1, 3), slice(2, 5))
    assert part == CodedMap(np.arange(20).reshape(4, 5)[1:3, 2:5], 3)
    assert part != CodedMap(part.levels, 2)


def test_a_coded_map_is_not_changed_through_its_source():
    levels = np.zeros((2, 2), np.uint8)
    coded = CodedMap(levels)
    levels[0, 0] = 9
    assert coded.uniform
    with pytest.raises(ValueError, match='read-only'):
        coded.levels[0, 0] = 1


@pytest.mark.parametrize(
    ('levels', 'offset'),
    [
        (np.full((2, 2), 32), 0),
        (np.full((2, 2), -1), 0),
        (np.zeros((2, 2)), 0),
        (np.zeros(4, int), 0),
        (np.zeros((0, 4), int), 0),
        (np.zeros((2, 2), int), 17),
    ],
)
def test_impossible_coded_maps_are_refused(levels, offset):
    with pytest.raises(MapError):
        CodedMap(levels, offset)


def test_a_number_without_a_plane_is_refused():
    with pytest.raises(MapError, match='shape of the plane'):
        CodedMap.from_quality(50)
