"""Grad-CAM: where a classifier sees a class.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks
via Gradient-based Localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.tasks.classifiers import Classifier
from napari_sft.tasks.registry import TaskError


def grad_cam(classifier: Classifier, x: Tensor, label: int) -> Tensor:
    """How much each part of a picture speaks for a class.

    Parameters
    ----------
    classifier : Classifier
        Its last features that still have a height and a width count.
    x : Tensor
        Picture (1, 3, Y, X) in 0..1.
    label : int
        The class.

    Returns
    -------
    Tensor (1, 1, Y, X)
        0..1; 0 everywhere if nothing speaks for it.

    Raises
    ------
    TaskError
        The network has no such features.
    """
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        spatial = isinstance(output, Tensor) and output.ndim == 4
        if spatial and min(output.shape[2:]) > 1:
            seen[:] = [output]

    leaves = [m for m in classifier.network.modules() if not [*m.children()]]
    hooks = [leaf.register_forward_hook(keep) for leaf in leaves]
    try:
        with torch.enable_grad():
            logits = classifier(x.detach().clone().requires_grad_())
            if not seen:
                raise TaskError(
                    'Grad-CAM needs a classifier with convolutional features'
                )
            (slope,) = torch.autograd.grad(logits[0, label], seen[0])
    finally:
        for hook in hooks:
            hook.remove()
    weights = slope.mean((2, 3), keepdim=True)
    cam = F.relu((weights * seen[0]).sum(1, keepdim=True)).detach()
    cam = cam / cam.max().clamp(min=1e-12)
    return F.interpolate(cam, x.shape[2:], mode='bilinear')
