"""Numbers of a result, by region, and beside a JPEG."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_sft.plugin.widgets.region_table import OTHER
from napari_sft.plugin.widgets.results_view import ResultsView
from napari_sft.plugin.widgets.show_layers_view import ShowLayersView

REGIONS = [
    {
        'quality': [12.1, 12.1],
        'pixels': 75_000,
        'psnr': 28.1,
        'largest_error': 0.3,
    },
    {
        'quality': [80.0, 90.0],
        'pixels': 25_000,
        'psnr': None,
        'largest_error': 0.0,
    },
]
INFO = {
    'shape': [250, 400, 3],
    'axes': 'YXS',
    'bytes': 23_412,
    'bpp': 0.7144,
    'ratio': 12.8,
    'statistics': {
        'psnr': 31.24,
        'ms_ssim': 0.94123,
        'largest_error': 0.32,
        'regions': REGIONS,
    },
}
JPEG = {
    'bytes': 23_300,
    'bpp': 0.711,
    'psnr': 29.9,
    'ms_ssim': 0.921,
    'largest_error': 0.4,
    'regions': [29.0, 31.05],
}


@pytest.fixture
def view(qtbot):
    view = ResultsView()
    qtbot.addWidget(view)
    view.show()
    return view


def shown(labels):
    return {key: label.text() for key, label in labels.items()}


def cells(view):
    table = view.regions
    return [
        [table.item(at, place).text() for place in range(4)]
        for at in range(table.rowCount())
    ]


def test_before_a_result_it_says_what_to_do(view):
    assert view.empty.isVisible()
    assert 'Compress' in view.empty.text()
    assert not view.headline.isVisible()


def test_all_figures_are_shown(view):
    view.set_result(INFO, ratio_to_raw=12.8, ratio_to_source=2.5, seconds=0.3)
    assert view.headline.text() == '23.4 kB'
    assert shown(view.values) == {
        'size': '23.4 kB',
        'bpp': '0.714',
        'psnr': '31.2 dB',
        'ms_ssim': '0.9412',
        'error': '32.0 %',
    }
    ratios = view.ratios.text()
    assert '12.8 times smaller than the raw pixels' in ratios
    assert '2.50 times than the source file' in ratios
    assert '0.3 s' in view.headline.toolTip()


def test_a_file_larger_than_its_source_is_called_so(view):
    view.set_result(INFO, ratio_to_source=0.5)
    assert '2.00 times larger than the source' in view.ratios.text()


def test_each_region_has_a_row(view):
    view.set_result(INFO)
    assert cells(view) == [
        ['12', '75 %', '28.1', '30.0 %'],
        ['80–90', '25 %', 'exact', '0.0 %'],
    ]
    assert view.regions.isVisible()


def test_regions_of_a_stack_count_all_planes(view):
    stack = INFO | {'shape': [4, 250, 400], 'axes': 'ZYX'}
    view.set_result(stack)
    assert cells(view)[1][1] == '6 %'


def test_a_uniform_map_needs_no_table(view):
    uniform = INFO | {'statistics': INFO['statistics'] | {'regions': []}}
    view.set_result(uniform)
    assert not view.regions.isVisible()


def test_a_file_without_statistics_shows_its_size(view):
    bare = {key: INFO[key] for key in INFO if key != 'statistics'}
    view.set_result(bare)
    assert shown(view.values)['size'] == '23.4 kB'
    assert shown(view.values)['psnr'] == '–'
    assert shown(view.values)['ms_ssim'] == '–'


def test_an_exact_picture_is_called_so(view):
    exact = {'psnr': None, 'largest_error': 0.0, 'regions': []}
    view.set_result(INFO | {'statistics': exact})
    assert shown(view.values)['psnr'] == 'exact'


def test_the_jpeg_comes_on_demand_and_stands_beside(view, qtbot, heard):
    said = heard(view, 'comparison_requested')
    view.set_result(INFO)
    assert not view.others['psnr'].isVisible()
    assert view.regions.isColumnHidden(OTHER)
    qtbot.mouseClick(view.compare, Qt.MouseButton.LeftButton)
    view.set_comparing(True)
    assert not view.compare.isEnabled()
    view.set_comparison(JPEG)
    assert said == [('comparison_requested',)]
    assert view.others['psnr'].isVisible()
    assert shown(view.others)['psnr'] == '29.9 dB'
    assert view.regions.item(1, OTHER).text() == '31.1'
    assert not view.compare.isVisible()


def test_a_new_result_takes_the_comparison_away(view):
    view.set_result(INFO)
    view.set_comparison(JPEG)
    view.set_result(INFO)
    assert not view.others['psnr'].isVisible()
    assert view.regions.isColumnHidden(OTHER)
    assert view.compare.isVisible()
    assert view.compare.isEnabled()


def test_numbers_from_before_are_called_so(view):
    view.set_result(INFO)
    assert not view.stale.isVisible()
    view.set_stale(True)
    assert view.stale.isVisible()
    view.set_result(INFO)
    assert not view.stale.isVisible()


def test_the_summary_is_a_line_that_comes_and_goes_with_the_result(view):
    view.set_result(INFO, ratio_to_raw=12.8)
    text = view.summary.text()
    assert '23.4 kB' in text
    assert '12.8 times smaller' in text
    assert '31.2 dB' in text
    assert not view.summary.isHidden()
    view.clear()
    assert view.summary.isHidden()


def test_clearing_brings_the_first_words_back(view):
    view.set_result(INFO)
    view.clear()
    assert view.empty.isVisible()
    assert not view.headline.isVisible()


def test_layers_are_switched_and_set_silently(qtbot, heard):
    view = ShowLayersView()
    qtbot.addWidget(view)
    said = heard(
        view, 'original_toggled', 'side_by_side_toggled', 'layer_toggled'
    )
    view.set_original(True)
    view.set_side_by_side(True)
    view.set_layer('rate', True)
    assert said == []
    view.original.click()
    view.side_by_side.click()
    view.layers['rate'].click()
    view.layers['error'].click()
    assert said == [
        ('original_toggled', False),
        ('side_by_side_toggled', False),
        ('layer_toggled', 'rate', False),
        ('layer_toggled', 'error', True),
    ]


def test_the_key_stands_on_the_button(qtbot):
    view = ShowLayersView()
    qtbot.addWidget(view)
    view.set_key('T')
    assert 'T' in view.original.text()
    assert 'key T' in view.original.toolTip()
