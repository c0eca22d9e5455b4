"""A real napari window: paint by mouse, preview, save, reopen, close."""

from __future__ import annotations

import gc
import os
import sys
import threading

import numpy as np
import pytest

pytest.importorskip('napari')
pytest.importorskip('pytestqt')
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import napari_sft
from napari_sft.plugin import map_layer

pytestmark = [
    pytest.mark.gui,
    pytest.mark.skipif(
        sys.platform == 'linux' and 'DISPLAY' not in os.environ,
        reason='needs a display with OpenGL: run under xvfb-run',
    ),
]

WIDGET = ('napari-sft', 'Paint and compress')


@pytest.fixture
def viewer(make_napari_viewer, tiny_model):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1200, 800)
    return viewer


@pytest.fixture
def picture(make_picture):
    return make_picture(96, 128)


@pytest.fixture
def widget(viewer, picture):
    """The widget beside a picture with an unpainted map."""
    viewer.add_image(picture, name='cells', scale=(0.5, 0.5))
    _, widget = viewer.window.add_plugin_dock_widget(*WIDGET)
    widget.map.new_map_requested.emit()
    return widget


def wait_for_preview(qtbot, widget):
    """Wait until the preview is of what is painted now."""
    whole = widget.coordinator

    def up_to_date():
        request, outcome = whole.request(), whole.outcome
        return outcome is not None and request.same(outcome.request)

    qtbot.waitUntil(up_to_date, timeout=120_000)
    return whole.outcome.preview


def at(viewer, layer, y, x):
    """Where a pixel of a layer is on the canvas."""
    canvas = viewer.window._qt_viewer.canvas
    view = canvas.view
    world = layer.data_to_world((y, x))
    place = view.scene.transform.map([world[1], world[0], 0, 1])
    return canvas.native, QPoint(round(place[0]), round(place[1]))


def stroke(viewer, layer, points):
    """Draw with the mouse through pixels (y, x) of a layer."""
    canvas, first = at(viewer, layer, *points[0])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    move(canvas, first, Qt.MouseButton.NoButton)
    QTest.mousePress(canvas, left, none, first)
    for point in points[1:]:
        move(canvas, at(viewer, layer, *point)[1], left)
    QTest.mouseRelease(canvas, left, none, at(viewer, layer, *points[-1])[1])


def move(canvas, point, button):
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(point),
        QPointF(canvas.mapToGlobal(point)),
        Qt.MouseButton.NoButton,
        button,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, event)
    QTest.qWait(2)  # for napari's own events


def threads():
    return [t for t in threading.enumerate() if 'napari-sft' in t.name]


def test_painted_saved_and_reopened_is_the_same(
    qtbot, viewer, widget, tmp_path
):
    before = wait_for_preview(qtbot, widget)
    layer = widget.coordinator.map.layer
    widget.brush.size_changed.emit(30)
    stroke(viewer, layer, [(40, x) for x in range(40, 90, 10)])
    assert layer.data[40, 60] == map_layer.to_label(85)
    preview = wait_for_preview(qtbot, widget)
    assert len(preview.data) > len(before.data)
    assert preview.quality[40, 60] > 60
    path = tmp_path / 'cells.sft'
    widget.save.save_requested.emit(str(path))
    qtbot.waitUntil(path.exists, timeout=60_000)
    preview = widget.coordinator.outcome.preview  # made with more care
    assert path.read_bytes() == preview.data
    shown = preview.reconstruction
    image, painted = viewer.open(str(path), plugin='napari-sft')
    np.testing.assert_array_equal(image.data, shown)
    np.testing.assert_allclose(image.scale, (0.5, 0.5))
    assert map_layer.is_map(painted)
    np.testing.assert_allclose(
        map_layer.to_quality(painted.data, map_layer.base_quality(painted)),
        preview.quality,
        atol=0.5,
    )


