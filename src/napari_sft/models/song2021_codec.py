"""`song2021` with its weights, coding symbols.

The quality map steers the encoder alone; the decoder learns of it through
z, so a file's picture depends on the coded map only by what was encoded.
Files hold the map at one quality a 16x16 cell, and that is what the encoder
is given too, each cell repeated to its pixels: what a file says of its
quality is what was asked of the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sft.codec.coded_map import MAX_FINE
from napari_sft.codec.errors import ModelError
from napari_sft.codec.model import Halo, Indices, Latents, Symbols
from napari_sft.codec.rans import Tables
from napari_sft.models.fixed_hyper_decoder import FixedHyperDecoder
from napari_sft.models.halo import song2021_halo
from napari_sft.models.song2021 import Song2021, Song2021Config
from napari_sft.models.song2021_entropy import LEVELS
from napari_sft.models.song2021_tables import build_tables, sample_symbols
from napari_sft.models.tables import tables_from_state, tables_state
from napari_sft.models.weights_file import load_weights, save_weights

NAME = 'song2021'
BLOCK, HYPER_CELLS = 16, 4
# The hyper-analysis mirrors two positions at 1/32, so it needs three.
_CELLS_MIN = 8
_CALIBRATION, _CALIBRATION_SIDE = 4, 8  # pieces of random z, their side


class Song2021Codec:
    """The paper's network as `napari_sft.codec.model.CodecModel`.

    Parameters
    ----------
    path : Path
        Weights, written by `export`.
    device : torch.device
        Where the floating-point networks run, in float32.

    Raises
    ------
    ModelError
        If the weights are missing, damaged or of another model.
    """

    name = NAME
    window = 1 << 18  # features at full resolution take 2 kB a pixel
    colours = None

    def __init__(self, path: Path, device: torch.device) -> None:
        groups, self.about, self.weights_hash = load_weights(path)
        if self.about.get('model') != NAME:
            raise ModelError(f'{path}: weights of another model than {NAME}')
        self.device = device
        try:
            self.tables = tables_from_state(groups.get('tables', {}))
            self.scales = FixedHyperDecoder.from_state(
                groups.get('scales', {})
            )
            self.network = self._network(groups.get('network', {}))
        except ModelError as error:
            raise ModelError(f'{path}: {error}') from None
        self._medians = self.network.entropy_bottleneck.medians[None]

    def _network(self, state: dict[str, Tensor]) -> Song2021:
        try:
            config = Song2021Config(**self.about['config'])
            network = Song2021(config)
            network.load_state_dict(state)
        except (KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f'weights do not fit the model: {reason}'
            ) from None
        rows = LEVELS + config.N
        channels = config.M, config.N
        if self.tables.levels != rows or self.scales.channels != channels:
            raise ModelError(
                'tables or integer networks of the weights do not fit the '
                'model'
            )
        return network.requires_grad_(False).eval().to(self.device)

    @cached_property
    def halo(self) -> Halo:
        """How far the steps look, from the networks' kernels."""
        return song2021_halo(self.network)

    @torch.inference_mode()
    def analyse(
        self, x: NDArray[np.float32], fine: NDArray[np.integer]
    ) -> Tensor:
        """y (1, M, H/16, W/16) of a picture (H, W, 3) in 0..1."""
        picture = self._tensor(x).permute(0, 3, 1, 2)
        q = self._q(fine)
        for axis in (2, 3):
            q = q.repeat_interleave(BLOCK, axis)
        return self.network.g_a(picture, q)

    @torch.inference_mode()
    def hyper_symbols(self, y: Tensor, fine: NDArray[np.integer]) -> Symbols:
        """Symbols of z (N, H/64, W/64), less their medians."""
        z = self._hyper_analyse(y, self._q(fine))
        return self._clamp(z - self._medians, self.z_indices(fine))

    def z_indices(self, fine: NDArray[np.integer]) -> Indices:
        """Scale index of every symbol of z: its channel's own table."""
        height, width = (size // HYPER_CELLS for size in fine.shape)
        channels = self.network.config.N
        levels = np.arange(LEVELS, LEVELS + channels, dtype=np.uint8)
        return np.tile(levels[:, None, None], (1, height, width))

    def y_indices(self, z: Symbols, fine: NDArray[np.integer]) -> Indices:
        """Scale index of every symbol of y; the map is not used."""
        return self.scales.y_indices(z)

    @torch.inference_mode()
    def quantise(
        self,
        y: Tensor,
        z: Symbols,
        y_indices: Indices,
        fine: NDArray[np.integer],
    ) -> tuple[Symbols, Latents]:
        """Symbols of y around means that the decoder will know."""
        z_hat, means = self._decode_hyper(z)
        symbols = self._clamp(y - means, y_indices)
        return symbols, (self._tensor(symbols) + means, z_hat)

    @torch.inference_mode()
    def restore(
        self,
        z: Symbols,
        y: Symbols,
        y_indices: Indices,
        fine: NDArray[np.integer],
    ) -> Latents:
        """y_hat and z_hat, of decoded symbols."""
        z_hat, means = self._decode_hyper(z)
        return self._tensor(y) + means, z_hat

    @torch.inference_mode()
    def synthesise(
        self, latents: Latents, fine: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Picture (H, W, 3), about 0..1, unclamped; the map is not used."""
        x_hat = self.network.g_s(*latents)
        picture: NDArray[np.float32] = x_hat[0].permute(1, 2, 0).cpu().numpy()
        return picture

    def _hyper_analyse(self, y: Tensor, q: Tensor) -> Tensor:
        """z of y of any size, the smallest ones enlarged first."""
        height, width = y.shape[2:]
        margin = (
            0,
            max(_CELLS_MIN - width, 0),
            0,
            max(_CELLS_MIN - height, 0),
        )
        y, q = (F.pad(tensor, margin, 'replicate') for tensor in (y, q))
        z = self.network.h_a(y, q)
        return z[:, :, : height // HYPER_CELLS, : width // HYPER_CELLS]

    def _decode_hyper(self, z_symbols: Symbols) -> tuple[Tensor, Tensor]:
        """z_hat, and the means of y."""
        z_hat = self._tensor(z_symbols) + self._medians
        _, means = self.network.gaussian_parameters(z_hat)
        return z_hat, means

    def _clamp(self, values: Tensor, indices: Indices) -> Symbols:
        whole = values[0].round().cpu().numpy().astype(np.int64)
        return self.tables.clamp(whole, indices)

    def _q(self, fine: NDArray[np.integer]) -> Tensor:
        return self._tensor(fine[None]) / MAX_FINE

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor[None].to(self.device, torch.float32)


def export(network: Song2021, path: Path, training: dict[str, Any]) -> None:
    """Write weights that code files: float32, and integers where exact.

    Parameters
    ----------
    network : Song2021
        Trained, on the CPU.
    path : Path
        Where to.
    training : dict
        How the weights were made; stored with them.

    Raises
    ------
    ModelError
        If the weights hold values that are not finite, or that integers
        cannot stand for.
    """
    coder_buffers = network.gaussian_conditional.CODER_BUFFERS
    state = {}
    for key, tensor in network.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f'weight {key!r} holds values that are not finite'
            )
        replaced = key.rpartition('.')[2] in coder_buffers
        state[key] = tensor.new_empty(0) if replaced else tensor
    tables = build_tables(network.entropy_bottleneck)
    medians = network.entropy_bottleneck.medians
    scales = FixedHyperDecoder.from_float(
        network.h_s, medians, _calibration(tables, medians)
    )
    groups = {
        'network': state,
        'scales': scales.state(),
        'tables': tables_state(tables),
    }
    about = {
        'model': NAME,
        'config': asdict(network.config),
        'training': training,
    }
    save_weights(path, groups, about)


def _calibration(tables: Tables, medians: Tensor) -> Iterator[Tensor]:
    """Hyper-latents drawn from the prior: no pictures are needed."""
    rng = np.random.default_rng(0)
    for _ in range(_CALIBRATION):
        symbols = sample_symbols(tables, len(medians), _CALIBRATION_SIDE, rng)
        yield torch.from_numpy(symbols)[None] + medians.detach()[None]
