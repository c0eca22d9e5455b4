"""Maps from layers lie where the layers lie in the world."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes
from PIL import Image as Picture

from napari_sft.codec.errors import MapError
from napari_sft.plugin.map_sources import (
    from_labels,
    from_points,
    from_shapes,
    label_values,
    make_map,
)


def image_of(shape=(40, 60), **place):
    return Image(np.zeros(shape, np.uint8), rgb=False, **place)


def box(top, left, bottom, right):
    return np.array(
        [(top, left), (top, right), (bottom, right), (bottom, left)], float
    )


def test_a_rectangle_is_painted_with_its_quality():
    shapes = Shapes([box(5, 10, 15, 30)], shape_type='rectangle')
    labels = from_shapes(image_of(), shapes, 80)
    assert labels.dtype == np.uint8
    assert labels.shape == (40, 60)
    assert (labels[6:15, 11:30] == 81).all()
    outside = labels.copy()
    outside[5:16, 10:31] = 0
    assert not outside.any()


def test_shapes_meet_the_image_in_the_world():
    image = image_of(scale=(2, 0.5), translate=(10, -4))
    shapes = Shapes([box(20, 0, 40, 10)], translate=(0, 1))
    labels = from_shapes(image, shapes, 50)
    # Rows (20 - 10) / 2 to (40 - 10) / 2; columns (1 + 4) / 0.5 to 30.
    rows, columns = np.nonzero(labels)
    assert (rows.min(), rows.max()) == (5, 15)
    assert (columns.min(), columns.max()) == (10, 30)


def test_a_turned_image_is_met_too():
    # A quarter turn: its row r and column c lie at (-c, r).
    image = image_of(rotate=90)
    shapes = Shapes([box(-30, 20, -24, 26)])
    labels = from_shapes(image, shapes, 50)
    rows, columns = np.nonzero(labels)
    assert (rows.min(), rows.max()) == pytest.approx((20, 26), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((24, 30), abs=1)


def test_each_shape_may_have_its_own_quality_upper_ones_win():
    shapes = Shapes(
        [box(0, 0, 20, 20), box(10, 10, 30, 30), box(32, 32, 38, 38)],
        features={'quality': [10, 90, np.nan]},
    )
    labels = from_shapes(image_of(), shapes, 50)
    assert labels[5, 5] == 11
    assert labels[15, 15] == 91
    assert labels[35, 35] == 51
    shapes.selected_data = {0}
    shapes.move_to_front()
    assert from_shapes(image_of(), shapes, 50)[15, 15] == 11


def test_ellipses_are_round_and_lines_as_wide_as_drawn():
    ellipse = Shapes([box(5, 10, 35, 50)], shape_type='ellipse')
    labels = from_shapes(image_of(), ellipse, 80)
    assert (labels > 0).sum() == pytest.approx(np.pi * 15 * 20, rel=0.03)
    assert labels[20, 30] == 81
    assert not labels[6, 11]
    line = Shapes(
        [np.array([(20, 10), (20, 50)])], shape_type='line', edge_width=6
    )
    labels = from_shapes(image_of(), line, 80)
    assert np.flatnonzero(labels[:, 30]).tolist() == list(range(17, 24))
    assert labels[20, 8]


def test_shapes_of_a_stack_are_projected_onto_its_planes():
    image = image_of((5, 40, 60))
    corners = np.column_stack([np.full(4, 3), box(5, 10, 15, 30)])
    for shapes in (Shapes([corners]), Shapes([box(5, 10, 15, 30)])):
        labels = from_shapes(image, shapes, 80)
        assert labels.shape == (40, 60)
        assert labels[10, 20] == 81


def test_points_become_discs():
    points = Points(
        np.array([(10, 10), (10, 40)]), features={'quality': [20.0, 70.0]}
    )
    labels = from_points(image_of(), points, 50, 5)
    assert labels[10, 10] == labels[10, 15] == labels[5, 10] == 21
    assert not labels[10, 16]
    assert labels[12, 42] == 71


@pytest.mark.parametrize(
    'layer',
    [
        Shapes(name='empty'),
        Shapes([box(100, 100, 120, 120)], name='far'),
    ],
)
def test_layers_with_nothing_over_the_image_are_refused(layer):
    with pytest.raises(MapError, match=layer.name):
        from_shapes(image_of(), layer, 50)
    with pytest.raises(MapError, match='lies over'):
        from_points(image_of(), Points(name='none'), 50, 5)


@pytest.mark.parametrize('quality', [[120], [-1], ['much']])
def test_features_that_are_no_qualities_are_refused(quality):
    shapes = Shapes([box(0, 0, 9, 9)], features={'quality': quality})
    with pytest.raises(MapError, match='0 to 100'):
        from_shapes(image_of(), shapes, 50)


def test_labels_get_foreground_background_or_their_own():
    segmentation = np.zeros((40, 60), int)
    segmentation[:10], segmentation[30:] = 7, 300
    labels = from_labels(
        image_of(),
        Labels(segmentation),
        foreground=80,
        background=5,
        qualities={300: 40},
    )
    assert labels[0, 0] == 81
    assert labels[20, 0] == 6
    assert labels[35, 0] == 41


def test_labels_of_another_grid_are_resampled_with_hard_edges():
    segmentation = np.zeros((20, 20), int)
    segmentation[5:10, 5:10] = 1
    layer = Labels(segmentation, scale=(2, 2), translate=(0.5, 0.5))
    labels = from_labels(image_of(), layer, foreground=80, background=5)
    assert labels.shape == (40, 60)
    assert set(np.unique(labels)) == {6, 81}
    assert (labels[10:20, 10:20] == 81).all()
    assert (labels == 81).sum() == 100


def test_of_a_stack_of_labels_the_current_plane_is_taken():
    segmentation = np.zeros((3, 40, 60), int)
    segmentation[1, :, :30], segmentation[2] = 4, 9
    layer = Labels(segmentation, scale=(2, 1, 1))
    assert label_values(layer) == []
    assert label_values(layer, (2.1, 0, 0)) == [4]
    labels = from_labels(
        image_of((3, 40, 60), scale=(2, 1, 1)),
        layer,
        foreground=90,
        background=0,
        point=(2.1, 0, 0),
    )
    assert labels[0, 0] == 91
    assert labels[0, 40] == 1


def test_requests_of_the_view_are_carried_out(tmp_path):
    image = image_of()
    layers = {
        'boxes': Shapes([box(5, 10, 15, 30)]),
        'spots': Points(np.array([(10.0, 10.0)])),
        'cells': Labels(np.ones((40, 60), int)),
    }
    gray = np.full((20, 30), 255, np.uint8)
    gray[:10] = 0
    Picture.fromarray(gray).save(tmp_path / 'map.png')
    cases = [
        ('shapes', {'layer': 'boxes', 'quality': 70}, (10, 20), 71),
        (
            'points',
            {'layer': 'spots', 'quality': 60, 'radius': 3},
            (10, 11),
            61,
        ),
        (
            'labels',
            {
                'layer': 'cells',
                'foreground': 50,
                'background': 1,
                'qualities': {},
            },
            (0, 0),
            51,
        ),
        (
            'gradient',
            {'start': 0, 'end': 100, 'direction': 'down'},
            (39, 0),
            101,
        ),
        (
            'gradient',
            {'start': 0, 'end': 100, 'direction': 'right'},
            (39, 0),
            1,
        ),
        ('centre', {'inner': 90, 'outer': 10, 'radius': 50}, (20, 42), 11),
        ('centre', {'inner': 90, 'outer': 10, 'radius': 50}, (20, 30), 90),
        ('file', {'path': str(tmp_path / 'map.png')}, (2, 2), 1),
        ('file', {'path': str(tmp_path / 'map.png')}, (38, 2), 101),
    ]
    for kind, settings, where, label in cases:
        labels = make_map(kind, settings, image, layers)
        assert labels.dtype == np.uint8
        assert labels.shape == (40, 60)
        assert labels[where] == label, kind
    with pytest.raises(MapError, match='no way'):
        make_map('magic', {}, image, layers)
