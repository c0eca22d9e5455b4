"""What the views offer for an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('napari')
from napari.layers import Image

from napari_sft.plugin import choices


@pytest.mark.parametrize(
    ('data', 'keys'),
    [
        (np.zeros((40, 50), np.uint8), []),
        (np.zeros((40, 50), np.uint16), ['minmax', 'dtype', 'contrast']),
        (np.zeros((40, 50), np.float32), ['minmax', 'contrast']),
        (np.zeros((40, 50, 3), np.uint16), ['minmax', 'dtype']),
    ],
)
def test_windows_that_make_sense_are_offered(data, keys):
    offered, first = choices.windows(Image(data, rgb=data.ndim == 3))
    assert [key for key, _ in offered] == keys
    assert first == (keys[0] if keys else '')


def test_models_are_those_with_weights(tiny_model):
    assert choices.models()[0] == 'compact'


def test_file_is_named_after_the_image_as_disks_allow(tmp_path):
    image = Image(np.zeros((4, 4)), name='a/b: c?')
    assert choices.file_for(image, tmp_path) == str(tmp_path / 'a_b_ c_.sft')
    assert Path(choices.file_for(image)).parent == Path.home()
