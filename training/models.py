"""What the trainer needs of a model: `compact` and `song2021` alike.

A model that is trained is a network of `napari_sft.models` and the few
things that differ between them: the map it is given, how its rate is told,
which parameters learn at which rate, how it starts, how it is exported.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models import closed_loop as closed_loop_module
from napari_sft.models import compact_codec, song2021_codec
from napari_sft.models.closed_loop import closed_loop
from napari_sft.models.compact import BLOCK, CompactConfig, CompactModel
from napari_sft.models.song2021 import Song2021, Song2021Config
from napari_sft_training.config import TrainingConfig
from napari_sft_training.initialise import initialise
from napari_sft_training.schedule import learning_rate_key

MAP_LEVELS = 31
# Parts of compact that learn there: what comes after y, but not its gains.
IN_CLOSED_LOOP = 'feedback.', 'g_s.', 'h_a.', 'h_s.', 'context.', 'z_index.'
Network = TypeVar('Network', bound=nn.Module)


@dataclass
class Coded:
    """A reconstruction and what it costs.

    Attributes
    ----------
    x_hat : Tensor
        (B, 3, H, W), unclamped.
    y_bits, z_bits : Tensor
        Estimated bits of each picture, (B,).
    aux : Tensor or None
        Loss of the auxiliary parameters, a scalar.
    """

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor
    aux: Tensor | None = None


class TrainableModel(nn.Module, ABC, Generic[Network]):
    """A network, and how it is trained.

    Attributes
    ----------
    network : Module
        What checkpoints hold.
    """

    network: Network

    @abstractmethod
    def forward(self, x: Tensor, q: Tensor) -> Coded:
        """Code pictures: with noise in training, else rounded.

        Parameters
        ----------
        x : Tensor
            Pictures (B, 3, H, W) in 0..1; H and W multiples of 64.
        q : Tensor
            Quality maps in 0..1: (B, 1, H, W), or one quality a 16x16 cell.
        """

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Main parameters by the configuration's key of their peak rate."""

    def aux_parameters(self) -> list[nn.Parameter]:
        """Parameters of the auxiliary optimiser; none if it has no need."""
        return []

    def start(self, patches: Iterable[Tensor]) -> None:
        """Set a fresh network from patches (B, 3, H, W), if it can be."""

    @abstractmethod
    def export(
        self,
        path: Path,
        patches: Iterable[tuple[Tensor, float]],
        training: dict[str, Any],
    ) -> None:
        """Write the weights that code files.

        Parameters
        ----------
        path : Path
            Where to.
        patches : iterable of (Tensor, float)
            Patches (B, 3, H, W) and the quality in 0..1 to code them at,
            for those who calibrate integers on them.
        training : dict
            How the weights were made.
        """


