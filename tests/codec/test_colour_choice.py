"""Whether colours are turned before coding, with the model that ships."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_sft
from napari_sft.cli import app
from napari_sft.codec.colours import ColourTurn
from napari_sft.codec.container import Reader
from napari_sft.codec.errors import ImageError
from napari_sft.preview.previewer import Previewer

TURN = ColourTurn((2000, -1500, 3000), (40, 50, 60))


def dye(channel: int, side: int = 192, seed: int = 0) -> np.ndarray:
    """Bright discs of one dye on black, with grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side]
    gray = np.zeros((side, side))
    for _ in range(12):
        row, column, radius = rng.uniform(0, side, 3) * (1, 1, 0.12)
        gray += 90 * np.exp(
            -(((y - row) ** 2 + (x - column) ** 2) / (radius**2 + 9))
        )
    picture = np.zeros((side, side, 3))
    picture[..., channel] = gray + rng.normal(0, 2, gray.shape) * (gray > 2)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def encode(image, **about):
    about = {'quality': 60, 'device': 'cpu', 'effort': 2} | about
    return napari_sft.encode(image, provenance=False, **about)


def colours_of(data):
    return Reader(data).header.colours


def squared_error(data, image):
    decoded = napari_sft.decode(data, device='cpu').astype(float)
    return np.square(decoded - image).mean()


@pytest.mark.parametrize('channel', [0, 1, 2])
def test_one_dye_on_black_takes_fewer_bytes_turned(channel):
    image = dye(channel)
    own, turned = encode(image, colours=None), encode(image)
    assert colours_of(own) is None
    assert colours_of(turned) is not None
    assert napari_sft.info(turned)['colours_turned'] > 10
    assert len(turned) < 0.95 * len(own)
    assert squared_error(turned, image) < squared_error(own, image)


@pytest.mark.parametrize(
    'image',
    [
        pytest.param(np.zeros((70, 50, 3), np.uint8), id='black'),
        pytest.param(np.full((1, 1, 3), 200, np.uint8), id='one pixel'),
        pytest.param(np.repeat(dye(0)[..., :1], 3, 2), id='gray as RGB'),
        pytest.param(dye(0)[..., 0], id='gray'),
    ],
)
def test_others_keep_their_colours(image):
    data = encode(image)
    assert colours_of(data) is None
    assert napari_sft.info(data)['colours_turned'] == 0
    assert data == encode(image, colours=None)


def test_photographs_keep_their_colours():
    from skimage import data

    image = data.astronaut()[:256, :256]
    assert encode(image) == encode(image, colours=None)


def test_the_command_line_tells(tmp_path):
    for name, colours in (('turned', TURN), ('own', None)):
        path = tmp_path / f'{name}.sft'
        path.write_bytes(encode(dye(0, 64), colours=colours))
        result = CliRunner().invoke(app, ['info', str(path)])
        assert result.exit_code == 0, result.output
        assert (f'turned by {TURN.angle:.0f} degrees' in result.output) == (
            colours is not None
        )


def test_the_fastest_effort_does_not_try():
    image = dye(0)
    assert encode(image, effort=1) == encode(image, effort=1, colours=None)


@pytest.mark.parametrize('how', [{}, {'tile': 64}, {'pyramid': True}])
def test_given_colours_are_kept_and_taken_back(make_picture, how):
    image = make_picture(96, 130)
    data = encode(image, colours=TURN, **how)
    assert colours_of(data) == TURN
    assert squared_error(data, image) < 60
    with napari_sft.open(data, device='cpu') as file:
        whole = file.read()
        part = np.asarray(file[:70, 30:90])
    assert np.abs(part.astype(int) - whole[:70, 30:90]).max() <= 1
    measured = napari_sft.info(data)['statistics']['psnr']
    wanted = 10 * np.log10(255**2 / np.square(whole * 1.0 - image).mean())
    assert measured == pytest.approx(wanted, abs=0.05)


def test_planes_of_a_stack_turn_alike():
    stack = np.stack([dye(2, 128, seed) for seed in range(3)])
    data = encode(stack, axes='ZYXS')
    turn = colours_of(data)
    assert turn is not None
    plane = encode(stack[1])  # the middle one tells
    assert colours_of(plane) == turn


def test_a_target_size_is_met_with_turned_colours():
    image = dye(1)
    data = encode(image, target_bytes=350)
    assert colours_of(data) is not None
    assert 0.9 * 350 < len(data) <= 350


def test_previews_give_the_files_that_are_written():
    image = dye(1)
    previewer = Previewer(image, device='cpu', tile=64)
    for effort in (2, 1, 2):
        data = previewer.run(60, effort=effort).data
        with napari_sft.open(data, device='cpu') as file:
            np.testing.assert_array_equal(
                file.read(),
                napari_sft.decode(encode(image, effort=effort, tile=64)),
            )
        assert (colours_of(data) is not None) == (effort > 1)


def test_cancelling_a_trial_leaves_it():
    class Enough(Exception):
        pass

    def stop(*_):
        raise Enough

    with pytest.raises(Enough):
        Previewer(dye(0), device='cpu').run(60, effort=2, progress=stop)


def test_gray_pictures_have_no_colours_to_turn(make_picture, tmp_path):
    target = tmp_path / 'gray.sft'
    with pytest.raises(ImageError, match='none to turn'):
        napari_sft.imwrite(
            target, make_picture(rgb=False), device='cpu', colours=TURN
        )
    assert not list(tmp_path.iterdir())
