"""A picture's curve comes point by point and may be left half-way."""

from __future__ import annotations

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.errors import SftError
from napari_sft.preview.previewer import Previewer
from napari_sft.preview.sweep import sweep

pytestmark = pytest.mark.usefixtures('tiny_model')


@pytest.fixture
def previewer(make_picture):
    return Previewer(make_picture(64, 80), device='cpu')


def test_points_are_those_of_real_files(previewer, make_picture):
    points = list(sweep(previewer, levels=3, jpeg=False))
    assert [p.quality for p in points] == [0, 50, 100]
    data = napari_sft.encode(
        make_picture(64, 80), quality=50, device='cpu', effort=1
    )
    about = napari_sft.info(data)
    assert points[1].bpp == pytest.approx(about['bpp'])
    assert points[1].psnr == pytest.approx(about['statistics']['psnr'])
    rates = [p.bpp for p in points]
    assert rates == sorted(rates)


def test_jpeg_comes_after_ours_up_to_comparable_rates(previewer):
    points = list(sweep(previewer, levels=2))
    assert [p.curve for p in points[:2]] == ['napari-sft'] * 2
    jpeg = points[2:]
    assert {p.curve for p in jpeg} == {'JPEG'}
    assert max(p.bpp for p in jpeg) <= 1.5 * points[1].bpp
    assert [p.psnr for p in jpeg] == sorted(p.psnr for p in jpeg)


def test_a_painted_map_is_shifted_as_a_whole(previewer):
    quality = np.full((64, 80), 20.0)
    quality[:32] = 60
    points = list(sweep(previewer, quality, levels=3, jpeg=False))
    # All at 0; shifted by 10; all at 100.
    assert [p.quality for p in points] == [0, 50, 100]
    asked = previewer.run(quality + 10)
    assert points[1].bpp == pytest.approx(asked.info['bpp'], rel=0.02)


def test_it_can_be_closed_half_way(previewer):
    steps = []
    points = sweep(previewer, progress=lambda *step: steps.append(step))
    next(points)
    points.close()
    assert steps[-1] == (0, 23)
    assert next(points, None) is None


def test_progress_reaches_the_total(previewer):
    steps = []
    list(sweep(previewer, levels=2, progress=lambda *s: steps.append(s)))
    assert steps[0] == (0, 14)
    assert steps[-1] == (14, 14)
    assert steps == sorted(steps)


def test_a_single_point_is_no_curve(previewer):
    with pytest.raises(SftError, match='2 or more'):
        next(sweep(previewer, levels=1))
