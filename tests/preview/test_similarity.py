"""MS-SSIM by blocks is that of the whole, and blocks stay known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sft.codec.metrics import ms_ssim
from napari_sft.preview import similarity
from napari_sft.preview.similarity import Similarity


def pair(shape, seed=0):
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape[:2]) / 40
    smooth = 0.5 + 0.4 * np.sin(rows) * np.cos(columns)
    original = np.broadcast_to(
        smooth.reshape(*shape[:2], *[1] * (len(shape) - 2)), shape
    )
    noise = random.normal(0, 0.08, (2, *shape))
    return [np.clip(original + n, 0, 1).astype(np.float32) for n in noise]


@pytest.mark.parametrize(
    'shape',
    [
        (176, 176),
        (256, 256, 3),
        (272, 528),
        (416, 432, 3),  # blocks whose positions end in the block before
        (512, 176),
        (177, 203, 3),  # odd sizes
        (100, 300),  # too small for all scales
    ],
)
def test_it_is_that_of_the_whole(shape):
    original, decoded = pair(shape)
    ours = Similarity().of(original, decoded, 'here')
    expected = ms_ssim(original, decoded, 1.0)
    if expected is None:
        assert ours is None
    else:
        assert expected < 0.99
        assert ours == pytest.approx(expected, abs=1e-5)


def test_equal_pictures_are_alike():
    original, _ = pair((272, 272, 3))
    assert Similarity().of(original, original, 'here') == pytest.approx(1)


def test_opposite_pictures_are_not_alike():
    original, _ = pair((192, 192))
    ours = Similarity().of(original, 1 - original, 'here')
    expected = ms_ssim(original, 1 - original, 1.0)
    assert ours == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('channels', [(), (3,)])
def test_after_a_change_only_blocks_near_it_are_measured_anew(
    channels, monkeypatch
):
    measured = []
    original_sums = similarity._sums

    def counted(*arrays):
        measured.append(arrays)
        return original_sums(*arrays)

    monkeypatch.setattr(similarity, '_sums', counted)
    original, decoded = pair((1024, 768, *channels))
    known = Similarity()
    known.of(original, decoded, 'here')
    assert len(measured) == 12
    measured.clear()
    decoded[700:720, 600:630] = 0.5
    ours = known.of(original, decoded, 'here')
    assert 1 <= len(measured) <= 4
    expected = ms_ssim(original, decoded, 1.0)
    assert ours == pytest.approx(expected, abs=1e-5)


def test_other_places_have_other_originals():
    original, decoded = pair((192, 192))
    known = Similarity()
    known.of(original, decoded, 'here')
    there = known.of(1 - original, decoded, 'there')
    expected = ms_ssim(1 - original, decoded, 1.0)
    assert there == pytest.approx(expected, abs=1e-5)
