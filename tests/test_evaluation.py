"""Evaluation on a folder: by real files, with the paper's arithmetic."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

import napari_sft
from napari_sft.codec.errors import ImageError, SftError
from napari_sft.evaluation import Evaluator, decode_with
from napari_sft.evaluation_results import (
    Evaluation,
    Figures,
    Level,
    mean_figures,
    paper_curve,
)
from napari_sft.models.registry import load_model
from napari_sft.other_codecs import (
    CODECS,
    OtherCodec,
    RateCurve,
    Trial,
    mean_curve,
    other_codec,
)
from napari_sft.test1_maps import nonuniform_map


@pytest.fixture
def folder(tmp_path, make_picture):
    for seed in range(2):
        picture = Image.fromarray(make_picture(70, 90, seed=seed))
        picture.save(tmp_path / f'{seed}.png')
    return tmp_path


def papers_map(index, count, shape):
    """As the public code makes it, with torch's own density, in float32."""
    height, width = shape
    mean = torch.tensor(
        [
            height / 4 + (height / 2) * index / count,
            width / 4 + (width / 2) * (1 - index / count),
        ]
    )
    variance = torch.tensor(
        [20000 * (1 - index / count) + 5000, 20000 * index / count + 5000]
    )
    density = torch.distributions.MultivariateNormal(mean, variance.diag())
    rows, columns = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing='ij'
    )
    kernel = density.log_prob(torch.stack([rows, columns], -1)).exp().numpy()
    kernel = kernel.astype(np.float64)
    return kernel * (100 / kernel.max() * (0.4 * index / count + 0.6))


@pytest.mark.parametrize('index', [1, 2, 4, 23])
@pytest.mark.parametrize('shape', [(64, 96), (101, 33)])
def test_bumps_are_those_of_the_paper(index, shape):
    np.testing.assert_allclose(
        nonuniform_map(index, 24, shape),
        papers_map(index, 24, shape),
        atol=1e-3,
    )


def test_every_third_map_is_a_ramp_from_left_to_right():
    np.testing.assert_allclose(
        nonuniform_map(6, 24, (2, 3)), [[25, 50, 75]] * 2
    )
    assert nonuniform_map(0, 24, (5, 7))[:, [0, -1]].tolist() == [[0, 100]] * 5


def test_figures_are_those_of_the_real_file(folder, tiny_model):
    evaluator = Evaluator(folder, limit=1)
    level = evaluator.run(2).levels[1]
    picture = np.asarray(Image.open(folder / '0.png'))
    data = napari_sft.encode(
        picture, quality=100, statistics=False, provenance=False
    )
    error = (napari_sft.decode(data) / 255.0 - picture / 255.0) ** 2
    figures = level.images['0.png']
    assert figures.bpp == 8 * len(data) / (70 * 90)
    assert figures.psnr == pytest.approx(-10 * np.log10(error.mean()))
    distortion = 255**2 * 1e-3 * np.exp(4.382) * error.mean()
    assert figures.loss == pytest.approx(figures.bpp + distortion)
    # What rANS and the container add is little, and never negative.
    assert 0 < figures.estimated_bpp < figures.bpp
    assert figures.ms_ssim is None
    assert figures.encode_seconds > 0 < figures.decode_seconds


@pytest.mark.parametrize('shift', [0, -70])
def test_lambda_of_the_painted_map_weighs_each_pixel(
    folder, tiny_model, shift
):
    result = Evaluator(folder, shift=shift).run(2)
    assert result.as_dict()['test1_shift'] == shift
    figures = result.test1.images['1.png']
    picture = np.asarray(Image.open(folder / '1.png'))
    wanted = np.clip(nonuniform_map(1, 2, (70, 90)) + shift, 0, 100)
    assert wanted.max() > 0
    data = napari_sft.encode(
        picture, quality_map=wanted, statistics=False, provenance=False
    )
    error = (napari_sft.decode(data) / 255.0 - picture / 255.0) ** 2
    weight = 1e-3 * np.exp(4.382 * wanted / 100)
    distortion = 255**2 * (weight[..., None] * error).mean()
    assert figures.loss == pytest.approx(
        8 * len(data) / (70 * 90) + distortion, rel=1e-5
    )


