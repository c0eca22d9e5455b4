"""The list of tasks that plugin and command line offer."""

from __future__ import annotations

import inspect
from importlib import import_module

import numpy as np
import pytest

import napari_sft
from napari_sft.tasks import TASKS, Task, TaskError, find_task


def test_every_task_names_a_function_that_takes_progress():
    assert [task.name for task in TASKS] == [
        'text',
        'classification',
        'counting',
        'segmentation',
    ]
    for task in TASKS:
        module, _, name = task.function.partition(':')
        function = getattr(import_module(f'napari_sft.tasks.{module}'), name)
        parameters = inspect.signature(function).parameters
        assert next(iter(parameters)) == 'image'
        assert 'progress' in parameters
        assert getattr(napari_sft.tasks, name) is function


@pytest.mark.parametrize('task', TASKS, ids=lambda task: task.name)
def test_settings_are_those_of_the_function_with_its_defaults(task):
    module, _, name = task.function.partition(':')
    function = getattr(import_module(f'napari_sft.tasks.{module}'), name)
    parameters = inspect.signature(function).parameters
    assert task.settings
    for setting in task.settings:
        assert parameters[setting.name].default == setting.default
        if setting.choices:
            assert setting.default in dict(setting.choices)
        else:
            assert setting.low <= setting.default <= setting.high
            assert isinstance(setting.default, int) == setting.whole
    takes_codec = {'model', 'device'} <= set(parameters)
    assert task.takes_codec == takes_codec


@pytest.mark.parametrize('method', ['edges', 'otsu', 'watershed'])
def test_every_choice_of_a_setting_is_taken(make_picture, method):
    setting = find_task('segmentation').settings[-1]
    assert method in dict(setting.choices)
    quality = find_task('segmentation').find(make_picture(), method=method)
    assert quality.shape == (64, 96)


def test_a_task_finds_its_map_and_passes_options_on(make_picture):
    seen = []
    quality = find_task('segmentation').find(
        make_picture(), lambda *at: seen.append(at), background=33
    )
    assert quality.shape == (64, 96)
    assert 33 <= quality.min() < quality.max() <= 70
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_missing_packages_are_named_with_the_command_that_installs_them():
    task = Task('x', 'X', 'text:text_map', {'no_such_module': 'no-such'})
    assert task.missing() == ['no-such']
    with pytest.raises(TaskError, match=r'no-such.*napari-sft\[tasks\]'):
        task.find(np.zeros((8, 8), np.uint8))


def test_an_unknown_task_names_those_that_there_are():
    with pytest.raises(TaskError, match="'ocr'.*text, classification"):
        find_task('ocr')


def test_listing_the_tasks_loads_nothing_heavy(fresh_python):
    code = (
        'import sys, napari_sft\n'
        '[task.missing() for task in napari_sft.tasks.TASKS]\n'
        'print(*{n.split(".")[0] for n in sys.modules})'
    )
    heavy = {'numpy', 'torch', 'skimage', 'rapidocr_onnxruntime', 'cv2'}
    assert not set(fresh_python(code).split()) & heavy


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match='ocr_map'):
        napari_sft.tasks.ocr_map  # noqa: B018
