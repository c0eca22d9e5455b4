"""Tasks that a map can be found for, and what is missing for them."""

from __future__ import annotations

import pytest

from napari_sft.plugin.widgets.sources_view import MapSourcesView
from napari_sft.tasks import registry

HERE = registry.Task(
    'here',
    'Keep faces',
    'faces:find',
    {'sys': 'python'},
    settings=(
        registry.Setting('quality', 'Quality of faces', 80.0, 0, 100),
        registry.Setting('margin', 'Pixels around', 4, 0, 64, whole=True),
        registry.Setting(
            'weight', 'Weight', 10.0, 1e-4, 1e3, logarithmic=True
        ),
        registry.Setting(
            'method', 'How', 'eyes', choices=(('nose', 'N'), ('eyes', 'E'))
        ),
    ),
)
DEFAULTS = {'quality': 80.0, 'margin': 4, 'weight': 10.0, 'method': 'eyes'}
GONE = registry.Task(
    'gone',
    'Keep voices',
    'voices:find',
    {'no_such_module': 'no-such-package'},
    'pip install voices',
)


@pytest.fixture
def sources(qtbot, monkeypatch):
    monkeypatch.setattr(registry, 'TASKS', (HERE, GONE))
    view = MapSourcesView()
    qtbot.addWidget(view)
    view.show()
    view.choose('task')
    return view


def choose(view, name):
    """Choose a task as a user does."""
    box = view.pages['task'].tasks
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())


def test_every_task_is_offered_in_plain_words(qtbot):
    view = MapSourcesView()
    qtbot.addWidget(view)
    box = view.pages['task'].tasks
    offered = [box.itemText(at) for at in range(box.count())]
    assert offered == [task.title for task in registry.TASKS]


def test_map_of_the_chosen_task_is_asked_for(sources, heard):
    said = heard(sources, 'map_requested')
    assert sources.make.text() == 'Find the map'
    sources.make.click()
    wanted = {'task': 'here', 'options': DEFAULTS}
    assert said == [('map_requested', 'task', wanted)]
    sources.choose('gradient')
    assert sources.make.text() == 'Make the map'


def test_settings_of_the_chosen_task_are_asked_for_with_it(sources, heard):
    said = heard(sources, 'map_requested')
    page = sources.pages['task']
    controls = page.forms['here'].controls
    controls['quality'].setValue(55.5)
    controls['margin'].setValue(1000)
    controls['weight'].setValue(0.0001)
    controls['method'].setCurrentIndex(0)
    sources.make.click()
    assert said[0][2]['options'] == {
        'quality': 55.5,
        'margin': 64,
        'weight': 0.0001,
        'method': 'nose',
    }
    assert page.forms['here'].isVisible()
    choose(sources, 'gone')
    assert not page.forms['here'].isVisible()
    assert page.settings() == {'task': 'gone', 'options': {}}


def test_steps_of_a_logarithmic_setting_grow_with_it(sources):
    weight = sources.pages['task'].forms['here'].controls['weight']
    weight.setValue(100)
    weight.stepUp()
    coarse = weight.value() - 100
    weight.setValue(0.01)
    weight.stepUp()
    assert 0 < weight.value() - 0.01 < coarse / 100


def test_forms_of_all_tasks_give_their_defaults(qtbot):
    view = MapSourcesView()
    qtbot.addWidget(view)
    for task in registry.TASKS:
        wanted = {s.name: s.default for s in task.settings}
        assert view.pages['task'].forms[task.name].options() == wanted


def test_missing_package_is_named_with_the_command(sources, heard):
    said = heard(sources, 'map_requested')
    note = sources.pages['task'].note
    choose(sources, 'gone')
    assert note.text() == 'Needs no-such-package: pip install voices'
    assert not sources.make.isEnabled()
    sources.make.click()
    assert said == []
    choose(sources, 'here')
    assert sources.make.isEnabled()
    assert 'no-such-package' not in note.text()


def test_cancel_takes_the_place_of_find(sources, heard):
    said = heard(sources, 'cancel_requested')
    assert not sources.cancel.isVisible()
    sources.set_making(True)
    assert not sources.make.isVisible()
    sources.set_progress(2, 5)
    assert (sources.bar.value(), sources.bar.maximum()) == (2, 5)
    sources.cancel.click()
    sources.cancel.click()
    assert said == [('cancel_requested',)]
    sources.set_making(False)
    assert sources.make.isVisible()
    assert not sources.bar.isVisible()
