"""Maps of objects: found, or told by labels."""

from __future__ import annotations

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.errors import MapError
from napari_sft.tasks.registry import TaskError
from napari_sft.tasks.segmentation import find_objects, segmentation_map


def discs(*centres, radius=10, shape=(96, 128), ground=40, top=200):
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = np.full(shape, ground, np.uint8)
    for at in centres:
        picture[np.hypot(y - at[0], x - at[1]) <= radius] = top
    return picture


def test_separate_objects_are_counted_and_measured():
    picture = discs((20, 20), (20, 90), (70, 50))
    objects = find_objects(picture)
    assert objects.max() == 3
    assert np.bincount(objects.ravel())[1:] == pytest.approx(
        np.pi * 10**2, rel=0.05
    )


def test_dark_objects_are_objects_too():
    picture = discs((20, 20), (70, 50), ground=220, top=30)
    assert find_objects(picture).max() == 2


def test_watershed_cuts_what_touches():
    picture = discs((40, 30), (40, 47), (40, 100))
    assert find_objects(picture, 'otsu').max() == 2
    assert find_objects(picture, 'watershed').max() == 3


def test_specks_and_flat_pictures_are_no_objects():
    assert find_objects(discs((30, 30), radius=1)).max() == 0
    assert find_objects(np.full((32, 32), 9, np.uint8)).max() == 0


def test_objects_get_their_quality_and_a_margin():
    picture = discs((40, 40))
    quality = segmentation_map(
        picture, foreground=90, background=5, margin=6, method='otsu'
    )
    assert quality.dtype == np.float32
    assert set(np.unique(quality)) == {5, 90}
    # the disc ends at 50, its margin at 56
    assert (quality[40, 30:64] == 90).all()
    assert (quality[40, 64:] == 5).all()


def test_a_graded_map_cares_for_what_is_near_the_threshold():
    picture = discs((64, 64), radius=50, shape=(128, 192), ground=0, top=255)
    quality = segmentation_map(picture, foreground=90, background=30)
    assert 30 <= quality.min() < quality.max() <= 90
    inside, edge, away = quality[64, 64], quality[64, 114], quality[10, 180]
    assert inside == away == quality.min()
    assert edge > inside


def test_labels_confine_a_graded_map():
    picture = discs((40, 40), (40, 104))
    labels = np.zeros(picture.shape, int)
    labels[24:56, 24:56] = 3
    whole = segmentation_map(picture)
    confined = segmentation_map(picture, labels)
    assert whole[40, 104] > confined[40, 104] == 10
    assert (confined[24:56, 24:56] == whole[24:56, 24:56]).all()


def test_each_label_has_its_quality():
    labels = np.zeros((64, 64), np.uint8)
    labels[:16, :16], labels[32:48, 32:48], labels[48:, :16] = 1, 2, 7
    quality = segmentation_map(
        np.zeros((64, 64, 3), np.uint8),
        labels,
        qualities={2: 95, 0: 20},
        foreground=50,
        margin=0,
    )
    assert (quality[labels == 1] == 50).all()
    assert (quality[labels == 2] == 95).all()
    assert (quality[labels == 7] == 50).all()
    assert (quality[labels == 0] == 20).all()


def test_a_margin_never_takes_quality_from_a_neighbour():
    labels = np.zeros((32, 64), int)
    labels[:, :32] = 1
    quality = segmentation_map(
        labels, labels, qualities={0: 80}, foreground=10, margin=8
    )
    assert (quality[labels == 0] == 80).all()


def test_a_mask_of_true_and_false_will_do():
    mask = np.zeros((32, 32), bool)
    mask[:16, :16] = True
    quality = segmentation_map(
        mask.astype(np.uint8), mask, margin=0, method='otsu'
    )
    assert (quality[mask] == 70).all()
    assert (quality[~mask] == 10).all()


def test_the_map_is_what_encode_takes(tiny_model):
    picture = discs((40, 40), shape=(64, 64))
    data = napari_sft.encode(
        picture, quality_map=napari_sft.tasks.segmentation_map(picture)
    )
    assert napari_sft.decode(data).shape == (64, 64)


def test_what_cannot_be_a_map_is_one_line():
    picture = discs((40, 40))
    for method in ('edges', 'otsu'):
        with pytest.raises(TaskError, match='nothing stands out'):
            segmentation_map(np.zeros((32, 32), np.uint8), method=method)
    with pytest.raises(MapError, match=r'\(8, 8\) do not cover'):
        segmentation_map(picture, np.zeros((8, 8), int))
    with pytest.raises(MapError, match='integers'):
        segmentation_map(picture, np.zeros(picture.shape))
    with pytest.raises(TaskError, match="'kmeans'.*otsu"):
        find_objects(picture, 'kmeans')
