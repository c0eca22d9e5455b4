"""The rate-distortion plot: points, the mark, themes and export."""

from __future__ import annotations

import csv

import pytest

from napari_sft.plugin.widgets.curve_view import CurveView
from napari_sft.plugin.widgets.theme import colours_of, qcolor


@pytest.fixture
def view(qtbot):
    view = CurveView()
    qtbot.addWidget(view)
    view.set_colours(colours_of('dark'))
    view.show()
    return view


@pytest.fixture
def drawn(view):
    for quality in (80, 20, 50):
        view.add_point(
            'napari-sft', quality, quality / 50, 27 + quality / 10, 0.9
        )
        view.add_point('JPEG', quality, quality / 10, 25 + quality / 10)
    view.set_current(0.71, 33.4, 0.95)
    return view


def axes(view):
    return view.plot.figure.axes[0]


def lines(view):
    return {line.get_label(): line for line in axes(view).lines}


def test_before_the_sweep_it_says_what_it_would_do(view):
    assert view.explanation.isVisible()
    assert not view.save.isVisible()
    assert view.plot is None


def test_points_are_sorted_by_size_whenever_they_come(drawn):
    assert [p.quality for p in drawn.points('napari-sft')] == [20, 50, 80]
    line = lines(drawn)['napari-sft']
    assert list(line.get_xdata()) == [0.4, 1.0, 1.6]
    assert not drawn.explanation.isVisible()


def test_the_present_setting_is_marked_and_can_be_taken_away(drawn):
    mark = lines(drawn)['this setting']
    assert (mark.get_xdata(), mark.get_ydata()) == ([0.71], [33.4])
    drawn.set_current(None, None)
    assert 'this setting' not in lines(drawn)


def test_the_view_is_of_our_curve_not_of_the_far_end_of_jpeg(drawn):
    left, right = axes(drawn).get_xlim()
    assert left == 0
    assert 1.6 < right < 2.5


def test_ms_ssim_shows_the_curves_that_have_it(drawn):
    drawn.measure.setCurrentIndex(1)
    drawn.measure.activated.emit(1)
    assert axes(drawn).get_ylabel() == 'MS-SSIM'
    assert list(lines(drawn)['napari-sft'].get_ydata()) == [0.9] * 3
    assert len(lines(drawn)['JPEG'].get_xdata()) == 0


@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_the_plot_takes_the_theme_colours(drawn, theme):
    from matplotlib.colors import to_hex

    colours = colours_of(theme)
    drawn.set_colours(colours)
    ground = to_hex(axes(drawn).get_facecolor())
    assert ground == qcolor(colours.background).name()


def test_the_sweep_is_asked_for_shown_and_stopped(view, heard):
    said = heard(view, 'sweep_requested', 'cancel_requested')
    view.draw.click()
    view.set_sweeping(True)
    view.set_progress(2, 11)
    assert not view.draw.isVisible()
    assert (view.bar.value(), view.bar.maximum()) == (2, 11)
    view.cancel.click()
    view.set_sweeping(False)
    assert view.draw.isVisible()
    assert not view.bar.isVisible()
    assert said == [('sweep_requested',), ('cancel_requested',)]


@pytest.mark.parametrize(
    ('suffix', 'start'), [('.png', b'\x89PNG'), ('.svg', b'<?xml')]
)
def test_the_plot_is_exported_as_a_picture(drawn, tmp_path, suffix, start):
    path = tmp_path / f'curve{suffix}'
    drawn.export(str(path))
    assert path.read_bytes().startswith(start)


def test_the_points_are_exported_as_a_table(drawn, tmp_path):
    path = tmp_path / 'curve.csv'
    drawn.export(str(path))
    with path.open(encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    own = [row for row in rows if row['curve'] == 'napari-sft']
    assert [float(row['bpp']) for row in own] == [0.4, 1.0, 1.6]
    assert own[0]['ms_ssim'] == '0.9'
    (mark,) = (row for row in rows if row['curve'] == 'current')
    assert (mark['quality'], mark['psnr']) == ('', '33.4')


@pytest.mark.parametrize(
    ('typed', 'chosen', 'written'),
    [
        ('plot.svg', '', 'plot.svg'),
        ('plot', 'Table (*.csv)', 'plot.csv'),
        ('plot', '', 'plot.png'),
    ],
)
def test_the_dialog_decides_the_kind(
    drawn, tmp_path, answer, typed, chosen, written
):
    answer(tmp_path / typed, chosen)
    drawn.save.click()
    assert (tmp_path / written).is_file()


@pytest.mark.parametrize('name', ['nowhere/plot.png', 'nowhere/plot.csv'])
def test_an_export_that_fails_says_so_in_one_line(
    drawn, tmp_path, heard, name
):
    said = heard(drawn, 'failed')
    drawn.export(str(tmp_path / name))
    ((_, text),) = said
    assert 'not written' in text
    assert '\n' not in text


def test_clearing_brings_the_explanation_back(drawn):
    drawn.clear()
    assert drawn.explanation.isVisible()
    assert not drawn.plot.isVisible()
    drawn.add_point('JPEG', 5, 0.3, 25)
    assert drawn.plot.isVisible()
