"""Planes, sizes and descriptions of napari's image layers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('napari')
from napari.layers import Image, Labels

from napari_sft.plugin import image_layer
from napari_sft.plugin.image_layer import KEY


def test_single_plane_is_read_as_it_is(make_picture):
    picture = make_picture(32, 48)
    layer = Image(picture)
    plane = image_layer.current_plane(layer, (0.0, 0.0))
    np.testing.assert_array_equal(plane.read(), picture)
    assert image_layer.size(layer) == (32, 48)
    assert image_layer.stack_shape(layer) == ()
    assert image_layer.describe_plane(layer, plane.index) == ''


def test_plane_of_a_stack_is_the_one_in_view():
    data = np.arange(4 * 3 * 8 * 9, dtype=np.uint16).reshape(4, 3, 8, 9)
    layer = Image(
        data,
        scale=(10, 2, 1, 1),
        translate=(5, 0, 0, 0),
        axis_labels=('time', 'z', 'y', 'x'),
    )
    plane = image_layer.current_plane(layer, (25.0, 4.0, 0.0, 0.0))
    assert plane.index == (2, 2)
    np.testing.assert_array_equal(plane.read(), data[2, 2])
    text = image_layer.describe_plane(layer, plane.index)
    assert text == 'Plane 3 of 4 time, 3 of 3 z'


@pytest.mark.parametrize(('point', 'index'), [(-7.0, 0), (99.0, 3)])
def test_point_outside_a_stack_takes_its_nearest_plane(point, index):
    layer = Image(np.zeros((4, 8, 9)))
    assert image_layer.current_plane(layer, (point, 0, 0)).index == (index,)


def test_stack_below_a_deeper_one_uses_its_own_axes():
    layer = Image(np.zeros((4, 8, 9)))
    plane = image_layer.current_plane(layer, (50.0, 2.0, 0.0, 0.0))
    assert plane.index == (2,)


def test_alpha_is_left_out_and_said(make_picture):
    rgba = np.dstack([make_picture(32, 48), np.full((32, 48), 9, np.uint8)])
    layer = Image(rgba)
    plane = image_layer.current_plane(layer, (0.0, 0.0))
    np.testing.assert_array_equal(plane.read(), rgba[..., :3])
    assert 'transparency left out' in image_layer.describe(layer)


def test_lazy_and_multiscale_images_are_read_at_their_finest():
    da = pytest.importorskip('dask.array')
    reads = []

    def block(block_id):
        reads.append(block_id)
        return np.full((1, 8, 9), block_id[0], np.uint8)

    lazy = da.map_blocks(block, chunks=((1,) * 4, 8, 9), dtype=np.uint8)
    reads.clear()
    layer = Image([lazy, lazy[:, ::2, ::2]], multiscale=True)
    plane = image_layer.current_plane(layer, (2.0, 0.0, 0.0))
    assert image_layer.size(layer) == (8, 9)
    reads.clear()
    assert (plane.read() == 2).all()
    assert reads == [(2, 0, 0)]


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (np.zeros((40, 50, 3), np.uint8), '50 × 40 pixels, colour, 8 bit'),
        (np.zeros((8, 9), np.uint16), '9 × 8 pixels, gray, 16 bit'),
        (
            np.zeros((5, 8, 9), np.float32),
            '9 × 8 pixels, gray, 32 bit float, 5 planes',
        ),
    ],
)
def test_description_is_in_plain_words(data, words):
    assert image_layer.describe(Image(data)) == words


def test_results_and_labels_are_no_images_to_compress():
    assert image_layer.usable(Image(np.zeros((4, 4))))
    assert not image_layer.usable(Labels(np.zeros((4, 4), int)))
    result = Image(np.zeros((4, 4)), metadata={KEY: {'result': 'error'}})
    assert not image_layer.usable(result)
    opened = Image(np.zeros((4, 4)), metadata={KEY: {'path': 'a.sft'}})
    assert image_layer.usable(opened)


def test_source_bytes_are_those_of_the_opened_file(tmp_path):
    from napari.layers._source import layer_source

    path = tmp_path / 'a.png'
    path.write_bytes(bytes(123))
    with layer_source(path=str(path)):
        layer = Image(np.zeros((4, 4)))
    assert image_layer.source_bytes(layer) == 123
    path.unlink()
    assert image_layer.source_bytes(layer) is None
    assert image_layer.source_bytes(Image(np.zeros((4, 4)))) is None


def test_sheared_and_rotated_layers_can_be_followed():
    layer = Image(
        np.zeros((8, 9)),
        scale=(2, 3),
        rotate=20,
        shear=[0.3],
        translate=(1, 2),
    )
    other = Image(np.zeros((8, 9)))
    image_layer.place(other, layer)
    for point in [(0, 0), (7, 8)]:
        np.testing.assert_allclose(
            other.data_to_world(point), layer.data_to_world(point)
        )
