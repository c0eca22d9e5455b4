"""Sliders and boxes that go together."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_sft.plugin.widgets.controls import NumberControl, QualityControl


@pytest.fixture
def quality(qtbot):
    control = QualityControl('Quality', 'How good', 50)
    qtbot.addWidget(control)
    control.resize(300, 60)
    control.show()
    return control


def turn_wheel(widget):
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        middle,
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def test_number_and_slider_show_the_same(quality):
    quality.slider.setValue(30)
    assert quality.number.value() == 30
    quality.number.setValue(80)
    assert quality.slider.value() == 80
    assert quality.value() == 80


def test_setting_is_silent(quality, heard):
    said = heard(quality, 'changed', 'committed')
    quality.set_value(20)
    assert (quality.value(), quality.number.value()) == (20, 20)
    assert said == []


def test_dragging_commits_once_at_its_end(quality, qtbot, heard):
    said = heard(quality, 'changed', 'committed')
    slider = quality.slider
    left = Qt.MouseButton.LeftButton
    middle = slider.height() // 2
    qtbot.mousePress(slider, left, pos=QPoint(10, middle))
    for x in (60, 120, slider.width() - 1):
        qtbot.mouseMove(slider, QPoint(x, middle))
    assert {name for name, _ in said} == {'changed'}
    qtbot.mouseRelease(slider, left, pos=QPoint(slider.width(), middle))
    assert said[-1] == ('committed', quality.value())
    assert [name for name, _ in said].count('committed') == 1
    assert quality.value() == 100


@pytest.mark.parametrize(('share', 'value'), [(0.0, 0), (0.5, 50), (1, 100)])
def test_a_click_goes_to_its_place(quality, qtbot, share, value):
    quality.set_value(20)
    slider = quality.slider
    at = QPoint(round(share * (slider.width() - 1)), slider.height() // 2)
    qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=at)
    assert quality.value() == pytest.approx(value, abs=1)


def test_the_right_button_changes_nothing(quality, qtbot):
    qtbot.mouseClick(quality.slider, Qt.MouseButton.RightButton)
    qtbot.mouseMove(quality.slider, QPoint(5, 5))
    assert quality.value() == 50


def test_keys_change_and_commit(quality, qtbot, heard):
    said = heard(quality, 'committed')
    qtbot.keyClick(quality.slider, Qt.Key.Key_Right)
    qtbot.keyClick(quality.slider, Qt.Key.Key_PageUp)
    qtbot.keyClick(quality.slider, Qt.Key.Key_End)
    assert said == [('committed', value) for value in (51, 61, 100)]


def test_expectation_follows_the_quality(quality):
    low = quality.expected.text()
    quality.set_value(90)
    assert quality.expected.text() != low


def test_expectation_can_be_replaced_and_hidden(quality):
    quality.set_expected(lambda q: f'{q} of 100')
    quality.set_value(7)
    assert quality.expected.text() == '7 of 100'
    quality.set_expected(None)
    assert not quality.expected.isVisible()


@pytest.mark.parametrize(
    ('part', 'other'), [('slider', 'number'), ('number', 'slider')]
)
def test_the_wheel_needs_the_focus(quality, qtbot, part, other):
    widget = getattr(quality, part)
    with qtbot.waitActive(quality):
        quality.activateWindow()
    getattr(quality, other).setFocus()
    turn_wheel(widget)
    assert quality.value() == 50
    widget.setFocus()
    turn_wheel(widget)
    assert quality.value() > 50


def test_the_handle_stands_upon_the_ramp(quality, qtbot):
    slider = quality.slider
    quality.set_value(0)
    before = slider.grab().toImage()
    right = before.pixelColor(slider.width() - 12, slider.height() // 2)
    # viridis ends in yellow
    assert right.red() > 180
    assert right.blue() < 90
    quality.set_value(100)
    assert slider.grab().toImage() != before


def test_a_number_goes_with_its_slider(qtbot, heard):
    control = NumberControl('Size', 'How large', (1, 64), 'px')
    qtbot.addWidget(control)
    said = heard(control, 'changed')
    control.slider.setValue(9)
    control.number.setValue(30)
    assert said == [('changed', 9), ('changed', 30)]
    assert control.slider.value() == 30
    control.set_value(100)
    assert control.value() == 64
    assert len(said) == 2
