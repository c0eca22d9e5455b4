"""The figure and its curves: what is drawn, and how it compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_sft.evaluation_results import paper_curve
from napari_sft_training.cli import app
from napari_sft_training.curves import (
    KODAK,
    PAPER,
    Curve,
    ResultsError,
    bd_rate_to_paper,
    published_curves,
    read_results,
)
from napari_sft_training.plot import by_bd_rate, draw, smooth

pytest.importorskip('matplotlib')


def results(factor: float = 1.0, names=KODAK, **more) -> dict:
    """An evaluation as it is stored: the paper's curve at other rates."""
    paper = paper_curve()
    levels = [
        {
            'mean': {'bpp': factor * bpp, 'psnr': psnr, 'ms_ssim': similar},
            'images': {f'{name}.png': {} for name in names},
        }
        for bpp, psnr, similar in zip(
            paper['bpp'], paper['psnr'], paper['ms_ssim'], strict=True
        )
    ]
    return {'model': 'compact', 'gray': False, 'levels': levels, **more}


@pytest.fixture
def save(tmp_path):
    def save(content, name: str = 'kodak.json') -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return save


def invoke(*args: object):
    return CliRunner().invoke(app, ['plot', *(str(arg) for arg in args)])


JPEG = {
    'quality': [1, 50, 100],
    'bpp': [0.2, 0.7, 4.0],
    'psnr': [22.0, 32.0, 45.0],
    'ms_ssim': [0.8, 0.97, 0.999],
}


def test_every_published_curve_has_a_source_and_rising_rates():
    text = Path(sys.modules[published_curves.__module__].__file__)
    stored = json.loads(
        (text.parent / 'data/published_curves.json').read_text()
    )['curves']
    assert len(stored) > 50
    for entry in stored:
        assert entry['source']
        assert len(entry['psnr']) == len(entry['bpp'])
        assert len(entry.get('ms_ssim', entry['bpp'])) == len(entry['bpp'])


def test_the_papers_curve_is_the_one_that_evaluation_knows():
    (ours,) = [c for c in published_curves() if c.name == PAPER]
    theirs = paper_curve()
    assert list(ours.bpp) == theirs['bpp']
    assert list(ours.psnr) == theirs['psnr']
    assert list(ours.ms_ssim) == theirs['ms_ssim']


def test_published_curves_have_the_bd_rates_that_are_known_of_them():
    rates = {
        curve.label: bd_rate_to_paper(curve)
        for curve in published_curves()
        if curve.shown
    }
    known = {
        'JPEG': 168,
        'JPEG 2000': 70,
        'WebP': 61,
        'BPG': 10,
        'AVIF': 2,
        'Song et al. 2021 (the paper)': 0,
        'EVC-SS': -6,
        'VTM 9.1': -15,
    }
    assert rates.keys() == known.keys()
    for label, rate in known.items():
        assert rates[label] == pytest.approx(rate, abs=0.5)


def test_half_the_rate_is_a_bd_rate_of_minus_50(save):
    curves, notes = read_results([save(results(0.5))])
    assert notes == []
    assert bd_rate_to_paper(curves[0]) == pytest.approx(-50)
    assert bd_rate_to_paper(curves[0], 'ms-ssim') == pytest.approx(-50)


def test_codecs_of_the_same_run_become_curves(save):
    path = save(results(rival_curves={'jpeg': JPEG}))
    again = save(results(rival_curves={'jpeg': JPEG}), 'other.json')
    curves, _ = read_results([path, again])
    assert [curve.label for curve in curves] == [
        'compact (kodak)',
        'compact (other)',
        'JPEG, measured',
    ]
    assert curves[2].points('psnr') == ([0.2, 0.7, 4.0], [22.0, 32.0, 45.0])
    _, similar = curves[2].points('ms-ssim')
    np.testing.assert_allclose(similar, -10 * np.log10([0.2, 0.03, 0.001]))


def test_three_points_are_too_few_for_a_bd_rate():
    (paper,) = [c for c in published_curves() if c.name == PAPER]
    for count, enough in ((3, False), (4, True)):
        curve = Curve('x', 'x', 'codec', paper.bpp[:count], paper.psnr[:count])
        assert (bd_rate_to_paper(curve) is not None) == enough


