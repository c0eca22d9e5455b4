"""Settings of a quality map that is found for a task."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt

from napari_sft.plugin.widgets.parts import add_row, combo_box, fill
from napari_sft.plugin.widgets.source_pages import SourcePage
from napari_sft.tasks import registry


class TasksPage(SourcePage):
    """settings: task (its name)."""

    title = 'Task (finds the map)'
    explanation = 'Quality where the task needs it, less elsewhere.'
    action = 'Find the map'

    def __init__(self) -> None:
        super().__init__()
        self.tasks = combo_box('What the file is to be good for', 'Task')
        offered = [(task.name, task.title) for task in registry.TASKS]
        fill(self.tasks, offered, offered[0][0])
        add_row(self.grid, 'Task', self.tasks)
        # so that the command can be copied
        mouse = Qt.TextInteractionFlag.TextSelectableByMouse
        self.note.setTextInteractionFlags(mouse)
        self.tasks.activated.connect(lambda _: self.changed.emit())

    def settings(self) -> dict[str, Any]:
        """See the class."""
        return {'task': self.tasks.currentData()}

    def missing(self) -> str:
        """See `SourcePage.missing`."""
        task = registry.find_task(self.tasks.currentData())
        packages = ', '.join(task.missing())
        missing = packages and f'Needs {packages}: {task.install}'
        self.note.setText(missing or self.explanation)
        return missing
