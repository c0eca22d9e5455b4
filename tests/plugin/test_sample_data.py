"""Samples open as an image and a map that is ready to paint on."""

from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_sft.demo import BACKGROUND, painted_map
from napari_sft.plugin._sample_data import compressed, microscopy, photograph
from napari_sft.plugin.map_layer import is_map, to_quality


@pytest.mark.parametrize('sample', [photograph, microscopy])
def test_a_sample_is_a_picture_and_its_painted_map(sample):
    (picture, about, kind), (labels, _, map_kind) = sample()
    assert (kind, map_kind) == ('image', 'labels')
    assert about['rgb']
    assert labels.shape == picture.shape[:2]
    assert labels.dtype == np.uint8
    assert 0.02 < np.count_nonzero(labels) / labels.size < 0.3


def test_the_photograph_is_painted_as_in_the_demo():
    _, (labels, about, _) = photograph()
    settings = about['metadata']['napari-sft']
    assert settings == {'base_quality': BACKGROUND, 'feather': 24}
    quality = to_quality(labels, BACKGROUND)
    softened = painted_map((512, 512))
    assert quality[112, 222] == pytest.approx(softened[112, 222], abs=1)
    assert quality[0, 0] == softened[0, 0]


@pytest.mark.usefixtures('tiny_model')
def test_the_compressed_sample_is_what_a_file_gives():
    (picture, about, _), (labels, _, _) = compressed()
    assert picture.shape == (512, 512, 3)
    assert about['name'] == 'astronaut.sft'
    assert about['metadata']['napari-sft']['bpp'] > 0
    assert labels[112, 222] > 70
    assert not labels[0, 0]


def test_napari_lists_and_opens_them(npe2pm):
    from napari.components import ViewerModel

    npe2pm.register(PluginManifest.from_distribution('napari-sft'))
    viewer = ViewerModel()
    viewer.open_sample('napari-sft', 'microscopy')
    image, labels = viewer.layers
    assert image.name == 'tissue'
    assert is_map(labels)
