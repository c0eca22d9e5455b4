"""Maps searched for by counting what is decoded."""

from __future__ import annotations

import numpy as np
import pytest

import napari_sft
from napari_sft.tasks import TaskError, counting_map
from napari_sft.tasks.counting import harm, measured
from napari_sft.tasks.segmentation import find_objects


def squares(*corners, side=8, shape=(48, 64)):
    """Labels of squares, from 1 on."""
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(corners, 1):
        labels[y : y + side, x : x + side] = number
    return labels


def discs():
    """Pairs of discs that nearly touch, on noise."""
    y, x = np.mgrid[:96, :128]
    picture = np.random.default_rng(0).normal(40, 6, y.shape)
    for at in ((24, 24), (24, 45), (70, 60), (70, 81), (60, 110)):
        picture[np.hypot(y - at[0], x - at[1]) <= 10] += 60
    return picture.clip(0, 255).astype(np.uint8)


def test_objects_are_counted_and_measured():
    assert measured(squares((0, 0), (20, 20))) == (2, 64)
    assert measured(squares()) == (0, 0)


def test_the_same_objects_do_no_harm_whatever_their_numbers():
    objects = squares((0, 0), (20, 20), (20, 40))
    assert harm(objects, objects) == 0
    assert harm(objects, squares((20, 40), (0, 0), (20, 20))) == 0


def test_what_is_lost_merged_cut_or_elsewhere_does_harm():
    objects = squares((0, 0), (20, 20))
    lost = squares((0, 0))
    merged = np.minimum(objects, 1)
    cut = objects.copy()
    cut[4:8, :8] = 3
    # number and mean area are right: only the match tells
    elsewhere = squares((0, 0), (20, 40))
    for after in (lost, merged, cut, elsewhere, squares()):
        assert harm(objects, after) > 0.1
    nudged = squares((0, 0), (21, 20))
    assert harm(objects, nudged) < harm(objects, elsewhere)


@pytest.mark.parametrize('method', ['otsu', 'watershed'])
def test_the_map_harms_no_more_than_a_uniform_file_as_large(
    tiny_model, method
):
    picture = discs()
    steps = []
    quality = counting_map(
        picture,
        quality=20,
        iterations=4,
        method=method,
        progress=lambda *at: steps.append(at),
    )
    assert quality.shape == picture.shape
    assert quality.dtype == np.float32
    assert 0 <= quality.min() <= quality.max() <= 100
    assert steps == [(n, 4) for n in range(5)]
    uniform = napari_sft.encode(picture, quality=20, statistics=False)
    file = napari_sft.encode(picture, quality_map=quality, statistics=False)
    assert len(file) <= 1.01 * len(uniform)
    objects = find_objects(picture, method)
    harms = [
        harm(objects, find_objects(napari_sft.decode(data), method))
        for data in (file, uniform)
    ]
    assert harms[0] <= harms[1]


def test_colours_will_do(tiny_model):
    picture = np.repeat(discs()[..., None], 3, 2)
    assert counting_map(picture, iterations=1).shape == picture.shape[:2]


def test_a_search_can_be_cancelled(tiny_model):
    class Cancelled(Exception):
        pass

    def cancel(done, total):
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        counting_map(discs(), progress=cancel)


def test_nothing_to_count_or_to_do_is_one_line():
    with pytest.raises(TaskError, match='no objects'):
        counting_map(np.zeros((32, 32), np.uint8))
    with pytest.raises(TaskError, match='0 iterations'):
        counting_map(discs(), iterations=0)
    with pytest.raises(TaskError, match='kmeans'):
        counting_map(discs(), method='kmeans')