def test_levels_pictures_and_progress(folder, tiny_model):
    seen, names = [], []
    evaluator = Evaluator(folder, gray=True, rivals=[CODECS['jpeg']])
    evaluator.on_picture = names.append
    evaluator.on_level = lambda level: seen.append(level.name)
    result = evaluator.run(3)
    assert [level.quality for level in result.levels] == [0, 50, 100]
    assert seen == ['0', '1', '2', '-1']
    assert names == ['0.png', '1.png'] * 4
    assert result.mean_loss == pytest.approx(
        np.mean([f.loss for x in result.levels for f in x.images.values()])
    )
    stored = json.loads(json.dumps(result.as_dict()))
    assert stored['levels'][2]['images'].keys() == {'0.png', '1.png'}
    assert stored['test1']['rivals']['jpeg']['0.png']['psnr'] > 0
    assert stored['gray'] is True
    assert 'colour' in stored['bd_rate_to_paper']


def test_codecs_compared_with_leave_their_mean_curves(folder, tiny_model):
    done = []
    evaluator = Evaluator(folder, rivals=[CODECS['jpeg']])
    evaluator.on_curve = done.append
    stored = json.loads(json.dumps(evaluator.run(2).as_dict()))
    curve = stored['rival_curves']['jpeg']
    assert done == ['jpeg']
    assert curve['quality'][0] == 1
    assert curve['quality'][-1] == 100
    trials = [
        RateCurve(CODECS['jpeg'], np.asarray(Image.open(path))).at(100)
        for path in sorted(folder.glob('*.png'))
    ]
    sizes = [trial.size for trial in trials]
    assert curve['bpp'][-1] == pytest.approx(8 * np.mean(sizes) / (70 * 90))
    psnr = np.mean([trial.psnr for trial in trials])
    assert curve['psnr'][-1] == pytest.approx(psnr)
    assert curve['ms_ssim'] == [None] * len(curve['quality'])


def test_mean_curves_have_ms_ssim_of_pictures_that_are_large_enough(
    make_picture,
):
    curve = mean_curve(CODECS['jpeg'], [make_picture(170, 180)], points=3)
    assert curve.quality == [1, 50, 100]
    assert 0 < curve.ms_ssim[0] < curve.ms_ssim[1] < curve.ms_ssim[2] < 1
    assert curve.bpp == sorted(curve.bpp)


def test_weights_that_are_not_installed_are_evaluated(
    folder, tiny_weights, monkeypatch, tmp_path
):
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    path = tiny_weights / 'compact.safetensors'
    result = Evaluator(folder, model=str(path), limit=1).run(2)
    model = load_model(str(path), 'cpu')
    assert result.about['weights'] == model.weights_hash.hex()


@pytest.mark.parametrize('tile', [0, 64])
def test_decoding_by_a_model_is_decoding(tiny_model, make_picture, tile):
    picture = make_picture(140, 150, rgb=False)
    data = napari_sft.encode(
        picture, quality=30, tile=tile, statistics=False, provenance=False
    )
    model = load_model(device='cpu')
    decoded = decode_with(model, data)
    np.testing.assert_array_equal(
        decoded.picture, napari_sft.decode(data, device='cpu')
    )
    assert decoded.seconds > 0
    ideal = decoded.ideal_bits / 8
    assert 0.9 * len(data) - 400 < ideal < len(data)


def test_pictures_of_several_tiles_are_evaluated(
    folder, tiny_model, make_picture
):
    picture = make_picture(64, 1090)
    for path in folder.iterdir():
        path.unlink()
    Image.fromarray(picture).save(folder / 'wide.png')
    result = Evaluator(folder, device='cpu').run(2)
    for level in (*result.levels, result.test1):
        figures = level.images['wide.png']
        if level.quality is not None:
            data = napari_sft.encode(
                picture,
                quality=level.quality,
                device='cpu',
                statistics=False,
                provenance=False,
            )
            assert figures.bpp == 8 * len(data) / (64 * 1090)
        assert 0 < figures.estimated_bpp < figures.bpp


def test_a_folder_without_pictures_is_one_line(tmp_path):
    with pytest.raises(ImageError, match='has no pictures'):
        Evaluator(tmp_path)
    with pytest.raises(ImageError, match='is no folder'):
        Evaluator(tmp_path / 'none')


KODAK = [f'kodim{number:02}.png' for number in range(1, 25)]


def evaluation(pairs, names=KODAK):
    def level(bpp, psnr):
        figures = Figures(bpp, bpp, psnr, None, 1.0, 0.1, 0.1)
        return Level('0', 0.0, figures, dict.fromkeys(names, figures))

    return Evaluation([level(*pair) for pair in pairs], level(1, 1), {})


