"""The paper's network trains, resumes exactly and codes files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_sft
from napari_sft_training.checkpoints import CheckpointError
from napari_sft_training.config import TrainingConfig, config_of
from napari_sft_training.export import export_checkpoint
from napari_sft_training.loop import Trainer

pytestmark = pytest.mark.usefixtures('one_thread', 'no_board')


@pytest.fixture
def config(song2021_values: dict[str, Any]) -> TrainingConfig:
    return config_of(song2021_values)


def started(config: TrainingConfig, folder: Path, seed: int = 3) -> Trainer:
    trainer = Trainer(config, folder, seed)
    trainer.start()
    trainer.model.train()
    return trainer


def test_the_loss_falls(config, tmp_path):
    trainer = started(config, tmp_path / 'run')
    trainer.run()
    first = started(config, tmp_path / 'first').validate()
    assert trainer.step == 5
    assert trainer.best < first


def test_a_run_cut_and_resumed_gives_the_same_losses(config, tmp_path):
    trainer = started(config, tmp_path / 'whole')
    for _ in range(2):
        trainer.train_step()
    cut = trainer.save('cut.pt')
    whole = [trainer.train_step() for _ in range(3)]
    assert {'loss', 'bpp', 'aux', 'norm'} == set(whole[0])

    resumed = Trainer(config, tmp_path / 'resumed', seed=99)
    resumed.resume(cut)
    resumed.model.train()
    assert [resumed.train_step() for _ in range(3)] == whole
    expected = trainer.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_both_optimisers_change_their_parameters(config, tmp_path):
    trainer = started(config, tmp_path / 'run')
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.train_step()
    after = trainer.model.network
    prior = after.entropy_bottleneck
    key = 'network.entropy_bottleneck.'
    quantiles = before[f'{key}quantiles']
    moved = (prior.quantiles - quantiles).abs().max().item()
    assert moved == pytest.approx(1e-3, rel=1e-2)  # Adam's rate, at first
    assert not torch.equal(prior._matrices[0], before[f'{key}_matrices.0'])
    assert not torch.equal(after.g_a0.weight, before['network.g_a0.weight'])


def test_the_weights_of_the_paper_are_the_latest_not_an_average(
    config, tmp_path
):
    trainer = started(config, tmp_path / 'run')
    trainer.train_step()
    average = trainer.average.state_dict()
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(average[name], tensor)


def test_a_checkpoint_of_compact_is_refused(config, tmp_path, tiny_values):
    other = Trainer(TrainingConfig(**tiny_values), tmp_path / 'compact')
    path = other.save('last.pt')
    with pytest.raises(CheckpointError, match='another model'):
        Trainer(config, tmp_path / 'run').resume(path)


def test_a_checkpoint_without_the_auxiliary_optimiser_is_refused(
    config, tmp_path
):
    trainer = started(config, tmp_path / 'run')
    path = trainer.save('last.pt')
    state = torch.load(path, weights_only=True)
    del state['aux_optimizer']
    torch.save(state, path)
    with pytest.raises(CheckpointError, match='its optimiser'):
        trainer.resume(path)


def test_an_exported_checkpoint_codes_pictures(config, tmp_path, monkeypatch):
    trainer = started(config, tmp_path / 'run')
    trainer.train_step()
    weights = tmp_path / 'song2021.safetensors'
    export_checkpoint(trainer.save('last.pt'), config, weights)

    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    picture = np.uint8(np.linspace(0, 255, 128 * 128 * 3))
    picture = picture.reshape(128, 128, 3)
    data = napari_sft.encode(
        picture, quality=50, model='song2021', device='cpu'
    )
    assert napari_sft.decode(data, device='cpu').shape == picture.shape
