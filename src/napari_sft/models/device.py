"""Where a model runs, and in which precision its convolutions do."""

from __future__ import annotations

import torch

from napari_sft.codec.errors import ModelError

DEVICES = ('auto', 'cpu', 'cuda', 'mps')


def resolve_device(name: str = 'auto') -> torch.device:
    """Device of a name; 'auto' takes the fastest there is.

    Raises
    ------
    ModelError
        If the device is unknown or not available.
    """
    available = ['cpu']
    if torch.backends.mps.is_available():
        available.insert(0, 'mps')
    if torch.cuda.is_available():
        available.insert(0, 'cuda')
    if name == 'auto':
        return torch.device(available[0])
    if name.split(':')[0] not in available:
        raise ModelError(
            f'device {name!r} is not available here: use one of '
            + ', '.join(['auto', *available])
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f'device {name!r} is no good: {reason}') from None
    return device


def convolution_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it faster than float32."""
    if device.type == 'cpu':
        return torch.bfloat16 if _cpu_has_bfloat16() else torch.float32
    if device.type == 'cuda' and torch.cuda.is_bf16_supported(False):
        return torch.bfloat16
    return torch.float32


def _cpu_has_bfloat16() -> bool:
    probes = ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    return torch.backends.mkldnn.is_available() and any(
        getattr(torch.cpu, probe, lambda: False)() for probe in probes
    )
