"""Encoder effort from outside: files stay as they are, only better."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_sft
from napari_sft.cli.app import app
from napari_sft.codec.errors import SftError

pytestmark = pytest.mark.usefixtures('tiny_model')


def encode(image, **about):
    return napari_sft.encode(image, device='cpu', provenance=False, **about)


def test_effort_4_is_the_default(make_picture):
    image = make_picture()
    assert encode(image, effort=4) == encode(image) != encode(image, effort=1)


@pytest.mark.parametrize('kind', ['RGB', 'gray', '16 bits', 'stack', 'map'])
def test_refined_files_differ_and_decode(make_picture, kind):
    image, about = make_picture(70, 100, rgb=kind in ('RGB', 'map')), {}
    if kind == '16 bits':
        image = image.astype(np.uint16) * 257
    elif kind == 'stack':
        image = np.stack([image, image[::-1]])
    elif kind == 'map':
        ramp = np.linspace(0, 100, 100)[None].repeat(70, axis=0)
        about['quality_map'] = ramp
    data = encode(image, effort=6, **about)
    assert data != encode(image, **about)
    decoded = napari_sft.decode(data, device='cpu')
    assert decoded.dtype == image.dtype
    assert decoded.shape == image.shape
    error = (decoded.astype(float) - image) / np.iinfo(image.dtype).max
    assert np.sqrt(np.mean(error**2)) < 0.05


def test_a_target_size_is_kept(make_picture):
    image = make_picture(96, 128)
    target = int(0.7 * len(encode(image, quality=90)))
    data = encode(image, quality=90, effort=2, target_bytes=target)
    assert 0.8 * target < len(data) <= target


def test_progress_goes_on_and_cancelling_leaves_nothing(
    make_picture, tmp_path
):
    told = []

    def cancel_in_the_middle(done, total):
        told.append((done, total))
        if done == 5:
            raise KeyboardInterrupt

    path = tmp_path / 'picture.sft'  # four corrections, 16 steps, a tile
    with pytest.raises(KeyboardInterrupt):
        napari_sft.imwrite(
            path, make_picture(), effort=5, progress=cancel_in_the_middle
        )
    assert [done for done, _ in told] == [0, 1, 2, 3, 4, 5]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('effort', [0, 10, 1.5, 'best'])
def test_an_unknown_effort_is_one_line(make_picture, effort):
    with pytest.raises(SftError, match='give a whole number from 1') as caught:
        encode(make_picture(), effort=effort)
    assert '\n' not in str(caught.value)


def test_the_command_line_takes_it(make_picture, tmp_path):
    from PIL import Image

    source, plain = tmp_path / 'in.png', tmp_path / 'plain.sft'
    refined = tmp_path / 'refined.sft'
    Image.fromarray(make_picture()).save(source)
    runner = CliRunner()
    for target, more in (
        (plain, ['--effort', '1']),
        (refined, ['--effort', '6']),
    ):
        result = runner.invoke(
            app,
            ['encode', str(source), str(target), '--quality', '75', *more],
        )
        assert result.exit_code == 0, result.output
    assert plain.read_bytes() != refined.read_bytes()
    assert napari_sft.imread(refined).shape == (64, 96, 3)
    wrong = ['encode', str(source), str(plain), '--effort', '10']
    assert runner.invoke(app, wrong).exit_code == 2
    more = ['--limit', '1', '--levels', '2', '--effort', '2']
    result = runner.invoke(app, ['evaluate', str(tmp_path), *more])
    assert result.exit_code == 0, result.output