def papers_points(factor=1):
    paper = paper_curve()
    return [
        (factor * bpp, psnr)
        for bpp, psnr in zip(paper['bpp'], paper['psnr'], strict=True)
    ]


def test_the_papers_own_curve_has_a_bd_rate_of_zero():
    same, half = evaluation(papers_points()), evaluation(papers_points(0.5))
    assert same.bd_rate_to_paper() == pytest.approx(0, abs=1e-9)
    assert half.bd_rate_to_paper() == pytest.approx(-50)
    assert len(same.levels) == 11
    few = evaluation([papers_points()[n] for n in (0, 3, 7, 10)])
    assert few.bd_rate_to_paper() == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    ('pairs', 'names', 'reason'),
    [
        (papers_points()[::5], KODAK, '4 levels'),
        (papers_points(), KODAK[:8], '24 pictures of Kodak'),
        (papers_points(), ['a.png'], '24 pictures of Kodak'),
    ],
)
def test_what_cannot_be_compared_with_the_paper_says_why(pairs, names, reason):
    result = evaluation(pairs, names)
    with pytest.raises(SftError, match=reason):
        result.bd_rate_to_paper()
    assert reason in result.as_dict()['bd_rate_to_paper']


def test_ms_ssim_is_averaged_over_pictures_that_have_it():
    def figures(similarity):
        return Figures(1.0, 1.0, 30.0, similarity, 1.0, 0.1, 0.1)

    mean = mean_figures({'a': figures(0.9), 'b': figures(None)})
    assert mean.ms_ssim == 0.9
    assert mean_figures({'b': figures(None)}).ms_ssim is None


@pytest.fixture
def stairs():
    """A codec of 10 * quality bytes and an error of 100 / quality."""
    return OtherCodec(
        'stairs',
        '',
        1,
        100,
        lambda picture, quality: bytes([quality]) * 10 * quality,
        lambda data: np.full((4, 4), 100 // data[0], np.uint8),
    )


def test_psnr_at_a_size_lies_between_its_neighbours(stairs):
    curve = RateCurve(stairs, np.zeros((4, 4), np.uint8))
    exact, reached = curve.psnr_at(200)
    assert reached
    assert exact == pytest.approx(20 * math.log10(255 / 5))
    between, reached = curve.psnr_at(10 * math.sqrt(10 * 11))
    low, high = curve.at(10).psnr, curve.at(11).psnr
    assert reached
    assert between == pytest.approx((low + high) / 2, abs=0.01)


@pytest.mark.parametrize(('size', 'quality'), [(3, 1), (5000, 100)])
def test_out_of_reach_the_end_of_the_range_counts(stairs, size, quality):
    curve = RateCurve(stairs, np.zeros((4, 4), np.uint8))
    assert curve.psnr_at(size) == (curve.at(quality).psnr, False)
    assert curve.closest(size).quality == quality


def test_the_closest_size_may_be_above(stairs):
    curve = RateCurve(stairs, np.zeros((4, 4), np.uint8))
    assert curve.closest(204) == Trial(20, 200, curve.at(20).psnr)
    assert curve.closest(206).size == 210


@pytest.mark.parametrize('name', sorted(CODECS))
@pytest.mark.parametrize('rgb', [True, False])
def test_other_codecs_get_better_with_size(name, rgb, make_picture):
    pytest.importorskip('imagecodecs')
    curve = RateCurve(other_codec(name), make_picture(64, 96, rgb=rgb))
    codec = curve.codec
    trials = [
        curve.at(codec.lowest + (codec.highest - codec.lowest) * n // 4)
        for n in range(5)
    ]
    sizes, values = ([getattr(t, n) for t in trials] for n in ('size', 'psnr'))
    # At the lowest rates, headers may be all that there is.
    assert sizes == sorted(sizes)
    assert values == sorted(values)
    assert len(set(sizes)) >= 4


def test_jpeg_2000_codes_colours_that_go_together_as_one(make_picture):
    gray = make_picture(96, 96, rgb=False)
    codec = other_codec('jpeg2000')
    coloured = RateCurve(codec, np.repeat(gray[..., None], 3, axis=2))
    size = RateCurve(codec, gray).at(100).size
    alone = RateCurve(codec, gray).at(100).psnr
    assert coloured.psnr_at(size + 60)[0] > alone - 0.5


def test_an_unknown_codec_names_those_that_there_are():
    with pytest.raises(SftError, match="'heic'.*jpeg, jpeg2000"):
        other_codec('heic')
