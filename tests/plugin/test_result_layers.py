"""Layers of a preview: made, updated in place, linked, compared, removed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('napari')
from napari.components import ViewerModel

from napari_sft.plugin import image_layer, map_layer
from napari_sft.plugin.result_layers import ResultLayers
from napari_sft.plugin.side_by_side import grid_of


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def changes():
    return []


@pytest.fixture
def results(viewer, changes):
    return ResultLayers(viewer, lambda: changes.append(1))


def pictures(height=40, width=50, *, rgb=False, value=1):
    plane = (height, width)
    return {
        'reconstruction': np.full(
            (*plane, 3) if rgb else plane, value, np.uint8
        ),
        'error': np.full(plane, value, np.float32),
        'quality': np.full(plane, 50, np.float32),
        'rate': np.full((-(-height // 16), -(-width // 16)), 9, np.float32),
    }


@pytest.fixture
def image(viewer):
    return viewer.add_image(
        np.zeros((40, 50), np.uint8),
        name='cells',
        scale=(2, 0.5),
        translate=(3, 4),
        rotate=15,
        units=('um', 'um'),
    )


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_reconstruction_lies_over_the_image_and_under_the_map(
    viewer, image, results
):
    painted = viewer.add_layer(map_layer.make(image))
    results.show(image, pictures())
    assert names(viewer) == ['cells', 'cells compressed', 'cells quality']
    layer = results.reconstruction
    for point in [(0, 0), (39, 49)]:
        np.testing.assert_allclose(
            layer.data_to_world(point), image.data_to_world(point)
        )
    assert layer.units == image.units
    assert viewer.layers.selection.active is painted
    assert not image_layer.usable(layer)


def test_new_pictures_go_into_the_same_layers(viewer, image, results):
    results.show(image, pictures())
    results.set_shown('error', True)
    before = list(viewer.layers)
    results.show(image, pictures(value=7))
    assert list(viewer.layers) == before
    assert (results.reconstruction.data == 7).all()
    assert (viewer.layers['cells error'].data == 7).all()


def test_display_of_original_and_reconstruction_is_linked(image, results):
    image.contrast_limits = (10, 90)
    results.show(image, pictures())
    layer = results.reconstruction
    assert tuple(layer.contrast_limits) == (10, 90)
    image.colormap = 'magma'
    assert layer.colormap.name == 'magma'
    layer.gamma = 0.5
    assert image.gamma == 0.5


def test_colour_and_gray_results_follow_one_another(viewer, results):
    gray = viewer.add_image(np.zeros((40, 50), np.uint8))
    colour = viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True)
    results.show(gray, pictures())
    results.show(colour, pictures(rgb=True))
    assert results.reconstruction.rgb
    assert len(viewer.layers) == 3


def test_rate_map_covers_cells_of_16_pixels(viewer, image, results):
    results.show(image, pictures())
    results.set_shown('rate', True)
    layer = viewer.layers['cells bits']
    assert layer.data.shape == (3, 4)
    np.testing.assert_allclose(
        layer.data_to_world((-0.5, -0.5)), image.data_to_world((-0.5, -0.5))
    )
    np.testing.assert_allclose(
        layer.data_to_world((1.5, 2.5)), image.data_to_world((31.5, 47.5))
    )


def test_extras_appear_one_at_a_time_when_asked_for(viewer, image, results):
    results.show(image, pictures())
    assert len(viewer.layers) == 2
    for kind in ('quality', 'error', 'rate'):
        results.set_shown(kind, True)
        shown = [k for k in ('error', 'rate', 'quality') if results.shown(k)]
        assert shown == [kind]
    assert names(viewer)[1:] == [
        'cells compressed',
        'cells error',
        'cells bits',
        'cells coded quality',
    ]
    results.set_shown('rate', False)
    assert not results.shown('rate')
    assert len(viewer.layers) == 5


def test_original_is_not_hidden_by_an_extra(viewer, image, results):
    results.show(image, pictures())
    results.set_shown('error', True)
    results.set_original_in_front(True)
    assert not results.shown('error')


def test_colours_fit_new_values_unless_the_user_chose(viewer, image, results):
    results.show(image, pictures(value=5))
    results.set_shown('error', True)
    layer = viewer.layers['cells error']
    assert tuple(layer.contrast_limits) == (0, 5)
    results.show(image, pictures(value=9))
    assert tuple(layer.contrast_limits) == (0, 9)
    layer.contrast_limits = (0, 3)
    results.show(image, pictures(value=8))
    assert tuple(layer.contrast_limits) == (0, 3)


def test_original_and_reconstruction_change_places(image, results, changes):
    results.show(image, pictures())
    changes.clear()
    results.set_original_in_front(True)
    assert results.original_in_front
    assert image.visible
    assert not results.reconstruction.visible
    assert changes
    results.set_original_in_front(False)
    assert not results.original_in_front


def test_side_by_side_keeps_the_map_with_the_original(viewer, image, results):
    viewer.add_image(np.zeros((5, 5)), name='other', visible=False)
    viewer.layers.move(1, 0)
    painted = viewer.add_layer(map_layer.make(image))
    results.show(image, pictures())
    before = (grid_of(viewer).stride, grid_of(viewer).shape)
    results.set_side_by_side(True, painted)
    grid = grid_of(viewer)

    def cell(layer):
        return viewer.layers.index(layer) // grid.stride

    assert grid.enabled
    assert grid.shape[0] == 1
    assert cell(image) == cell(painted) == 0
    assert cell(results.reconstruction) == 1
    results.set_side_by_side(False)
    assert not grid.enabled
    assert (grid.stride, grid.shape) == before
    assert viewer.layers[-1] is painted


def test_leaving_the_grid_by_napari_restores_it_too(viewer, image, results):
    results.show(image, pictures())
    results.set_side_by_side(True)
    assert results.side_by_side
    grid_of(viewer).enabled = False
    assert not results.side_by_side
    assert grid_of(viewer).shape == (-1, -1)


def test_hidden_extra_is_up_to_date_when_napari_shows_it(
    viewer, image, results
):
    results.show(image, pictures(value=1))
    results.set_shown('error', True)
    results.set_shown('error', False)
    results.show(image, pictures(value=6))
    layer = viewer.layers['cells error']
    layer.visible = True
    assert (layer.data == 6).all()
    assert tuple(layer.contrast_limits) == (0, 6)


@pytest.mark.parametrize('gone', ['cells compressed', 'cells'])
def test_side_by_side_ends_with_what_it_compares(viewer, image, results, gone):
    results.show(image, pictures())
    results.set_side_by_side(True)
    viewer.layers.remove(gone)
    assert not results.side_by_side
    assert not grid_of(viewer).enabled


def test_grid_of_the_user_is_left_alone(viewer, image, results):
    grid_of(viewer).enabled = True
    results.show(image, pictures())
    results.clear()
    assert grid_of(viewer).enabled


def test_left_results_are_no_longer_linked(viewer, image, results):
    results.show(image, pictures())
    layer = results.reconstruction
    results.release()
    image.gamma = 0.5
    assert layer.gamma == 1


def test_moved_image_takes_its_results_along(image, results, viewer):
    results.show(image, pictures())
    results.set_shown('rate', True)
    image.scale = (3, 3)
    image.translate = (-5, 8)
    for point, cell in [((7.5, 7.5), (0, 0)), ((23.5, 39.5), (1, 2))]:
        world = image.data_to_world(point)
        np.testing.assert_allclose(
            results.reconstruction.data_to_world(point), world
        )
        np.testing.assert_allclose(
            viewer.layers['cells bits'].data_to_world(cell), world
        )


def test_removed_result_comes_back_with_the_next_preview(
    viewer, image, results
):
    results.show(image, pictures())
    results.set_shown('error', True)
    viewer.layers.remove('cells compressed')
    viewer.layers.remove('cells error')
    results.show(image, pictures())
    assert names(viewer) == ['cells', 'cells compressed']
    assert not results.shown('error')


def test_removed_image_takes_its_results_along(viewer, image, results):
    results.show(image, pictures())
    results.set_shown('rate', True)
    viewer.layers.remove(image)
    assert not viewer.layers
    assert results.image is None


def test_planes_of_a_stack_have_flat_results(viewer, results):
    stack = viewer.add_image(
        np.zeros((4, 40, 50), np.uint8), scale=(9, 2, 1), name='stack'
    )
    results.show(stack, pictures())
    assert results.reconstruction.data.shape == (40, 50)
    np.testing.assert_allclose(results.reconstruction.scale, (2, 1))
