"""Maps found for a task, in the background and as layers to paint."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip('napari')
pytest.importorskip('pytestqt')
from napari.components import ViewerModel

from napari_sft.plugin import map_layer
from napari_sft.plugin.coordinator import Coordinator
from napari_sft.plugin.preferences import Preferences
from napari_sft.plugin.widgets.main_widget import MainWidget
from napari_sft.tasks import registry

MODULE = 'napari_sft.tasks.fake'


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def start(qtbot, viewer, monkeypatch):
    """Start the widget with one task, which a function finds maps for."""
    started = []

    def start(find, packages=None, **about):
        module = ModuleType(MODULE)
        module.find = find
        monkeypatch.setitem(sys.modules, MODULE, module)
        task = registry.Task(
            'fake', 'Keep it', 'fake:find', packages or {}, **about
        )
        monkeypatch.setattr(registry, 'TASKS', (task,))
        main = MainWidget()
        qtbot.addWidget(main)
        main.sources.choose('task')
        whole = Coordinator(viewer, main, Preferences(live=False))
        started.append(whole)
        return whole

    yield start
    for whole in started:
        whole.close()


def making(whole):
    """The engine that makes maps."""
    (found,) = (p for p in whole._parts if type(p).__name__ == 'MapMaking')
    return found._make


def endless(image, progress):
    """A search that only ends when it is cancelled."""
    while True:
        progress(1, 4)
        time.sleep(0.01)


def left_half(image, progress):
    """Quality on the left, less on the right; the image has to be bright."""
    quality = np.full(image.shape[:2], 9.6, np.float32)
    quality[:, : image.shape[1] // 2] = 90 if image.all() else 50
    return quality


def test_search_is_told_settings_and_codec(qtbot, viewer, start):
    told = []

    def find(image, progress, **options):
        told.append(options)
        return np.full(image.shape[:2], 50.0)

    about = {'settings': (registry.Setting('weight', 'Weight', 3.0, 1, 9),)}
    for takes_codec in (False, True):
        whole = start(find, takes_codec=takes_codec, **about)
        if not viewer.layers:
            viewer.add_image(np.zeros((64, 96), np.uint8))
        whole.main.model.device_chosen.emit('cpu')
        with qtbot.waitSignal(making(whole).finished):
            whole.main.sources.make.click()
        whole.close()
    codec = {'model': 'compact', 'device': 'cpu'}
    assert told == [{'weight': 3.0}, {'weight': 3.0, **codec}]


def test_found_map_is_a_layer_to_paint(qtbot, viewer, start):
    whole = start(left_half)
    planes = np.zeros((2, 64, 96), np.uint8)
    planes[1] = 200
    image = viewer.add_image(planes, scale=(1, 2, 2), name='cells')
    viewer.dims.set_current_step(0, 1)
    with qtbot.waitSignal(making(whole).finished):
        whole.main.sources.make.click()
    layer = whole.map.layer
    assert layer.name == 'cells quality'
    assert map_layer.is_map(layer)
    assert layer.mode == 'paint'
    assert layer.data.dtype == np.uint8
    assert layer.data.shape == (64, 96)
    assert (layer.data[:, :48] == map_layer.to_label(90)).all()
    assert (layer.data[:, 48:] == map_layer.to_label(10)).all()
    np.testing.assert_allclose(layer.scale, image.scale[-2:])


def test_search_tells_its_progress_and_can_be_cancelled(qtbot, viewer, start):
    whole = start(endless)
    sources = whole.main.sources
    viewer.add_image(np.zeros((32, 48), np.uint8))
    with qtbot.waitSignal(making(whole).progressed):
        sources.make.click()
    assert sources.make.isHidden()
    assert (sources.bar.value(), sources.bar.maximum()) == (1, 4)
    with qtbot.waitSignal(making(whole).cancelled):
        sources.cancel.click()
    assert not sources.make.isHidden()
    assert sources.bar.isHidden()
    assert whole.map.layer is None
    assert not whole.main.message.text()


def test_search_ends_with_its_image(qtbot, viewer, start):
    whole = start(endless)
    image = viewer.add_image(np.zeros((32, 48), np.uint8))
    with qtbot.waitSignal(making(whole).progressed):
        whole.main.sources.make.click()
    with qtbot.waitSignal(making(whole).cancelled):
        viewer.layers.remove(image)
    assert not viewer.layers


def test_search_can_start_again_after_all_work_was_ended(qtbot, viewer, start):
    whole = start(endless)
    viewer.add_image(np.zeros((32, 48), np.uint8))
    with qtbot.waitSignal(making(whole).progressed):
        whole.main.sources.make.click()
    whole.pause()
    with qtbot.waitSignal(making(whole).progressed):
        whole.main.sources.make.click()


def test_map_that_cannot_be_found_is_told(qtbot, viewer, start):
    def find(image, progress):
        raise registry.TaskError('nothing is written here')

    whole = start(find)
    viewer.add_image(np.zeros((32, 48), np.uint8))
    with qtbot.waitSignal(making(whole).failed):
        whole.main.sources.make.click()
    assert whole.main.message.text() == 'nothing is written here'
    assert not whole.main.sources.make.isHidden()
    assert whole.map.layer is None


def test_package_that_went_missing_is_told(qtbot, viewer, start):
    whole = start(left_half, {'no_such_module': 'no-such-package'})
    viewer.add_image(np.zeros((32, 48), np.uint8))
    with qtbot.waitSignal(making(whole).failed):
        whole.main.sources.map_requested.emit('task', {'task': 'fake'})
    assert 'no-such-package' in whole.main.message.text()
    assert registry.INSTALL in whole.main.message.text()
