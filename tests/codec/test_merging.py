"""Planes encoded apart become the file that they would be together."""

from __future__ import annotations

import io

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.container import Calibration, Reader, Region, Statistics
from napari_sft.codec.errors import FormatError, SftError
from napari_sft.codec.image import Image
from napari_sft.codec.merging import Stack, merge_planes, merged_statistics

pytestmark = pytest.mark.usefixtures('tiny_model')


@pytest.fixture(scope='module')
def pixels(make_picture):
    """A stack (2, 3, 40, 50) of 12 bits, channels of different ranges."""
    planes = [make_picture(40, 50, rgb=False, seed=n) for n in range(6)]
    data = np.stack(planes).reshape(2, 3, 40, 50).astype(np.uint16) * 16
    data[:, 1] //= 20
    return data


def encoded_apart(image, windows, **how):
    """The file of each plane of an image."""
    for number in range(image.layout.plane_count):
        yield napari_sft.encode(
            image.plane(number),
            axes=image.layout.axes[-2:],
            windows=windows[image.layout.channel_of(number)],
            provenance=False,
            **how,
        )


def merged(stack, planes):
    buffer = io.BytesIO()
    merge_planes(buffer, stack, planes)
    return buffer.getvalue()


def test_planes_apart_make_the_file_that_they_make_together(pixels):
    quality = np.zeros((40, 50))
    quality[:, 25:] = 60
    scale = (1.0, 1.0, 0.5, 0.25)
    together = napari_sft.encode(
        pixels,
        axes='ZCYX',
        quality_map=quality,
        scale=scale,
        provenance=False,
    )
    image = Image.from_array(pixels, 'ZCYX')
    windows = image.windows()
    apart = merged(
        Stack(image.layout, windows, Calibration(scale=scale)),
        encoded_apart(image, windows, quality_map=quality),
    )
    with Reader(apart) as one, Reader(together) as other:
        assert one.header == other.header
        assert one.calibration == other.calibration
        for key in one.header.tiles():
            assert one.read_tile(*key) == other.read_tile(*key)
        mine, theirs = one.statistics, other.statistics
        assert mine.mse == pytest.approx(theirs.mse, rel=1e-5)
        assert mine.largest_error == theirs.largest_error
        assert [r.pixels for r in mine.regions] == [
            r.pixels for r in theirs.regions
        ]
    np.testing.assert_array_equal(
        napari_sft.decode(apart), napari_sft.decode(together)
    )


def test_a_missing_plane_leaves_no_file(pixels, tmp_path):
    image = Image.from_array(pixels, 'ZCYX')
    windows = image.windows()
    planes = list(encoded_apart(image, windows))
    stack = Stack(image.layout, windows)
    with pytest.raises(SftError, match='never written'):
        merge_planes(tmp_path / 'a.sft', stack, planes[:-1])
    with pytest.raises(SftError, match='no planes'):
        merge_planes(tmp_path / 'a.sft', stack, [])
    with pytest.raises(FormatError):
        merge_planes(tmp_path / 'a.sft', stack, [*planes[:-1], b'damage'])
    assert not list(tmp_path.iterdir())


def test_planes_that_differ_are_named(pixels):
    image = Image.from_array(pixels, 'ZCYX')
    windows = image.windows()
    planes = list(encoded_apart(image, windows))
    stack = Stack(image.layout, windows)
    other = napari_sft.encode(pixels[0, 0], quality=20)
    with pytest.raises(SftError, match=r'plane 2 \(Z=0, C=2\) was coded'):
        merged(stack, [*planes[:2], other, *planes[3:]])
    small = napari_sft.encode(pixels[0, 0, :20])
    with pytest.raises(SftError, match='does not fit into a stack'):
        merged(stack, [*planes[:2], small, *planes[3:]])


def test_statistics_of_equal_planes_add_up():
    def plane(mse, largest, similarity=None, regions=()):
        return Statistics(
            mse=mse,
            largest_error=largest,
            ms_ssim=similarity,
            regions=tuple(
                Region(quality=q, pixels=n, mse=m, largest_error=e)
                for q, n, m, e in regions
            ),
        )

    low, high = (0.0, 0.0), (90.0, 90.0)
    first = plane(0.3, 0.5, 0.9, [(low, 10, 0.5, 0.5), (high, 10, 0.1, 0.2)])
    second = plane(0.1, 0.2, 0.7, [(low, 30, 0.1, 0.6)])
    both = merged_statistics([first, second])
    assert both.mse == pytest.approx(0.2)
    assert both.largest_error == 0.5
    assert both.ms_ssim == pytest.approx(0.8)
    assert [(r.quality, r.pixels) for r in both.regions] == [
        (low, 40),
        (high, 10),
    ]
    assert both.regions[0].mse == pytest.approx(0.2)
    assert both.regions[0].largest_error == 0.6
    assert merged_statistics([first, plane(0.1, 0.2)]).regions == ()
    assert merged_statistics([first, plane(0.1, 0.2)]).ms_ssim is None
    assert merged_statistics([first, None]) is None
