"""Other codecs are compared at the same size, by the same measures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_sft.codec.errors import ImageError, SftError
from napari_sft.codec.metrics import psnr
from napari_sft.other_codecs import other_codec
from napari_sft.preview.comparison import compare, file_of_size
from napari_sft.preview.previewer import Previewer

pytestmark = pytest.mark.usefixtures('tiny_model')


@pytest.fixture(scope='module')
def compared(tiny_weights, make_picture):
    """A picture, its preview with two qualities, and JPEG beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
        picture = make_picture(176, 192)
        quality = np.full((176, 192), 40.0)
        quality[:, :96] = 90
        preview = Previewer(picture, device='cpu').run(quality)
        return picture, preview, compare(picture, preview)


def test_the_file_is_a_jpeg_of_about_the_same_size(compared):
    picture, preview, jpeg = compared
    with Image.open(io.BytesIO(jpeg.data)) as image:
        assert image.format == 'JPEG'
        np.testing.assert_array_equal(np.asarray(image), jpeg.picture)
    size = len(preview.data)
    assert abs(len(jpeg.data) - size) < 0.15 * size
    codec = other_codec('jpeg')
    for near in (jpeg.quality - 1, jpeg.quality + 1):
        other = len(codec.encode(picture, near))
        assert abs(other - size) >= abs(len(jpeg.data) - size)


def test_figures_are_named_and_measured_as_those_of_the_preview(compared):
    picture, preview, jpeg = compared
    figures = jpeg.figures()
    assert figures['bytes'] == len(jpeg.data)
    assert figures['bpp'] == 8 * len(jpeg.data) / (176 * 192)
    assert figures['psnr'] == pytest.approx(psnr(picture, jpeg.picture, 255))
    assert 0 < figures['ms_ssim'] < 1
    assert len(figures['regions']) == len(
        preview.info['statistics']['regions']
    )
    worst = np.abs(picture.astype(int) - jpeg.picture).max() / 255
    assert figures['largest_error'] == pytest.approx(worst)


def test_regions_are_those_of_the_map(compared):
    picture, preview, jpeg = compared
    for region, value in zip(
        preview.info['statistics']['regions'],
        jpeg.figures()['regions'],
        strict=True,
    ):
        low, high = region['quality']
        here = (preview.quality >= low - 0.01) & (
            preview.quality <= high + 0.01
        )
        assert value == pytest.approx(
            psnr(picture[here], jpeg.picture[here], 255), abs=0.01
        )


def test_deep_gray_images_go_through_their_window(make_picture):
    picture = make_picture(64, 80, rgb=False).astype(np.uint16) * 10 + 500
    preview = Previewer(picture, device='cpu').run(70)
    jpeg = compare(picture, preview)
    assert jpeg.picture.dtype == np.uint16
    assert jpeg.picture.shape == (64, 80)
    span = int(picture.max()) - int(picture.min())
    assert jpeg.statistics.psnr == pytest.approx(
        psnr(picture, jpeg.picture, span), abs=0.05
    )
    assert jpeg.figures()['regions'] == []


def test_sizes_out_of_reach_give_the_closest_file(make_picture):
    codec, picture = other_codec('jpeg'), make_picture(64, 64)
    assert file_of_size(codec, picture, 10)[0] == codec.lowest
    quality, data, decoded = file_of_size(codec, picture, 10**6)
    assert quality == codec.highest
    np.testing.assert_array_equal(decoded, codec.decode(data))


def test_another_image_or_codec_is_refused(compared):
    picture, preview, _ = compared
    with pytest.raises(ImageError, match='made of'):
        compare(picture[:-1], preview)
    with pytest.raises(SftError, match='no codec'):
        compare(picture, preview, 'nothing')
