"""Entropy models of the paper's network, with the public code's names.

A factorised prior learned for each channel of z, and Gaussians around
predicted means for y. Source: Balle, Minnen, Singh, Hwang, Johnston,
"Variational image compression with a scale hyperprior", ICLR 2018,
section 6.1; Minnen, Balle, Toderici, "Joint Autoregressive and Hierarchical
Priors for Learned Image Compression", NeurIPS 2018.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sft.models.gdn import LowerBound

LIKELIHOOD_MIN = 1e-9
TAIL_MASS = 1e-9
INIT_SCALE = 10.0
FILTERS = (1, 3, 3, 3, 3, 1)

LEVELS = 64
SCALE_MIN, SCALE_MAX = 0.11, 256.0


def scale_table() -> list[float]:
    """The 64 scales of y's tables, equally spaced in their logarithm."""
    step = math.log(SCALE_MAX / SCALE_MIN) / (LEVELS - 1)
    return [SCALE_MIN * math.exp(step * level) for level in range(LEVELS)]


class _EntropyModel(nn.Module):
    """What both have in common.

    The public code fills buffers with its coder's tables; they are loaded
    with a snapshot whatever their sizes, and never read: ours are made anew,
    as integers, when weights are exported.
    """

    CODER_BUFFERS: tuple[str, ...] = (
        '_offset',
        '_quantized_cdf',
        '_cdf_length',
    )

    def __init__(self) -> None:
        super().__init__()
        self.likelihood_lower_bound = LowerBound(LIKELIHOOD_MIN)
        for name in self.CODER_BUFFERS:
            dtype = torch.float32 if name == 'scale_table' else torch.int32
            self.register_buffer(name, torch.zeros(0, dtype=dtype))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any
    ) -> None:
        for name in self.CODER_BUFFERS:
            stored = state_dict.get(prefix + name)
            if isinstance(stored, Tensor):
                own = getattr(self, name)
                setattr(self, name, own.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _quantise(self, values: Tensor, means: Tensor) -> Tensor:
        """Noise in training, else rounding around means."""
        if self.training:
            noise = torch.empty_like(values).uniform_(-0.5, 0.5)
            return values + noise
        residual = values - means
        # the gradient passes straight through
        return (residual.round() - residual).detach() + residual + means


class EntropyBottleneck(_EntropyModel):
    """Factorised prior: a learned density for each channel of z.

    The cumulative density is a small monotone network, whose logit
    `logits` gives. The quantiles are learned by an auxiliary loss.

    Parameters
    ----------
    channels : int
        Channels of z.
    """

    target: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._biases = nn.ParameterList()
        self._factors = nn.ParameterList()
        self._matrices = nn.ParameterList()
        layers = len(FILTERS) - 1
        scale = INIT_SCALE ** (1 / layers)
        for inputs, outputs in zip(FILTERS, FILTERS[1:], strict=False):
            start = math.log(math.expm1(1 / scale / outputs))
            matrix = torch.full((channels, outputs, inputs), start)
            self._matrices.append(nn.Parameter(matrix))
            bias = torch.empty(channels, outputs, 1).uniform_(-0.5, 0.5)
            self._biases.append(nn.Parameter(bias))
            if len(self._matrices) < layers:
                factor = torch.zeros(channels, outputs, 1)
                self._factors.append(nn.Parameter(factor))
        quantiles = torch.tensor([-INIT_SCALE, 0.0, INIT_SCALE])
        self.quantiles = nn.Parameter(quantiles.repeat(channels, 1, 1))
        logit = math.log(2 / TAIL_MASS - 1)
        self.register_buffer('target', torch.tensor([-logit, 0.0, logit]))

    @property
    def medians(self) -> Tensor:
        """Median of each channel (N, 1, 1); z is rounded around them."""
        return self.quantiles[:, :, 1:2]

    def logits(self, values: Tensor, fixed: bool = False) -> Tensor:
        """Logit of the cumulative density.

        Parameters
        ----------
        values : Tensor
            (N, 1, number of values).
        fixed : bool
            Whether no gradient reaches the density's parameters.
        """
        matrices, biases, factors = (
            [p.detach() if fixed else p for p in parameters]
            for parameters in (self._matrices, self._biases, self._factors)
        )
        for number, matrix in enumerate(matrices):
            values = torch.matmul(F.softplus(matrix), values) + biases[number]
            if number < len(factors):
                bend = torch.tanh(factors[number]) * torch.tanh(values)
                values = values + bend
        return values

    def probability(self, values: Tensor) -> Tensor:
        """Probability of the unit interval around values (N, 1, n)."""
        lower, upper = self.logits(values - 0.5), self.logits(values + 0.5)
        # differences are precise in the left tail of the sigmoid
        sign = -torch.sign(lower + upper).detach()
        difference = torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)
        return difference.abs()

    def loss(self) -> Tensor:
        """Auxiliary loss: how far the quantiles are from where they belong."""
        logits = self.logits(self.quantiles, fixed=True)
        return (logits - self.target).abs().sum()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z with noise or rounded, and likelihoods; all (B, N, h, w)."""
        channels_first = z.permute(1, 2, 3, 0)
        shape = channels_first.shape
        values = channels_first.reshape(shape[0], 1, -1)
        values = self._quantise(values, self.medians)
        likelihood = self.likelihood_lower_bound(self.probability(values))
        z_hat, likelihood = (
            tensor.reshape(shape).permute(3, 0, 1, 2).contiguous()
            for tensor in (values, likelihood)
        )
        return z_hat, likelihood


class GaussianConditional(_EntropyModel):
    """Gaussians of predicted scales around predicted means."""

    CODER_BUFFERS = (*_EntropyModel.CODER_BUFFERS, 'scale_table')

    def __init__(self) -> None:
        super().__init__()
        self.lower_bound_scale = LowerBound(SCALE_MIN)
        self.register_buffer('scale_bound', torch.tensor([SCALE_MIN]))

    def forward(
        self, y: Tensor, scales: Tensor, means: Tensor
    ) -> tuple[Tensor, Tensor]:
        """y with noise or rounded, and likelihoods; all (B, M, h, w)."""
        y_hat = self._quantise(y, means)
        scales = self.lower_bound_scale(scales)
        distance = (y_hat - means).abs()
        likelihood = normal_cdf((0.5 - distance) / scales) - normal_cdf(
            (-0.5 - distance) / scales
        )
        return y_hat, self.likelihood_lower_bound(likelihood)


def normal_cdf(x: Tensor) -> Tensor:
    """Cumulative density of the standard normal, precise on the left."""
    return 0.5 * torch.erfc(x * -(0.5**0.5))
