"""`compact` with its weights, coding symbols: exact scales, integer tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import Halo, Indices, Latents, Symbols
from napari_sft.models.compact import CompactConfig, CompactModel
from napari_sft.models.device import convolution_dtype
from napari_sft.models.entropy import LEVELS
from napari_sft.models.halo import compact_halo
from napari_sft.models.scale_network import FixedScaleNetwork
from napari_sft.models.tables import (
    build_tables,
    tables_from_state,
    tables_state,
)
from napari_sft.models.weights_file import load_weights, save_weights

NAME = 'compact'
# Latents, scales and means stay in float32 whatever the convolutions use.
_FULL_PRECISION = ('linear', 'context.out', 'z_index', 'h_s')


class CompactCodec:
    """The compact model as `napari_sft.codec.model.CodecModel`.

    Parameters
    ----------
    path : Path
        Weights, written by `export`.
    device : torch.device
        Where the floating-point networks run.
    dtype : torch.dtype, optional
        Of the convolutions; by default the fastest on the device.

    Raises
    ------
    ModelError
        If the weights are missing, damaged or of another model.
    """

    name = NAME
    window = 3 << 18
    colours = None

    def __init__(
        self,
        path: Path,
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        groups, self.about, self.weights_hash = load_weights(path)
        if self.about.get('model') != NAME:
            raise ModelError(f'{path}: weights of another model than {NAME}')
        self.device = device
        self.dtype = dtype or convolution_dtype(device)
        try:
            self.tables = tables_from_state(groups.get('tables', {}))
            self.scales = FixedScaleNetwork.from_state(
                groups.get('scales', {})
            )
            self.network = self._network(groups.get('network', {}))
        except ModelError as error:
            raise ModelError(f'{path}: {error}') from None
        levels = torch.from_numpy(
            np.stack([self.tables.low, self.tables.high])
        )
        self._limits = levels.to(device, torch.float32)

    def _network(self, state: dict[str, Tensor]) -> CompactModel:
        try:
            # older weights have no feedback
            sizes = {'feedback_channels': 0} | self.about['config']
            config = CompactConfig(**sizes)
            network = CompactModel(config)
            network.load_state_dict(state)
        except (KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f'weights do not fit the model: {reason}'
            ) from None
        channels = config.latent_channels, config.hyper_channels
        if self.tables.levels != LEVELS or self.scales.channels != channels:
            raise ModelError(
                'tables or integer networks of the weights do not fit the '
                'model'
            )
        for name, module in network.named_modules():
            full = any(part in name for part in _FULL_PRECISION)
            if isinstance(module, nn.Conv2d) and not full:
                module.to(self.dtype)
        network.requires_grad_(False)
        network.eval()
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    @property
    def has_feedback(self) -> bool:
        """Whether the weights have the network that corrects y."""
        return self.network.config.feedback_channels > 0

    @cached_property
    def halo(self) -> Halo:
        """How far the steps look, from the networks' kernels."""
        return compact_halo(self.network, self.scales)

    def analyse(
        self, x: NDArray[np.float32], fine: NDArray[np.integer]
    ) -> Tensor:
        """y (1, M, H/16, W/16) of a picture (H, W, 3) in 0..1."""
        picture = torch.from_numpy(np.ascontiguousarray(x))
        picture = picture.permute(2, 0, 1)[None].to(self.device)
        with self._context():
            return self.network.analyse(picture, self._q(fine))

    def hyper_symbols(self, y: Tensor, fine: NDArray[np.integer]) -> Symbols:
        """Symbols of z (N, H/64, W/64)."""
        q = self._q(fine)
        with self._context():
            z = self.network.hyper_analyse(y, q, self.network.condition(q))
        whole = np.rint(z[0].float().cpu().numpy()).astype(np.int32)
        return self.tables.clamp(whole, self.z_indices(fine))

    def z_indices(self, fine: NDArray[np.integer]) -> Indices:
        """Scale index of every symbol of z; needs no neighbours."""
        return self.scales.z_indices(fine)

    def y_indices(self, z: Symbols, fine: NDArray[np.integer]) -> Indices:
        """Scale index of every symbol of y, the same on every machine."""
        return self.scales.y_indices(z, fine)

    def quantise(
        self,
        y: Tensor,
        z: Symbols,
        y_indices: Indices,
        fine: NDArray[np.integer],
    ) -> tuple[Symbols, Latents]:
        """Symbols of y around means that the decoder will know."""
        whole = torch.from_numpy(y_indices).to(self.device, torch.int64)
        low, high = (limit.take(whole)[None] for limit in self._limits)
        y_hat, symbols = self._run_context(
            z,
            y_indices,
            fine,
            lambda mean: (y - mean).round_().clamp_(low, high),
        )
        return symbols[0].cpu().numpy().astype(np.int32), (y_hat,)

    def restore(
        self,
        z: Symbols,
        y: Symbols,
        y_indices: Indices,
        fine: NDArray[np.integer],
    ) -> Latents:
        """y_hat, of decoded symbols."""
        residual = self._tensor(y)
        y_hat, _ = self._run_context(z, y_indices, fine, lambda _: residual)
        return (y_hat,)

    def _run_context(
        self,
        z: Symbols,
        y_indices: Indices,
        fine: NDArray[np.integer],
        residual_of: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        q = self._q(fine)
        with self._context():
            return self.network.run_context(
                self._tensor(z),
                self._tensor(y_indices),
                q,
                self.network.condition(q),
                residual_of,
            )

    def synthesise(
        self, latents: Latents, fine: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Picture (H, W, 3), about 0..1, unclamped."""
        q = self._q(fine)
        with self._context():
            condition = self.network.condition(q)
            x_hat = self.network.synthesise(latents[0], q, condition)
        picture: NDArray[np.float32] = (
            x_hat[0].permute(1, 2, 0).float().cpu().numpy()
        )
        return picture

    def _q(self, fine: NDArray[np.integer]) -> Tensor:
        """The map in 0..1; one position where it is uniform.

        Its features are alike everywhere then, and computing them once
        saves a tenth of the time.
        """
        if (fine == fine[0, 0]).all():
            fine = fine[:1, :1]
        return self._tensor(fine[None]) / MAX_FINE

    def _tensor(self, array: NDArray[np.integer]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor[None].to(self.device, torch.float32)

    def _context(self) -> _Inference:
        return _Inference(self.device, self.dtype)


class _Inference:
    """No gradients, and autocast where convolutions are not float32."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        enabled = dtype != torch.float32
        self._parts = (
            torch.inference_mode(),
            torch.autocast(
                device.type, dtype if enabled else None, enabled=enabled
            ),
        )

    def __enter__(self) -> None:
        for part in self._parts:
            part.__enter__()

    def __exit__(self, *error: Any) -> None:
        for part in reversed(self._parts):
            part.__exit__(*error)


def export(
    model: CompactModel,
    samples: Iterable[tuple[Tensor, Tensor]],
    path: Path,
    training: dict[str, Any],
) -> None:
    """Write the weights that code files: fp16, and integers where exact.

    Parameters
    ----------
    model : CompactModel
        Trained, on the CPU.
    samples : iterable of (z, q)
        Rounded hyper-latents (B, N, h, w) and maps (B, 1, 4h, 4w) that the
        integer networks are calibrated on.
    path : Path
        Where to.
    training : dict
        How the weights were made; stored with them.
    """
    scales = FixedScaleNetwork.from_float(model.h_s, model.z_index, samples)
    network = {
        name: tensor.half() if tensor.ndim > 1 else tensor
        for name, tensor in model.state_dict().items()
    }
    groups = {
        'network': network,
        'scales': scales.state(),
        'tables': tables_state(build_tables(model.distribution)),
    }
    about = {
        'model': NAME,
        'config': asdict(model.config),
        'training': training,
    }
    save_weights(path, groups, about)
