"""`compact`: the model whose weights ship with the package.

Principal components of pixel blocks, known gains and a coded quality map
make a variable-rate transform codec before any training; residual SFT
networks, conditioned on the map, learn the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models.compact_networks import (
    BLOCK,
    AnalysisTransform,
    CompactConfig,
    HyperAnalysis,
    MeanContext,
    SynthesisTransform,
    step_masks,
)
from napari_sft.models.entropy import (
    LEVELS,
    SKIPPED_LEVELS,
    SymbolDistribution,
    bound,
    round_through,
)
from napari_sft.models.feedback import FeedbackNetwork
from napari_sft.models.scale_network import ScaleNetwork
from napari_sft.models.sft import ConditionNetwork

__all__ = ['BLOCK', 'CompactConfig', 'CompactModel', 'CompactOutput']


# Half of the exponent of lambda(q): a step goes with lambda**-0.5.
KAPPA = 2.191


@dataclass
class CompactOutput:
    """What a forward pass gives; shapes for an image (B, 3, H, W).

    Attributes
    ----------
    x_hat : Tensor
        Reconstruction (B, 3, H, W), unclamped.
    y_bits, z_bits : Tensor
        Estimated bits of each symbol, (B, M, H/16, W/16), (B, N, H/64, W/64).
    """

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor


@dataclass
class Prior:
    """What z and the map tell of y; shapes as above.

    Attributes
    ----------
    condition : Tensor
        Features of the map.
    z_hat, z_bits : Tensor
        Rounded z, and its bits.
    index, whole : Tensor
        Scale indices of y's symbols, as h_s gives them and rounded.
    coded : Tensor
        1 where a symbol is coded, 0 where its scale is too small for that.
    """

    condition: Tensor
    z_hat: Tensor
    z_bits: Tensor
    index: Tensor
    whole: Tensor
    coded: Tensor


class CompactModel(nn.Module):
    """The compact codec model, ready for training.

    Parameters
    ----------
    config : CompactConfig
        Sizes of the networks.
    """

    latent_scale: Tensor

    def __init__(self, config: CompactConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or CompactConfig()
        self.g_a = AnalysisTransform(c)
        self.g_s = SynthesisTransform(c)
        self.h_a = HyperAnalysis(c)
        self.h_s = ScaleNetwork(c.latent_channels, c.hyper_channels)
        self.context = MeanContext(c)
        self.condition = ConditionNetwork(c.condition_channels)
        self.distribution = SymbolDistribution()
        if c.feedback_channels:
            self.feedback = FeedbackNetwork(
                c.latent_channels, c.feedback_channels, c.condition_channels
            )
        self.log_gain = nn.Parameter(torch.full((c.latent_channels,), 1.554))
        self.kappa = nn.Parameter(torch.full((c.latent_channels,), KAPPA))
        self.z_index = nn.Conv2d(1, c.hyper_channels, 1)
        self.register_buffer('latent_scale', torch.ones(c.latent_channels))

    def gain(self, q: Tensor) -> Tensor:
        """Symbols per unit of y, (B, M, h, w), for a map q (B, 1, h, w)."""
        log_gain = self.log_gain.view(-1, 1, 1)
        kappa = self.kappa.view(-1, 1, 1)
        return torch.exp(log_gain + kappa * (q - 0.5))

    def unit(self, q: Tensor) -> Tensor:
        """Typical magnitude of the symbols, (B, M, h, w)."""
        return self.gain(q) * self.latent_scale.view(-1, 1, 1)

    def analyse(self, x: Tensor, q: Tensor) -> Tensor:
        """y (B, M, H/16, W/16), in units of symbols."""
        return self.g_a(x, q, self.gain(q))

    def hyper_analyse(self, y: Tensor, q: Tensor, condition: Tensor) -> Tensor:
        """z (B, N, H/64, W/64), unrounded."""
        unit = self.unit(q)
        log_magnitude = torch.log2((y.abs() + 0.5) / unit)
        return self.h_a(y / unit, log_magnitude, condition)

    def z_indices(self, q: Tensor) -> Tensor:
        """Fractional scale indices of z (B, N, H/64, W/64)."""
        return self.z_index(F.avg_pool2d(q, 4))

    def prior(self, y: Tensor, q: Tensor) -> Prior:
        """What is coded before y, and what that tells of it."""
        condition = self.condition(q)
        z = self.hyper_analyse(y, q, condition)
        z_bits = self.distribution.bits(self._perturb(z), self.z_indices(q))
        z_hat = round_through(z)
        with torch.autocast(y.device.type, enabled=False):
            index = bound(self.h_s(z_hat, q), 0.0, LEVELS - 1.0)
        whole = round_through(index)
        coded = (whole.detach() >= SKIPPED_LEVELS).to(y.dtype)
        return Prior(condition, z_hat, z_bits, index, whole, coded)

    def synthesise(
        self, y_hat: Tensor, q: Tensor, condition: Tensor
    ) -> Tensor:
        """Image (B, 3, H, W) from symbols plus means."""
        y = y_hat / self.gain(q)
        scaled = y / self.latent_scale.view(-1, 1, 1)
        step = 0.1 * torch.exp(KAPPA * (0.5 - q))  # as the symbols' step
        return self.g_s(y, scaled, condition, step)

    def run_context(
        self,
        z_hat: Tensor,
        index: Tensor,
        q: Tensor,
        condition: Tensor,
        residual_of: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Go through the context steps.

        Parameters
        ----------
        z_hat : Tensor
            Rounded hyper-latents (B, N, h/4, w/4).
        index : Tensor
            Whole scale indices (B, M, h, w).
        q, condition : Tensor
            Coded map (B, 1, h, w) and its features.
        residual_of : callable
            Gives the symbols (B, M, h, w) for predicted means; only those
            of the current step are used.

        Returns
        -------
        y_hat, symbols : Tensor
            (B, M, h, w); ``y_hat - symbols`` are the means.
        """
        unit = self.unit(q)
        static = self.context.prepare(z_hat, index)
        y_hat = symbols = torch.zeros_like(unit.expand_as(index))
        known = None
        for turn in step_masks(y_hat):
            mean = self.context(known, static, condition) * unit
            residual = residual_of(mean)
            symbols = torch.where(turn, residual, symbols)
            y_hat = torch.where(turn, mean + residual, y_hat)
            known = y_hat / unit
        return y_hat, symbols

    def forward(self, x: Tensor, q: Tensor) -> CompactOutput:
        """Training pass: noise for the rates, rounding for the decoder.

        Parameters
        ----------
        x : Tensor
            Image (B, 3, H, W) in 0..1; H and W multiples of 64.
        q : Tensor
            Coded quality map (B, 1, H/16, W/16) in 0..1.
        """
        y = self.analyse(x, q)
        prior = self.prior(y, q)
        y_hat, symbols = self.run_context(
            prior.z_hat,
            prior.whole,
            q,
            prior.condition,
            lambda mean: round_through(y - mean) * prior.coded,
        )
        y_bits = self._symbol_bits(y - (y_hat - symbols), prior.index)
        return CompactOutput(
            self.synthesise(y_hat, q, prior.condition), y_bits, prior.z_bits
        )

    def _symbol_bits(self, residual: Tensor, index: Tensor) -> Tensor:
        if self.training:
            return self.distribution.bits(self._perturb(residual), index)
        index = index.round()
        bits = self.distribution.bits(residual.round(), index)
        return bits * (index >= SKIPPED_LEVELS)

    def _perturb(self, symbols: Tensor) -> Tensor:
        if self.training:
            return symbols + torch.rand_like(symbols) - 0.5
        return symbols.round()