def test_curves_without_ms_ssim_or_common_quality_have_no_bd_rate():
    rates, high = (0.1, 0.2, 0.3, 0.4), (60.0, 61.0, 62.0, 63.0)
    curve = Curve('x', 'x', 'codec', rates, high)
    assert curve.points('ms-ssim') == ([], [])
    assert bd_rate_to_paper(curve) is None
    assert bd_rate_to_paper(curve, 'ms-ssim') is None
    assert by_bd_rate([curve, *published_curves()])[-1] == (curve, None)


def test_a_lossless_end_is_left_out():
    curve = Curve('x', 'x', 'codec', (1, 2, 9), (30, 40, float('inf')))
    assert curve.points('psnr') == ([1, 2], [30, 40])


def test_smooth_curves_go_through_their_points_and_rise():
    bpp, psnr = [0.1, 0.3, 1.0], [26.0, 31.0, 37.0]
    rates, values = smooth(bpp, psnr)
    np.testing.assert_allclose(np.interp(psnr, values, rates), bpp)
    assert (np.diff(rates) > 0).all()
    assert (np.diff(values) > 0).all()


def test_each_panel_shows_every_curve_that_has_its_metric(save):
    curves, _ = read_results([save(results(0.9))])
    shown = [*curves, *(c for c in published_curves() if c.shown)]
    psnr, similar = draw(shown).axes
    assert len(psnr.lines) == len(shown)
    assert sum(len(line.get_xdata()) > 0 for line in similar.lines) == sum(
        bool(c.ms_ssim) for c in shown
    )
    assert psnr.get_xlim() == (0, 1.6)
    low, high = psnr.get_ylim()
    assert low < 27.114
    assert high > 37.466


def test_the_legend_ranks_curves_and_overlaps_no_panel(save):
    curves, _ = read_results([save(results(0.5))])
    shown = [*curves, *(c for c in published_curves() if c.shown)]
    figure = draw(shown)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0].startswith('compact')
    assert '50.0 %' in texts[0]
    assert texts[-1].startswith('JPEG  +167.9')
    left = legend.get_window_extent().x0
    assert all(p.get_tightbbox().x1 <= left for p in figure.axes)


def test_the_command_writes_the_figure_and_bd_rates(save, tmp_path):
    path = save(results(0.9, rival_curves={'jpeg': JPEG}))
    out = tmp_path / 'figures/rd.png'
    result = invoke(path, '--out', out, '--bd-rate')
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.width > picture.height > 500
    (line,) = [x for x in result.output.splitlines() if 'compact' in x]
    assert line.split() == ['compact', '−10.0', '%', '−10.0', '%']
    for label in ('JPEG, measured', 'AVIF', 'VTM 9.1', 'BPG'):
        assert label in result.output
    assert 'ELIC' not in result.output


def test_all_adds_every_published_curve(save, tmp_path):
    out = tmp_path / 'rd.svg'
    args = ('--out', out, '--all', '--bd-rate', '--metric', 'psnr')
    result = invoke(save(results()), *args)
    assert result.exit_code == 0, result.output
    assert 'ELIC' in result.output
    assert out.read_text().startswith('<?xml')


def test_other_pictures_than_kodaks_are_noted(save, tmp_path):
    path = save(results(names=['cat', 'dog']))
    result = invoke(path, '--out', tmp_path / 'rd.png', '--metric', 'psnr')
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert 'kodak.json' in line
    assert "not Kodak's 24 (number: 2)" in line


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ({'gray': True, 'levels': []}, '--gray'),
        ({'levels': []}, 'evaluate --json'),
        ({'levels': [{'mean': {}}]}, 'evaluate --json'),
        ([1], 'evaluate --json'),
    ],
)
def test_files_that_are_no_results_are_one_line(save, content, words):
    path = save(content)
    with pytest.raises(ResultsError, match=words):
        read_results([path])
    result = invoke(path, '--out', path.with_suffix('.png'))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert not path.with_suffix('.png').exists()


def test_missing_files_and_foreign_suffixes_are_one_line(save, tmp_path):
    result = invoke(tmp_path / 'gone.json')
    assert result.exit_code == 1
    assert 'gone.json' in result.stderr
    result = invoke(save(results()), '--out', tmp_path / 'rd.gif')
    assert result.exit_code == 1
    assert '.png, .pdf, .svg' in result.stderr


def test_without_matplotlib_the_extra_is_named(save, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    result = invoke(save(results()), '--out', tmp_path / 'rd.png')
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert 'pip install napari-sft[training]' in line
