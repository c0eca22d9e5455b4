"""Settings of a quality map that is found for a task."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QSpinBox, QWidget

from napari_sft.plugin.widgets.parts import (
    add_row,
    column,
    combo_box,
    decimal_box,
    fill,
    hint,
    row,
    spin_box,
)
from napari_sft.plugin.widgets.source_pages import SourcePage
from napari_sft.tasks import registry


class TasksPage(SourcePage):
    """settings: task (its name), options (of the task, by name)."""

    title = 'Task (finds the map)'
    explanation = 'Quality where the task needs it, less elsewhere.'
    action = 'Find the map'

    def __init__(self) -> None:
        super().__init__()
        self.tasks = combo_box('What the file is to be good for', 'Task')
        offered = [(task.name, task.title) for task in registry.TASKS]
        fill(self.tasks, offered, offered[0][0])
        add_row(self.grid, 'Task', self.tasks)
        self.forms = {task.name: TaskForm(task) for task in registry.TASKS}
        for task_form in self.forms.values():
            self.grid.addWidget(task_form, self.grid.rowCount(), 0, 1, 2)
        # so that the command can be copied
        mouse = Qt.TextInteractionFlag.TextSelectableByMouse
        self.note.setTextInteractionFlags(mouse)
        self.tasks.activated.connect(lambda _: self._choose())
        self._show_form()

    def settings(self) -> dict[str, Any]:
        """See the class."""
        name = self.tasks.currentData()
        return {'task': name, 'options': self.forms[name].options()}

    def missing(self) -> str:
        """See `SourcePage.missing`."""
        task = registry.find_task(self.tasks.currentData())
        packages = ', '.join(task.missing())
        missing = packages and f'Needs {packages}: {task.install}'
        self.note.setText(missing or self.explanation)
        return missing

    def _choose(self) -> None:
        self._show_form()
        self.changed.emit()

    def _show_form(self) -> None:
        for name, task_form in self.forms.items():
            task_form.setVisible(name == self.tasks.currentData())


class TaskForm(QWidget):
    """What can be chosen about a task, as it describes itself.

    Parameters
    ----------
    task : Task
        Of which the settings are shown.
    """

    def __init__(self, task: registry.Task) -> None:
        super().__init__()
        layout = column(self)
        self.controls: dict[str, QWidget] = {}
        for setting in task.settings:
            control = _control(setting)
            control.setAccessibleName(setting.title)
            self.controls[setting.name] = control
            title = hint(setting.title)
            title.setBuddy(control)
            if setting.choices:
                layout.addWidget(title)
                layout.addWidget(control)
            else:
                line = row(title, control)
                line.setStretch(0, 1)
                layout.addLayout(line)

    def options(self) -> dict[str, Any]:
        """What is chosen, as `Task.find` takes it."""
        return {
            name: (
                control.currentData()
                if isinstance(control, QComboBox)
                else control.value()
            )
            for name, control in self.controls.items()
        }


def _control(setting: registry.Setting) -> QWidget:
    """A box for a setting, at its default."""
    if setting.choices:
        box = combo_box(name=setting.title)
        fill(box, list(setting.choices), str(setting.default))
        return box
    number: QSpinBox | Any
    if setting.whole:
        number = spin_box(int(setting.low), int(setting.high))
        number.setValue(int(setting.default))
        return number
    number = decimal_box(
        setting.low, setting.high, logarithmic=setting.logarithmic
    )
    number.setValue(float(setting.default))
    return number
