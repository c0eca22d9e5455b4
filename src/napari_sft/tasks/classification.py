"""Classification-aware maps, found by gradients through the codec.

Source: Song, Choi, Han, "Variable-Rate Deep Image Compression through
Spatially-Adaptive Feature Transform", ICCV 2021, section 5.2, and their
public code (micmic123/QmapCompression, classification_aware.py): a few steps
of L-BFGS on the sigmoid's argument minimise ``weight * cross-entropy + bpp``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import CELL
from napari_sft.codec.quality import resample
from napari_sft.models.registry import load_model
from napari_sft.tasks.classifiers import ESTIMATOR, Classifier, load_classifier
from napari_sft.tasks.differentiable import DifferentiableCodec
from napari_sft.tasks.grad_cam import grad_cam
from napari_sft.tasks.map_search import MapSearch
from napari_sft.tasks.planes import plane_of
from napari_sft.tasks.registry import Progress

LONGEST = 512  # side at which larger pictures are looked at


def classification_map(
    image: Any,
    *,
    weight: float = 10,
    iterations: int = 5,
    label: int | None = None,
    classifier: Classifier | str = ESTIMATOR,
    model: str = 'compact',
    device: str = 'auto',
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """A map that keeps what a classifier sees in a picture.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane. Pictures of more than 512 pixels a side are looked at
        smaller.
    weight : float
        Of the cross-entropy against bits per pixel, above 0: the paper's
        lambda, 1e-4 to 1e3. The higher, the larger the file.
    iterations : int
        Evaluations of the codec and its gradient, at least 1; 3 and 5 in
        the paper.
    label : int, optional
        The class to keep; what the classifier says of the original if left
        out.
    classifier : Classifier or str
        As `napari_sft.tasks.classifiers.load_classifier` takes it.
    model, device : str
        As for `napari_sft.encode`.
    progress : callable, optional
        Called with (done, total) iterations; may raise to cancel.

    Returns
    -------
    ndarray of float32 (Y, X)
        Qualities 0..100, the same throughout each 16x16 cell of a picture
        that is not looked at smaller.

    Raises
    ------
    TaskError
        If the classifier or its weights are missing.
    ModelError
        If the model is missing.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> image = skimage.data.chelsea()
    >>> quality_map = napari_sft.tasks.classification_map(image)
    >>> data = napari_sft.encode(image, quality_map=quality_map)
    """
    plane = plane_of(image)
    codec = DifferentiableCodec(load_model(model, device), _small(plane))
    network = _classifier(classifier, codec.x.device)
    if label is None:
        label = predicted(network, codec.x)
    search = MapSearch(codec, network, label, weight)
    cells = search.run(iterations, progress)[-1]
    return _stretched(cells, codec, plane.shape[:2])


def grad_cam_map(
    image: Any,
    *,
    alpha: float = 1,
    label: int | None = None,
    classifier: Classifier | str = ESTIMATOR,
    device: str = 'cpu',
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Grad-CAM of a class as a map, the paper's baseline.

    Parameters
    ----------
    image : array (Y, X) or (Y, X, 3)
        One plane.
    alpha : float
        Quality / 100 where Grad-CAM has its maximum, 0..1.
    label, classifier
        As for `classification_map`.
    device : str
        Where the classifier runs.
    progress : callable, optional
        Called with (done, total) steps; may raise to cancel.

    Returns
    -------
    ndarray of float32 (Y, X)
        Qualities 0..100.

    Examples
    --------
    >>> import napari_sft, skimage.data
    >>> image = skimage.data.chelsea()
    >>> quality_map = napari_sft.tasks.grad_cam_map(image, alpha=0.5)
    >>> data = napari_sft.encode(image, quality_map=quality_map)
    """
    progress = progress or (lambda done, total: None)
    progress(0, 1)
    x = torch.from_numpy(plane_of(image)).permute(2, 0, 1)[None].to(device)
    network = _classifier(classifier, x.device)
    if label is None:
        label = predicted(network, x)
    cam = grad_cam(network, x, label)[0, 0].cpu().numpy()
    progress(1, 1)
    return np.clip(100 * alpha * cam, 0, 100).astype(np.float32)


@torch.no_grad()
def predicted(classifier: Classifier, x: Tensor) -> int:
    """The class that a classifier finds most likely."""
    return int(classifier(x)[0].argmax())


def _classifier(
    classifier: Classifier | str, device: torch.device
) -> Classifier:
    if isinstance(classifier, str):
        return load_classifier(classifier, str(device))
    classifier.network.to(device)
    return classifier


def _small(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """A plane of at most `LONGEST` pixels a side."""
    longest = max(plane.shape[:2])
    if longest <= LONGEST:
        return plane
    height, width = (
        max(round(n * LONGEST / longest), 1) for n in plane.shape[:2]
    )
    x = torch.from_numpy(plane).permute(2, 0, 1)[None]
    x = F.interpolate(x, (height, width), mode='bilinear', antialias=True)
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())


def _stretched(
    cells: NDArray[np.float32],
    codec: DifferentiableCodec,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """The map of each pixel of a qualities' grid."""
    height, width = codec.x.shape[2:]
    pixels = cells.repeat(CELL, 0).repeat(CELL, 1)[:height, :width]
    if (height, width) == shape[:2]:
        return pixels
    return resample(pixels, (shape[0], shape[1]))
