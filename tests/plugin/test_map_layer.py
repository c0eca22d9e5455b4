"""The quality map as labels: values, colours, brush, matching an image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('napari')
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_sft.codec.errors import MapError
from napari_sft.plugin import map_layer


@pytest.fixture
def image():
    return Image(
        np.zeros((64, 96, 3), np.uint8),
        name='cells',
        scale=(0.5, 0.25),
        translate=(3, 4),
        rotate=30,
        units=('mm', 'mm'),
    )


@given(st.integers(0, 100), st.integers(0, 100))
def test_qualities_survive_labels(quality, base):
    labels = map_layer.to_labels(np.full((2, 3), float(quality)))
    assert labels.dtype == np.uint8
    assert labels[0, 0] == map_layer.to_label(quality)
    assert (map_layer.to_quality(labels, base) == quality).all()


def test_unpainted_labels_are_the_base_quality():
    labels = np.array([[0, 1], [101, 51]], np.uint8)
    np.testing.assert_array_equal(
        map_layer.to_quality(labels, 30), [[30, 0], [100, 50]]
    )


@pytest.mark.parametrize('label', [-1, 102])
def test_labels_that_are_no_qualities_are_refused(label):
    with pytest.raises(MapError, match='at most 101'):
        map_layer.to_quality(np.full((2, 2), label))


def test_new_map_lies_over_its_image(image):
    layer = map_layer.make(image, base=40)
    assert layer.data.shape == (64, 96)
    assert layer.data.dtype == np.uint8
    assert not layer.data.any()
    corner = (63, 95)
    np.testing.assert_allclose(
        layer.data_to_world(corner), image.data_to_world(corner)
    )
    assert layer.units == image.units
    assert layer.name == 'cells quality'
    assert map_layer.is_map(layer)
    assert map_layer.base_quality(layer) == 40


def test_map_of_a_stack_lies_in_its_planes():
    stack = Image(
        np.zeros((4, 8, 9)),
        scale=(3, 2, 1),
        translate=(1, 5, 7),
        affine=np.diag([1, 2, 2, 1]),
        axis_labels=('time', 'y', 'x'),
    )
    layer = map_layer.make(stack)
    assert layer.data.shape == (8, 9)
    np.testing.assert_allclose(
        layer.data_to_world((2, 3)), stack.data_to_world((0, 2, 3))[1:]
    )
    assert layer.axis_labels == ('y', 'x')


def test_unpainted_is_clear_and_quality_is_a_ramp(image):
    layer = map_layer.make(image)
    assert layer.colormap.map(0)[3] == 0
    ramp = map_layer.ramp_colours()
    for quality in (0, 50, 100):
        np.testing.assert_allclose(
            layer.get_color(quality + 1), ramp[quality], atol=0.01
        )
    light = ramp[:, :3].sum(axis=1)
    assert (np.diff(light) > 0).mean() > 0.9


def test_shuffle_button_keeps_the_ramp(image):
    layer = map_layer.make(image)
    before = layer.get_color(80)
    layer.new_colormap()
    np.testing.assert_array_equal(layer.get_color(80), before)
    assert 101 in layer.colormap.color_dict


def test_colour_mode_keeps_the_ramp(image):
    layer = map_layer.make(image)
    layer.colormap = Labels(np.zeros((2, 2), int)).colormap
    assert 101 in layer.colormap.color_dict


def test_brush_never_paints_more_than_the_best_quality(image):
    layer = map_layer.make(image)
    layer.selected_label = 200
    assert layer.selected_label == 101
    layer.selected_label = 0
    assert layer.selected_label == 0


def test_painting_undo_and_redo_change_the_map(image):
    layer = map_layer.make(image)
    layer.selected_label = map_layer.to_label(60)
    layer.brush_size = 9
    layer.paint((30, 40), layer.selected_label)
    painted = map_layer.of_plane(layer, ())
    assert map_layer.to_quality(painted, 10)[30, 40] == 60
    assert 0 < map_layer.painted_share(painted) < 0.05
    layer.undo()
    assert not layer.data.any()
    assert painted.any(), 'a copy, not the layer itself'
    layer.redo()
    np.testing.assert_array_equal(layer.data, painted)


def test_settings_travel_with_the_layer(image):
    layer = map_layer.make(image, base=40)
    map_layer.remember(layer, base_quality=55, feather=12)
    data, meta, kind = layer.as_layer_data_tuple()
    again = Labels(data, **meta)
    assert kind == 'labels'
    assert map_layer.is_map(again)
    assert map_layer.base_quality(again) == 55
    assert map_layer.feather(again) == 12


def test_a_segmentation_is_no_map():
    assert not map_layer.is_map(Labels(np.ones((4, 4), int)))
    assert not map_layer.is_map(Image(np.ones((4, 4))))


def test_map_of_another_size_is_refused_in_words(image):
    layer = map_layer.make(image)
    assert map_layer.problem(layer, image) == ''
    other = Image(np.zeros((50, 60)))
    reason = map_layer.problem(layer, other)
    assert '96 × 64' in reason
    assert '60 × 50' in reason


def test_map_for_each_plane_of_a_stack_fits():
    stack = Image(np.zeros((4, 8, 9)))
    labels = np.zeros((4, 8, 9), np.uint8)
    labels[2] = 7
    layer = Labels(labels, **map_layer.arguments('stack'))
    assert map_layer.problem(layer, stack) == ''
    assert (map_layer.of_plane(layer, (2,)) == 7).all()
    assert map_layer.problem(layer, Image(np.zeros((3, 8, 9))))


def test_command_adds_a_map_for_the_selected_image(image):
    viewer = ViewerModel()
    viewer.add_layer(image)
    viewer.add_image(np.zeros((10, 10)))
    viewer.layers.selection.active = image
    map_layer.new_quality_map(viewer)
    layer = viewer.layers[-1]
    assert map_layer.problem(layer, image) == ''
    assert viewer.layers.selection.active is layer
    assert layer.mode == 'paint'


def test_command_without_an_image_says_what_to_do():
    from napari.utils.notifications import notification_manager

    viewer = ViewerModel()
    notification_manager.records.clear()
    map_layer.new_quality_map(viewer)
    (notice,) = notification_manager.records
    assert 'Open an image first' in notice.message
    assert not viewer.layers
