"""Quality maps found by a task: text, classification, objects.

Importing this package is cheap; what a task needs is loaded when its map is
asked for. `TASKS` lists the tasks, each with its name, its title in plain
words, the packages it needs, its settings and the function that finds its
map; so does `find_task` by name.

Examples
--------
>>> import napari_sft
>>> data = napari_sft.encode(
...     image, quality_map=napari_sft.tasks.text_map(image)
... )
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_sft.tasks.registry import (
    TASKS,
    Setting,
    Task,
    TaskError,
    find_task,
)

if TYPE_CHECKING:
    from napari_sft.tasks.classification import (
        classification_map,
        grad_cam_map,
    )
    from napari_sft.tasks.counting import counting_map
    from napari_sft.tasks.segmentation import segmentation_map
    from napari_sft.tasks.text import text_map

_FUNCTIONS = {
    'classification_map': 'classification',
    'counting_map': 'counting',
    'grad_cam_map': 'classification',
    'segmentation_map': 'segmentation',
    'text_map': 'text',
}

__all__ = [
    'TASKS',
    'Setting',
    'Task',
    'TaskError',
    'classification_map',
    'counting_map',
    'find_task',
    'grad_cam_map',
    'segmentation_map',
    'text_map',
]


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(f'{__name__}.{_FUNCTIONS[name]}'), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