def test_dropped_file_opens_with_its_map(qtbot, viewer, picture, tmp_path):
    path = tmp_path / 'dropped.sft'
    quality = np.full(picture.shape[:2], 20.0)
    quality[32:64, 32:64] = 90
    path.write_bytes(napari_sft.encode(picture, quality_map=quality))
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    target = viewer.window._qt_viewer
    place = target.rect().center()
    about = (
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    # Qt gives a drop only to what has let it enter.
    QApplication.sendEvent(target, QDragEnterEvent(place, *about))
    QApplication.sendEvent(target, QDropEvent(QPointF(place), *about))
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    image, painted = viewer.layers
    assert image.data.shape == picture.shape
    assert image.source.path == str(path)
    assert map_layer.is_map(painted)
    assert painted.data[48, 48] > painted.data[10, 10]


def test_hundred_strokes_keep_memory_flat_and_end_right(
    qtbot, viewer, widget, picture
):
    psutil = pytest.importorskip('psutil')
    layer = widget.coordinator.map.layer
    wait_for_preview(qtbot, widget)
    rng = np.random.default_rng(1)
    memory = []
    for number in range(100):
        widget.brush.quality_changed.emit(int(rng.integers(101)))
        y, x = rng.integers((20, 20), (76, 108))
        stroke(viewer, layer, [(y, x), (y + 4, x + 8)])
        qtbot.wait(5)
        if number % 20 == 19:
            wait_for_preview(qtbot, widget)
            gc.collect()
            memory.append(psutil.Process().memory_info().rss)
    assert len(layer._undo_history) == 100
    assert memory[-1] - memory[1] < 40 * 2**20
    preview = wait_for_preview(qtbot, widget)
    fresh = napari_sft.encode(
        picture,
        quality_map=map_layer.to_quality(
            layer.data, map_layer.base_quality(layer)
        ),
        effort=1,
    )
    np.testing.assert_array_equal(
        preview.reconstruction, napari_sft.decode(fresh)
    )
    assert len(viewer.layers) == 3


def test_eraser_and_undo_give_the_base_quality_back(qtbot, viewer, widget):
    layer = widget.coordinator.map.layer
    unpainted = wait_for_preview(qtbot, widget)
    widget.brush.size_changed.emit(40)
    stroke(viewer, layer, [(40, 50), (40, 70)])
    wait_for_preview(qtbot, widget)
    layer.undo()
    assert not layer.data.any()
    again = wait_for_preview(qtbot, widget)
    np.testing.assert_array_equal(
        again.reconstruction, unpainted.reconstruction
    )
    layer.redo()
    widget.brush.tool_chosen.emit('erase')
    widget.brush.size_changed.emit(60)
    stroke(viewer, layer, [(40, 50), (40, 70)])
    assert not layer.data.any()
    wait_for_preview(qtbot, widget)


def test_napari_shuffle_button_keeps_the_colours(viewer, widget):
    from napari._qt.widgets.qt_mode_buttons import QtModePushButton

    layer = widget.coordinator.map.layer
    colour = layer.get_color(80)
    buttons = viewer.window._qt_window.findChildren(QtModePushButton)
    (shuffle,) = (b for b in buttons if b.property('mode') == 'shuffle')
    changes = []
    layer.events.colormap.connect(changes.append)
    shuffle.click()
    assert changes
    np.testing.assert_array_equal(layer.get_color(80), colour)


def test_closing_the_window_while_compressing_leaves_no_thread(
    qtbot, viewer, widget, picture
):
    viewer.add_image(np.tile(picture, (6, 6, 1)), name='large')
    widget.image.image_chosen.emit('large')
    widget.run.compress_requested.emit()
    qtbot.waitUntil(lambda: bool(threads()))
    viewer.close()
    assert not threads()


def test_closed_widget_opens_again(qtbot, viewer, widget):
    wait_for_preview(qtbot, widget)
    dock = widget.parent()
    dock.title.close_button.click()
    assert not threads()
    _, again = viewer.window.add_plugin_dock_widget(*WIDGET)
    assert again is not widget
    assert again.coordinator.map.layer.name == 'cells quality'
    wait_for_preview(qtbot, again)
    names = [layer.name for layer in viewer.layers]
    assert names == ['cells', 'cells compressed', 'cells quality']


@pytest.mark.parametrize('key', ['photograph', 'microscopy', 'compressed'])
def test_sample_opens_with_its_map(viewer, key):
    _, widget = viewer.window.add_plugin_dock_widget(*WIDGET)
    widget.run.set_live(False)
    widget.empty.sample_requested.emit(key)
    assert widget.message.text() == ''
    whole = widget.coordinator
    assert whole.image is not None
    assert map_layer.is_map(whole.map.layer)
    assert whole.map.problem == ''
    assert whole.map.layer.data.any()


@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_widget_follows_the_theme(qtbot, viewer, widget, theme):
    viewer.theme = theme
    wait_for_preview(qtbot, widget)
    qtbot.wait(50)
    picture = (
        widget.grab()
        .toImage()
        .convertToFormat(widget.grab().toImage().Format.Format_Grayscale8)
    )
    rows = range(0, picture.height(), 7)
    columns = range(0, picture.width(), 7)
    gray = [picture.pixelColor(x, y).red() for y in rows for x in columns]
    assert (np.median(gray) > 128) == (theme == 'light')


def test_menus_offer_the_widget_the_map_and_the_samples(viewer):
    def titles(menu):
        found = set()
        for action in menu.actions():
            found.add(action.text().replace('&', ''))
            if action.menu() is not None:
                found |= titles(action.menu())
        return found

    window = viewer.window
    for menu in (window.file_menu, window.plugins_menu, window.layers_menu):
        menu.aboutToShow.emit()
    assert any('aint and compress' in t for t in titles(window.plugins_menu))
    assert any('aint and compress' in t for t in titles(window.file_menu))
    assert any('New quality map' in t for t in titles(window.file_menu))
    assert any('New quality map' in t for t in titles(window.layers_menu))
