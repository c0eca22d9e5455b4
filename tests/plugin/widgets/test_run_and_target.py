"""The footer: compress, stop, live, a size to fit into."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_sft.plugin.widgets.run_view import RunView
from napari_sft.plugin.widgets.target_view import TargetView

PIXELS, RAW, SOURCE = 512 * 512, 3 * 512 * 512, 200_000


@pytest.fixture
def run(qtbot):
    view = RunView()
    qtbot.addWidget(view)
    view.show()
    return view


@pytest.fixture
def target(qtbot):
    view = TargetView()
    qtbot.addWidget(view)
    view.show()
    view.set_picture(PIXELS, RAW, SOURCE)
    return view


def choose(view, unit):
    view.unit.setCurrentIndex(view.unit.findData(unit))
    view.unit.activated.emit(view.unit.currentIndex())


def test_compress_becomes_cancel_while_busy(run, qtbot, heard):
    said = heard(run, 'compress_requested', 'cancel_requested')
    qtbot.mouseClick(run.compress, Qt.MouseButton.LeftButton)
    run.set_busy('Compressing…')
    assert not run.compress.isVisible()
    assert run.status.text() == 'Compressing…'
    qtbot.mouseClick(run.cancel, Qt.MouseButton.LeftButton)
    run.set_idle('Stopped')
    assert run.compress.isVisible()
    assert not run.cancel.isVisible()
    assert said == [('compress_requested',), ('cancel_requested',)]


def test_progress_is_shown_and_forgotten(run):
    run.set_busy()
    assert run.bar.maximum() == 0  # not known yet
    run.set_progress(3, 10)
    assert (run.bar.value(), run.bar.maximum()) == (3, 10)
    run.set_idle()
    assert not run.bar.isVisible()
    assert not run.status.isVisible()


def test_the_layout_stays_when_work_begins(run):
    idle = run.sizeHint()
    run.set_busy()
    assert run.sizeHint().height() == idle.height()


def test_live_is_told_and_set_silently(run, heard):
    said = heard(run, 'live_toggled')
    run.set_live(True)
    assert run.live()
    assert said == []
    run.live_box.click()
    assert said == [('live_toggled', False)]


def test_only_a_stale_preview_asks_to_compress(run):
    run.set_stale(True)
    assert run.compress.property('role') == 'primary'
    run.set_stale(False)
    assert run.compress.property('role') != 'primary'
    assert run.compress.text() == 'Compress again'


def test_there_is_no_target_until_it_is_switched_on(target, heard):
    said = heard(target, 'target_changed')
    assert target.target_bytes() is None
    assert not target.number.isEnabled()
    target.on.click()
    assert said == [('target_changed', target.target_bytes())]
    target.on.click()
    assert said[-1] == ('target_changed', None)


@pytest.mark.parametrize(
    ('unit', 'number', 'size'),
    [
        ('kB', 20, 20_000),
        ('MB', 0.5, 500_000),
        ('bpp', 0.5, PIXELS // 16),
        ('source', 10, 20_000),
    ],
)
def test_units_mean_bytes(target, unit, number, size):
    target.on.click()
    choose(target, unit)
    target.number.setValue(number)
    assert target.target_bytes() == size


def test_another_unit_keeps_the_size(target):
    target.set_target(40_000)
    for unit in ('bpp', 'source', 'MB', 'kB'):
        choose(target, unit)
        assert target.target_bytes() == pytest.approx(40_000, rel=0.005)


def test_what_a_unit_means_is_said_in_bytes(target):
    target.set_target(40_000)
    assert not target.meaning.isVisible()
    choose(target, 'source')
    assert target.meaning.isVisible()
    assert '40.0 kB' in target.meaning.text()


def test_the_source_is_a_unit_only_if_there_is_one(target):
    choose(target, 'source')
    target.set_picture(PIXELS, RAW, None)
    assert target.unit.findData('source') == -1
    assert target.unit.currentData() == 'kB'


def test_another_image_keeps_a_target_that_is_on(target):
    target.set_target(12_345)
    target.set_picture(4 * PIXELS, 4 * RAW, None)
    assert target.target_bytes() == pytest.approx(12_345, abs=50)


def test_large_images_start_with_megabytes(target):
    target.set_picture(10**8, 3 * 10**8, None)
    assert target.unit.currentData() == 'MB'


def test_the_target_is_set_silently(target, heard):
    said = heard(target, 'target_changed')
    target.set_target(30_000)
    assert target.target_bytes() == 30_000
    target.set_target(None)
    assert target.target_bytes() is None
    assert said == []
