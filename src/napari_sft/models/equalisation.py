"""Channels of the scale network made alike in size before they are integers.

A layer's activations share their fraction bits, so that one channel with
large values takes them from all others. Between two layers a channel can be
scaled and its weights in the next layer by the inverse, since ReLU and sums
do not mind: the network computes the same (Nagel et al., "Data-free
quantization through weight equalization and bias correction", ICCV 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_sft.models.scale_network import ScaleNetwork

SMALLEST = 2.0**-20  # of channels that are never used
SHUFFLED = 4  # outputs that pixel shuffling makes one channel of


@torch.no_grad()
def equalised(
    network: ScaleNetwork, samples: Iterable[tuple[Tensor, Tensor]]
) -> ScaleNetwork:
    """A network that computes the same, its hidden channels up to about 1.

    Parameters
    ----------
    network : ScaleNetwork
        Trained, on the CPU; left as it is.
    samples : iterable of (z, q)
        As `FixedScaleNetwork.from_float` takes them.
    """
    result = copy.deepcopy(network).double()
    largest = largest_by_channel(result, samples)
    for name, following, shuffled in (
        ('conv1', 'up1', False),
        ('up1', 'conv2', True),
        ('conv2', 'up2', False),
        ('up2', 'conv3', True),
        ('conv3', 'out', False),
    ):
        together = SHUFFLED if shuffled else 1
        scale = largest[name].view(-1, together).amax(1).clamp(min=SMALLEST)
        rows = scale.repeat_interleave(together)
        _divide(getattr(result, name), rows)
        if name == 'conv3':  # what the map adds is of its channels
            affine = result.sft.affine
            _divide(affine, torch.cat([torch.ones_like(rows), rows]))
        getattr(result, following).weight.mul_(scale.view(1, -1, 1, 1))
    return result.float()


def _divide(conv: nn.Conv2d, rows: Tensor) -> None:
    conv.weight.div_(rows.view(-1, 1, 1, 1))
    if conv.bias is not None:
        conv.bias.div_(rows)


@torch.no_grad()
def largest_by_channel(
    network: ScaleNetwork, samples: Iterable[tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """Largest magnitude of each channel that leaves a layer.

    Parameters
    ----------
    network, samples
        As `equalised` takes them.
    """
    largest = {
        name: torch.zeros_like(conv.weight[:, 0, 0, 0])
        for name, conv in network.convolutions().items()
    }

    def record(name: str, values: Tensor) -> None:
        found = values.abs().amax((0, 2, 3))
        largest[name] = torch.maximum(largest[name], found)

    handles = [
        conv.register_forward_hook(
            lambda _m, _i, out, name=name: record(name, out)
        )
        for name, conv in network.convolutions().items()
    ]
    handles.append(
        network.sft.register_forward_hook(
            lambda _m, _i, out: record('conv3', out)
        )
    )
    dtype = network.linear.weight.dtype
    for z, q in samples:
        network(z.to(dtype), q.to(dtype))
    for handle in handles:
        handle.remove()
    return largest