class CompactTraining(TrainableModel[CompactModel]):
    """`compact`: conditioned on the coded map, started as a transform."""

    def __init__(self, sizes: dict[str, Any], corrections: int = 0) -> None:
        super().__init__()
        self.network = CompactModel(CompactConfig(**sizes))
        self._corrections = corrections
        self.turns: int | None = None  # as often in training, not at random
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(self._learns(name))

    def forward(self, x: Tensor, q: Tensor) -> Coded:
        """Code pictures; a map of full size is coded first."""
        coded = coded_map(q) if q.shape[-1] == x.shape[-1] else q
        if self._corrections:
            output = closed_loop(self.network, x, coded, self._turns())
        else:
            output = self.network(x, coded)
        return Coded(
            output.x_hat,
            output.y_bits.sum((1, 2, 3)),
            output.z_bits.sum((1, 2, 3)),
        )

    @torch.compiler.disable  # what is drawn has a branch for each number
    def _turns(self) -> int:
        """How often y is corrected: any number that encoders may choose."""
        if not self.training:
            return self._corrections
        if self.turns is not None:
            return self.turns
        return int(torch.randint(1, self._corrections + 1, ()))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Gains, linear paths, encoder, decoder, feedback and the rest."""
        groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if not parameter.requires_grad:
                continue
            groups.setdefault(learning_rate_key(name), []).append(parameter)
        return groups

    def _learns(self, name: str) -> bool:
        """Whether a parameter does.

        In the closed loop the feedback would undo what moves y, and both
        would drift away.
        """
        if self._corrections:
            return name.startswith(IN_CLOSED_LOOP)
        return not name.startswith('feedback.')

    def start(self, patches: Iterable[Tensor]) -> None:
        """Principal components; see `initialise`."""
        network = copy.deepcopy(self.network).cpu()
        initialise(network, torch.cat(list(patches)))
        self.network.load_state_dict(network.state_dict())

    def export(
        self,
        path: Path,
        patches: Iterable[tuple[Tensor, float]],
        training: dict[str, Any],
    ) -> None:
        """Integers are calibrated on the patches' z."""
        batches = self._hyper_latents(patches)
        compact_codec.export(self.network, batches, path, training)

    @torch.no_grad()
    def _hyper_latents(
        self, patches: Iterable[tuple[Tensor, float]]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        model = self.network
        for x, level in patches:
            q = torch.full_like(x[:, :1, ::BLOCK, ::BLOCK], level)
            y = model.analyse(x, q)
            z = model.hyper_analyse(y, q, model.condition(q))
            yield z.round(), q


class Song2021Training(TrainableModel[Song2021]):
    """`song2021`: conditioned on the map of full size, started at random."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        self.network = Song2021(Song2021Config(**sizes))

    def forward(self, x: Tensor, q: Tensor) -> Coded:
        """Code pictures; rates are told in float32 under autocast, too."""
        network = self.network
        if q.shape[-1] != x.shape[-1]:
            for axis in (2, 3):
                q = q.repeat_interleave(BLOCK, axis)
        y = network.g_a(x, q)
        z = network.h_a(y, q)
        with torch.autocast(x.device.type, enabled=False):
            z_hat, z_likelihoods = network.entropy_bottleneck(z.float())
            aux = network.aux_loss()
        scales, means = network.gaussian_parameters(z_hat)
        with torch.autocast(x.device.type, enabled=False):
            y_hat, y_likelihoods = network.gaussian_conditional(
                y.float(), scales.float(), means.float()
            )
        x_hat = network.g_s(y_hat, z_hat).float()
        return Coded(x_hat, _bits(y_likelihoods), _bits(z_likelihoods), aux)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All but the factorised prior learn at one rate."""
        return {'learning_rate': list(self.network.main_parameters())}

    def aux_parameters(self) -> list[nn.Parameter]:
        """Those of the factorised prior."""
        return list(self.network.aux_parameters())

    def export(
        self,
        path: Path,
        patches: Iterable[tuple[Tensor, float]],
        training: dict[str, Any],
    ) -> None:
        """Integers are calibrated on the prior; no patch is drawn."""
        song2021_codec.export(self.network, path, training)


def build(config: TrainingConfig) -> CompactTraining | Song2021Training:
    """The untrained model of a configuration."""
    if config.model == song2021_codec.NAME:
        return Song2021Training(config.sizes)
    return CompactTraining(config.sizes, config.corrections)


def compiled(module: nn.Module) -> nn.Module:
    """What torch.compile makes of a trainable model.

    The closed loop's gradients within stay as they are. Its module does not
    say so itself: that would load the compiler for all who encode.
    """
    closed_loop_module.error_in_symbols = torch.compiler.disable(
        closed_loop_module.error_in_symbols
    )
    return torch.compile(module)  # type: ignore[return-value]


def coded_map(q: Tensor) -> Tensor:
    """The map as the file carries it: 16x16 means, 32 levels."""
    return (F.avg_pool2d(q, BLOCK) * MAP_LEVELS).round() / MAP_LEVELS


def _bits(likelihoods: Tensor) -> Tensor:
    return -likelihoods.log2().sum((1, 2, 3))
