"""Where a model is trained, and in which precision."""

from __future__ import annotations

import torch

from napari_sft.models.device import convolution_dtype
from napari_sft_training.config import TrainingConfig
from napari_sft_training.config_checks import ConfigError
from napari_sft_training.distributed import World


class Precision:
    """Device and arithmetic of a run.

    Parameters
    ----------
    config : TrainingConfig
        Its device and precision.
    world : World
        This process: each has a GPU of its own.

    Attributes
    ----------
    device : torch.device
    dtype : torch.dtype
        Of the convolutions.
    scaler : GradScaler
        Scales the loss, if that is float16.

    Raises
    ------
    ConfigError
        If the device is not there or cannot compute so.
    """

    def __init__(self, config: TrainingConfig, world: World) -> None:
        self.device = _device(config.device, world.local_rank)
        half = config.precision == 'float16'
        if half and self.device.type != 'cuda':
            raise ConfigError(
                'precision float16 needs a CUDA device: take auto, bfloat16 '
                f'or float32 on the {self.device.type.upper()}'
            )
        if config.precision == 'auto':
            self.dtype = convolution_dtype(self.device)
        else:
            self.dtype = getattr(torch, config.precision)
        # float16 underflows unless losses are scaled
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)

    def autocast(self, keep_casts: bool = True) -> torch.autocast:
        """Context in which networks run.

        Parameters
        ----------
        keep_casts : bool
            Whether parameters are cast once for all that runs inside.
        """
        lowered = self.dtype != torch.float32
        return torch.autocast(
            self.device.type,
            self.dtype if lowered else torch.bfloat16,
            enabled=lowered,
            cache_enabled=keep_casts,
        )


def _device(name: str, local_rank: int) -> torch.device:
    available = torch.cuda.is_available()
    if name == 'cpu' or (name == 'auto' and not available):
        return torch.device('cpu')
    if not available:
        raise ConfigError(
            'device cuda is not available here: take auto or cpu'
        )
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f'process {local_rank} has no GPU of its own: start one process '
            f'a GPU, {torch.cuda.device_count()} here'
        )
    device = torch.device('cuda', local_rank)
    torch.cuda.set_device(device)
    return device
