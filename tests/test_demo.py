"""The demo writes its files, and a picture that fits together."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import napari_sft
from napari_sft.codec.errors import SftError
from napari_sft.demo import BACKGROUND, ELLIPSES, painted_map, run_demo
from napari_sft.demo_picture import Panel, compose, map_over, viridis


@pytest.fixture(scope='module')
def demo(tmp_path_factory, tiny_weights):
    folder = tmp_path_factory.mktemp('demo') / 'new'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
        yield run_demo(folder, device='cpu')


def test_every_file_is_there_and_holds_what_it_says(demo):
    original, quality, coded, decoded, comparison = demo.files
    pixels = np.asarray(Image.open(original))
    back = np.asarray(Image.open(decoded))
    assert pixels.shape == back.shape == (512, 512, 3)
    assert Image.open(quality).mode == 'L'
    np.testing.assert_array_equal(back, napari_sft.imread(coded, device='cpu'))
    assert Image.open(comparison).width > 4 * 400


def test_numbers_are_those_of_the_files(demo):
    about = napari_sft.info(demo.files[2])
    assert demo.size == demo.files[2].stat().st_size == about['bytes']
    assert demo.psnr['picture'] == pytest.approx(
        about['statistics']['psnr'], abs=0.01
    )
    assert demo.jpeg_psnr.keys() == demo.psnr.keys()
    assert str(demo.size) in demo.lines()[0]


def test_files_are_not_overwritten_unasked(demo):
    with pytest.raises(SftError, match='--force'):
        run_demo(demo.files[0].parent)


def test_the_map_is_high_where_it_is_painted_only():
    quality = painted_map((512, 512))
    (y, x, _, _), highest = ELLIPSES[0]
    assert quality[y, x] == pytest.approx(highest, abs=1)
    assert quality[0, 0] == quality[-1, 0] == pytest.approx(BACKGROUND)
    assert quality.max() <= highest


def test_viridis_goes_from_dark_violet_to_yellow():
    colours = viridis(np.array([0, 1]))
    assert colours.tolist() == [[68, 1, 84], [253, 231, 37]]
    assert (np.diff(viridis(np.linspace(0, 1, 50)).sum(1)) >= 0).all()


def test_a_map_over_a_picture_tells_high_from_low(make_picture):
    picture = make_picture(8, 9)
    low = map_over(picture, np.zeros((8, 9)))
    high = map_over(picture, np.full((8, 9), 100.0))
    assert (high[..., 1] > low[..., 1]).all()


def test_panels_stand_side_by_side_without_overlap():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    panels = [
        Panel(
            'Title',
            'figures' if n else '',
            np.full((40, 40, 3), colour, np.uint8),
            [np.full((20, 40, 3), colour, np.uint8)],
            ['caption'],
        )
        for n, colour in enumerate(colours)
    ]
    canvas = compose(panels).astype(int)
    tops = []
    for n, colour in enumerate(colours):
        where = (canvas == colour).all(-1)
        # Full height of the picture and half of it for the detail.
        width = where.any(0).sum()
        assert where.sum() == pytest.approx(1.5 * width**2, rel=0.01), n
        tops.append(int(np.flatnonzero(where.any(1))[0]))
    assert len(set(tops)) == 1
    border = (
        np.concatenate([canvas[:20], canvas[-20:]]),
        canvas[:, :20],
        canvas[:, -20:],
    )
    assert all((part == 255).all() for part in border)
