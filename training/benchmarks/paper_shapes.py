"""Networks of the paper's layer shapes with random weights, to be timed.

Source: Song, Choi, Han (ICCV 2021) and the layer sizes of its public code
(micmic123/QmapCompression). They compute nothing useful: same widths,
kernels and strides, hence the same work. `models/song2021.py` is the
network itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N = 192  # channels of y and z
PRIOR = 64  # channels of the condition features
HIDDEN = 128  # channels inside an SFT layer


def conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2):
    """Convolution that divides height and width by `stride`."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def reflect_conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2):
    """The same with mirrored borders, as in g_a and h_a."""
    return nn.Conv2d(
        inputs, outputs, kernel, stride, kernel // 2, padding_mode='reflect'
    )


def up_conv(inputs: int, outputs: int, kernel: int = 5):
    """Transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(inputs, outputs, kernel, 2, kernel // 2, 1)


class GDN1(nn.Module):
    """Divisive normalisation by magnitudes (Johnston et al. 2019)."""

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))
        self.beta = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = F.conv2d(x.abs(), self.gamma[:, :, None, None], self.beta)
        return x * norm if self.inverse else x / (norm + 1e-4)


class SFT(nn.Module):
    """``x * (1 + gamma) + beta`` by 3x3 convolutions of a condition."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = conv(PRIOR, HIDDEN, 3, 1)
        self.gamma = conv(HIDDEN, channels, 3, 1)
        self.beta = conv(HIDDEN, channels, 3, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = F.relu(self.shared(condition))
        return x * (1 + self.gamma(h)) + self.beta(h)


class SFTBlock(nn.Module):
    """Residual block of two SFT layers and two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(SFT(channels) for _ in range(2))
        self.convs = nn.ModuleList(
            conv(channels, channels, 3, 1) for _ in range(2)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = x
        for norm, convolve in zip(self.norms, self.convs, strict=True):
            h = convolve(F.leaky_relu(norm(h, condition), 0.2))
        return x + h


def sequence(*layers: nn.Module) -> nn.Sequential:
    """Layers with a leaky ReLU between each two."""
    between = [m for layer in layers for m in (layer, nn.LeakyReLU(0.1))]
    return nn.Sequential(*between[:-1])


def first_condition(inputs: int) -> nn.Sequential:
    """Condition features at full resolution of a network's input."""
    return sequence(
        conv(inputs, 4 * PRIOR, 3, 1),
        conv(4 * PRIOR, 2 * PRIOR, 3, 1),
        conv(2 * PRIOR, PRIOR, 3, 1),
    )


def coarser_condition() -> nn.Sequential:
    """Condition features at half the resolution."""
    return sequence(conv(PRIOR, PRIOR, 3), conv(PRIOR, PRIOR, 1, 1))


def finer_condition() -> nn.Sequential:
    """Condition features at twice the resolution."""
    return sequence(up_conv(PRIOR, PRIOR, 3), conv(PRIOR, PRIOR, 1, 1))


class PaperEncoder(nn.Module):
    """g_a and h_a with their condition networks: x and map to y and z."""

    def __init__(self) -> None:
        super().__init__()
        widths = (N // 4, N // 2, N, N)
        inputs = (3, *widths)
        self.g_a = nn.ModuleList(
            reflect_conv(i, o, stride=2 if number else 1)
            for number, (i, o) in enumerate(
                zip(inputs, (*widths, N), strict=True)
            )
        )
        self.gdn = nn.ModuleList(map(GDN1, widths))
        self.sft = nn.ModuleList(map(SFT, widths))
        self.blocks = nn.ModuleList(SFTBlock(N) for _ in range(2))
        self.conditions = nn.ModuleList(
            [first_condition(4), *(coarser_condition() for _ in range(4))]
        )
        self.h_a = nn.ModuleList(
            [
                reflect_conv(N, N, 3, 1),
                reflect_conv(N, N),
                reflect_conv(N, N),
            ]
        )
        self.hyper_sft = nn.ModuleList(SFT(N) for _ in range(2))
        self.hyper_blocks = nn.ModuleList(SFTBlock(N) for _ in range(2))
        self.hyper_conditions = nn.ModuleList(
            [first_condition(N + 1), *(coarser_condition() for _ in range(2))]
        )

    def forward(self, x: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of pictures (B, 3, H, W) and maps (B, 1, H, W)."""
        condition = torch.cat([q, x], 1)
        for number, transform in enumerate(self.g_a):
            condition = self.conditions[number](condition)
            x = transform(x)
            if number < len(self.sft):
                x = self.sft[number](self.gdn[number](x), condition)
        for block in self.blocks:
            x = block(x, condition)
        return x, self._hyper(x, q)

    def _hyper(self, y: Tensor, q: Tensor) -> Tensor:
        coarse = F.adaptive_avg_pool2d(q, y.shape[-2:])
        condition = torch.cat([coarse, y], 1)
        h = y
        for number, transform in enumerate(self.h_a):
            condition = self.hyper_conditions[number](condition)
            h = transform(h)
            if number < len(self.hyper_sft):
                h = F.leaky_relu(self.hyper_sft[number](h, condition))
        for block in self.hyper_blocks:
            h = block(h, condition)
        return h


class PaperDecoder(nn.Module):
    """h_s and g_s with their condition networks: y and z to x."""

    def __init__(self) -> None:
        super().__init__()
        self.h_s = sequence(
            up_conv(N, N),
            up_conv(N, 3 * N // 2),
            conv(3 * N // 2, 2 * N, 3, 1),
        )
        self.from_z = sequence(
            up_conv(N, N // 2, 3),
            up_conv(N // 2, N // 4),
            conv(N // 4, N // 4, 3, 1),
        )
        widths = (N, N, N // 2, N // 4)
        self.blocks = nn.ModuleList(SFTBlock(N) for _ in range(2))
        self.g_s = nn.ModuleList(
            up_conv(i, o) for i, o in zip((N, *widths), widths, strict=False)
        )
        self.gdn = nn.ModuleList(GDN1(width, inverse=True) for width in widths)
        self.sft = nn.ModuleList(map(SFT, widths))
        self.conditions = nn.ModuleList(finer_condition() for _ in widths)
        self.first = first_condition(N + N // 4)
        self.out = reflect_conv(N // 4, 3, stride=1)

    def forward(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures, and the parameters of y that decoding needs."""
        parameters = self.h_s(z)
        condition = self.first(torch.cat([self.from_z(z), y], 1))
        for block in self.blocks:
            y = block(y, condition)
        for up, gdn, sft, finer in zip(
            self.g_s, self.gdn, self.sft, self.conditions, strict=True
        ):
            condition = finer(condition)
            y = sft(gdn(up(y)), condition)
        return self.out(y), parameters


def kmac_per_pixel(size: int = 256) -> tuple[float, float]:
    """Thousands of multiply-accumulates a pixel, encoder and decoder."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device('meta'):
        encoder, decoder = PaperEncoder(), PaperDecoder()
        x, q = torch.empty(1, 3, size, size), torch.empty(1, 1, size, size)
    counts = []
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            latents = encoder(x, q)
        counts.append(counter.get_total_flops())
        with FlopCounterMode(display=False) as counter:
            decoder(*latents)
        counts.append(counter.get_total_flops())
    encode, decode = (count / 2 / size**2 / 1e3 for count in counts)
    return encode, decode
