"""Requests that are told apart, and planes that are read only when needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_sft
from napari_sft.plugin.image_layer import Plane
from napari_sft.plugin.previewing import Maker, Request, quality_of


@pytest.fixture
def request_(make_picture):
    picture = make_picture(48, 64)
    labels = np.zeros((48, 64), np.uint8)
    labels[:20, :20] = 91
    settings = {'model': 'compact', 'device': 'cpu', 'name': 'cells'}
    return Request(Plane(picture, (), True), settings, labels, 20)


@given(base=st.floats(0, 100), px=st.floats(0, 30))
def test_unpainted_labels_are_one_quality(base, px):
    assert quality_of(np.zeros((4, 5), np.uint8), base, px) == base
    assert quality_of(None, base, px) == base


@given(base=st.floats(0, 100), label=st.integers(1, 101))
def test_soft_edges_stay_between_the_two_qualities(base, label):
    labels = np.zeros((20, 30), np.uint8)
    labels[5:10, 5:10] = label
    soft = quality_of(labels, base, 6)
    low, high = sorted((np.float32(base), np.float32(label - 1)))
    assert soft.min() >= low - 1e-3
    assert soft.max() <= high + 1e-3


def test_each_plane_of_a_stack_is_softened_by_itself():
    labels = np.zeros((2, 20, 30), np.uint8)
    labels[1] = 81
    quality = quality_of(labels, 10, 8)
    np.testing.assert_allclose(quality[0], 10)
    np.testing.assert_allclose(quality[1], 80)


def test_requests_differ_by_all_that_makes_the_file(request_):
    other = request_.labels.copy()
    assert request_.same(replace(request_, labels=other))
    other[30, 30] = 5
    for change in (
        {'labels': other},
        {'labels': None},
        {'base': 21},
        {'feather': 3},
        {'target_bytes': 500},
        {'settings': {**request_.settings, 'name': 'nuclei'}},
        {'plane': Plane(request_.plane.data.copy(), (), True)},
    ):
        assert not request_.same(replace(request_, **change))
    assert not request_.same(None)


def test_outcome_is_what_the_file_decodes_to(tiny_model, request_):
    told = []
    outcome = Maker().make(request_, 4, lambda *step: told.append(step))
    pictures = outcome.pictures
    np.testing.assert_array_equal(
        pictures['reconstruction'], napari_sft.decode(outcome.preview.data)
    )
    errors = np.abs(
        pictures['reconstruction'].astype(int) - outcome.original
    ).max(-1)
    np.testing.assert_array_equal(pictures['error'], errors)
    assert pictures['rate'].shape == (3, 4)
    assert pictures['quality'].shape == (48, 64)
    assert told


def test_plane_is_read_once_until_it_is_forgotten(tiny_model, request_):
    reads = []

    class Lazy:
        def __getitem__(self, index):
            reads.append(index)
            return request_.plane.data

    lazy = replace(request_, plane=Plane(Lazy(), (), True))
    maker = Maker()
    maker.make(lazy, 1, lambda *_: None)
    maker.make(replace(lazy, base=70), 1, lambda *_: None)
    assert len(reads) == 1
    maker.forget()
    maker.make(lazy, 1, lambda *_: None)
    assert len(reads) == 2
