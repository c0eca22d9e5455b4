"""The whole widget: pages, sections, themes, narrow docks, the Tab key."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_sft.plugin.widgets.main_widget import MainWidget

REGION = {
    'quality': [80, 90],
    'pixels': 10,
    'psnr': 30.0,
    'largest_error': 0.1,
}
INFO = {
    'shape': [5, 4],
    'axes': 'YX',
    'bytes': 10**9,
    'bpp': 12.345,
    'ratio': 1234.5,
    'statistics': {
        'psnr': 31.24,
        'ms_ssim': 0.94,
        'largest_error': 1.0,
        'regions': [REGION, REGION],
    },
}
JPEG = {'bytes': 10**9, 'bpp': 12.3, 'psnr': 29.9, 'regions': [29.0, 31.0]}
LONG = 'a very long name of a layer that fits into no dock at all'


@pytest.fixture
def widget(qtbot):
    widget = MainWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def full(widget):
    """Everything open and filled with the longest texts."""
    widget.show_work()
    widget.image.set_images([LONG], LONG)
    widget.image.set_description(LONG)
    widget.image.set_windows([('dtype', LONG)], 'dtype')
    widget.map.set_maps([LONG], LONG)
    widget.sources.set_layers('labels', [LONG])
    widget.sources.choose('labels')
    widget.sources.set_label_values([1, 2, 10_000_000])
    widget.target.set_picture(10**9, 10**10, 10**9)
    widget.target.set_target(10**8)
    widget.results.set_result(INFO, ratio_to_source=1234.5, seconds=12.3)
    widget.results.set_comparison(JPEG)
    widget.curve.add_point('napari-sft', 50, 0.5, 30)
    widget.model.set_models([LONG], LONG)
    widget.save.set_saved(f'/{LONG}.sft', 10**9)
    widget.message.show_error(f'{LONG}: {LONG}')
    for name in widget.sections:
        widget.open_section(name)
    return widget


@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_nothing_forces_a_narrow_dock_wider(full, theme):
    full.set_theme(theme)
    full.resize(350, 900)
    full.show()
    assert full.width() == 350
    assert full.minimumSizeHint().width() <= 330
    area = full.findChild(QScrollArea)
    inside = area.widget()
    assert inside.minimumSizeHint().width() <= area.viewport().width()
    assert not area.horizontalScrollBar().isVisible()
    assert full.layout().minimumSize().width() <= 330


def test_it_starts_with_the_empty_page(widget):
    widget.show()
    assert widget.empty.isVisible()
    assert not widget.run.isVisible()
    widget.show_work()
    assert not widget.empty.isVisible()
    assert widget.run.isVisible()
    widget.show_empty()
    assert widget.empty.isVisible()


def test_errors_are_seen_on_both_pages(widget):
    widget.show()
    widget.message.show_error('no image')
    assert widget.message.isVisible()
    widget.show_work()
    assert widget.message.isVisible()


def test_the_result_is_in_sight_wherever_the_widget_is_scrolled(full):
    full.resize(350, 500)
    full.show()
    area = full.findChild(QScrollArea)
    assert full.results.summary.isVisible()
    assert not area.isAncestorOf(full.results.summary)


def test_sections_fold_by_mouse_and_by_key(full, qtbot):
    full.show()
    section = full.sections['paint']
    title = section.toggleButton()
    qtbot.mouseClick(title, Qt.MouseButton.LeftButton)
    assert not full.brush.isVisible()
    qtbot.keyClick(title, Qt.Key.Key_Space)
    assert full.brush.isVisible()
    full.open_section('paint', False)
    assert not section.isExpanded()


def test_texts_that_wrap_are_not_cut_off(full):
    full.resize(350, 900)
    full.show()
    QApplication.processEvents()
    for section in full.sections.values():
        content = section.content()
        needed = content.layout().totalHeightForWidth(content.width())
        assert content.height() >= needed


def tab_stops(widget):
    """What the Tab key reaches, in its order."""
    stops = []
    at = widget.nextInFocusChain()
    while at is not widget:
        tab = at.focusPolicy() & Qt.FocusPolicy.TabFocus
        if tab and at.isVisible() and at.isEnabled():
            stops.append(at)
        at = at.nextInFocusChain()
    return stops


def test_the_tab_key_goes_down_the_widget(full):
    full.resize(350, 3000)
    full.show()
    QApplication.processEvents()
    tops = [
        stop.mapTo(full, QPoint(0, 0)).y()
        for stop in tab_stops(full)
        if stop.parent() is not None
    ]
    # Controls in one row differ by a few pixels.
    assert all(b >= a - 12 for a, b in zip(tops, tops[1:], strict=False))


def test_the_tab_key_passes_by_folded_sections(full):
    full.resize(350, 900)
    full.show()
    for name in full.sections:
        full.open_section(name, False)
    inside = {
        stop
        for stop in tab_stops(full)
        for section in full.sections.values()
        if section.content().isAncestorOf(stop)
    }
    assert inside == set()


@pytest.mark.parametrize('theme', ['light', 'dark', 'system'])
def test_themes_can_change_at_any_time(full, theme):
    full.show()
    full.set_theme(theme)
    assert not full.grab().isNull()


def test_gray_and_colour_pictures_expect_different_figures(widget):
    texts = []
    for gray in (False, True):
        widget.set_picture_kind(gray=gray)
        texts.append(widget.map.base.expected.text())
        assert widget.brush.brush.expected.text()
    assert texts[0] != texts[1]
    widget.show_work()
    widget.show()
    widget.set_picture_kind(gray=True, known_model=False)
    assert not widget.map.base.expected.isVisible()
    assert not widget.brush.brush.expected.isVisible()


def test_a_failed_export_is_told_in_the_message(full, tmp_path):
    full.curve.export(str(tmp_path / 'nowhere' / 'plot.png'))
    assert 'not written' in full.message.text()


def test_closing_is_told(widget, heard):
    said = heard(widget, 'closing')
    widget.show()
    widget.close()
    assert said == [('closing',)]
