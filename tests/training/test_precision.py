"""Device and precision are checked before a run starts."""

from __future__ import annotations

import pytest
import torch

from napari_sft.models import device as hardware
from napari_sft_training.config import TrainingConfig
from napari_sft_training.config_checks import ConfigError
from napari_sft_training.distributed import World
from napari_sft_training.loop import Trainer
from napari_sft_training.muon import orthogonal
from napari_sft_training.precision import Precision


def precision(world: World | None = None, **values) -> Precision:
    return Precision(TrainingConfig(**values), world or World())


@pytest.mark.parametrize(
    ('name', 'dtype'),
    [('bfloat16', torch.bfloat16), ('float32', torch.float32)],
)
def test_convolutions_run_in_the_precision(name, dtype):
    x, weight = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 3, 3)
    with precision(device='cpu', precision=name).autocast():
        assert torch.conv2d(x, weight).dtype == dtype


@pytest.mark.parametrize(
    ('has', 'dtype'), [(True, torch.bfloat16), (False, torch.float32)]
)
def test_unless_told_it_is_what_the_hardware_is_fast_at(
    monkeypatch, has, dtype
):
    monkeypatch.setattr(hardware, '_cpu_has_bfloat16', lambda: has)
    x, weight = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 3, 3)
    chosen = precision(device='cpu')
    assert chosen.dtype == dtype
    with chosen.autocast():
        assert torch.conv2d(x, weight).dtype == dtype
    wide = torch.randn(40, 90)
    assert orthogonal(wide).dtype == dtype


def test_float16_is_refused_without_cuda():
    with pytest.raises(ConfigError, match='CUDA.*bfloat16') as caught:
        precision(device='cpu', precision='float16')
    assert '\n' not in str(caught.value)


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match='cuda is not available'):
        precision(device='cuda')
    assert precision(device='auto').device == torch.device('cpu')


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(ConfigError, match='2 here'):
        precision(World(rank=2, size=3, local_rank=2), device='cuda')


@pytest.mark.parametrize('asked', [True, False])
def test_networks_are_compiled_if_asked(
    tiny_values, tmp_path, monkeypatch, asked
):
    compiled = []

    def compile_(module):
        compiled.append(module)
        return module

    monkeypatch.setattr(torch, 'compile', compile_)
    config = TrainingConfig(**{**tiny_values, 'compile': asked})
    trainer = Trainer(config, tmp_path / 'run')
    trainer.start()
    trainer.model.train()
    trainer.train_step()
    trainer.train_step()
    assert compiled == [trainer.model] * asked
