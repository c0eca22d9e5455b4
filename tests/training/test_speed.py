"""The speed benchmark runs, on networks of the paper's size."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from napari_sft_training.benchmarks import paper_shapes, speed

SMALL = ['--width', '128', '--height', '128']


def test_the_papers_shapes_have_its_work_and_parameters():
    encode, decode = paper_shapes.kmac_per_pixel()
    assert encode == pytest.approx(790, rel=0.02)
    assert decode == pytest.approx(420, rel=0.02)
    with torch.device('meta'):
        networks = paper_shapes.PaperEncoder(), paper_shapes.PaperDecoder()
    count = sum(p.numel() for n in networks for p in n.parameters())
    assert count == 27_563_267  # the paper's, its entropy bottleneck aside


@torch.inference_mode()
def test_the_papers_decoder_gives_a_picture_of_the_same_size():
    x = torch.rand(1, 3, 128, 128)
    latents = paper_shapes.PaperEncoder()(x, torch.rand(1, 1, 128, 128))
    assert [tuple(latent.shape[1:]) for latent in latents] == [
        (192, 8, 8),
        (192, 2, 2),
    ]
    x_hat, parameters = paper_shapes.PaperDecoder()(*latents)
    assert x_hat.shape == x.shape
    assert parameters.shape == (1, 384, 8, 8)


def test_figures_are_medians_and_the_papers_over_ours(tiny_model, tmp_path):
    out = tmp_path / 'speed.json'
    result = CliRunner().invoke(
        speed.app,
        [
            '--width',
            '128',
            '--height',
            '128',
            '--runs',
            '1',
            '--json',
            str(out),
        ],
    )
    assert result.exit_code == 0, result.output
    assert 'paper / ours' in result.output
    figures = json.loads(out.read_text())
    assert figures['size'] == [128, 128]
    median = figures['median_seconds']
    assert min(median.values()) > 0
    for ours, paper in speed.AGAINST.items():
        ratio = figures['paper_over_ours'][ours]
        assert ratio == pytest.approx(median[paper] / median[ours])


def test_rounds_are_interleaved_after_one_that_warms_up():
    calls: list[str] = []
    work = {name: lambda name=name: calls.append(name) for name in 'ab'}
    seconds = speed.interleaved_times(work, runs=3)
    assert calls == ['a', 'b'] * 4
    assert [len(times) for times in seconds.values()] == [3, 3]


def test_missing_weights_are_one_line():
    result = CliRunner().invoke(speed.app, ['--model', 'none', *SMALL])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert 'none' in line


def test_pictures_are_tiled_and_cropped_to_the_size(tmp_path):
    assert speed.picture_of(None, 768, 512).shape == (512, 768, 3)
    pixels = np.arange(100 * 90 * 3, dtype=np.uint8).reshape(100, 90, 3)
    path = tmp_path / 'picture.png'
    Image.fromarray(pixels).save(path)
    picture = speed.picture_of(path, 128, 64)
    assert picture.shape == (64, 128, 3)
    np.testing.assert_array_equal(picture[:, :90], pixels[:64])
    np.testing.assert_array_equal(picture[:, 90], pixels[:64, 89])
