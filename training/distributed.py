"""Several processes, one a GPU, started by `torchrun`.

Each draws patches of its own and computes a share of the batch; gradients
are averaged by DistributedDataParallel, so weights stay the same everywhere.
Process 0 alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

# The others wait while process 0 validates.
TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class World:
    """This process among all of a run; alone if nothing else is said.

    Attributes
    ----------
    rank, size : int
        Number of this process, and of all of them.
    local_rank : int
        Number of this process on its machine: its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this process writes files and lines."""
        return self.rank == 0

    def largest(self, *values: float) -> list[float]:
        """Largest of each value in all processes, the same everywhere."""
        if self.size == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return shared.tolist()

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, by rank."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def parallel(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module, its gradients averaged over all processes."""
        if self.size == 1:
            return module
        devices = [device.index] if device.type == 'cuda' else None
        return nn.parallel.DistributedDataParallel(
            module,
            device_ids=devices,
            broadcast_buffers=False,  # none changes in training
        )


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that `torchrun` started; leave them at the end."""
    size = int(os.environ.get('WORLD_SIZE', '1'))
    if size == 1:
        yield World()
        return
    local_rank = int(os.environ.get('LOCAL_RANK', '0'))
    # figures and random states travel by gloo, whatever carries gradients
    cuda = torch.cuda.is_available()
    backend = 'cpu:gloo,cuda:nccl' if cuda else 'gloo'
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield World(dist.get_rank(), size, local_rank)
    finally:
        dist.destroy_process_group()
