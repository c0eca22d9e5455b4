"""Captured steps train; without a GPU they run uncaptured."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from napari_sft_training.checkpoints import CheckpointError
from napari_sft_training.cli import app
from napari_sft_training.config import TrainingConfig
from napari_sft_training.config_checks import ConfigError
from napari_sft_training.distributed import World
from napari_sft_training.gpu import captured
from napari_sft_training.gpu.captured import CapturedTrainer
from napari_sft_training.loop import Trainer

pytestmark = pytest.mark.usefixtures('one_thread', 'no_board')


@pytest.fixture
def config(tiny_values, monkeypatch):
    monkeypatch.setattr(captured, 'ROUND', 5)
    monkeypatch.setattr(CapturedTrainer, 'at_once', 5)
    values = {'steps': 20, 'log_steps': 5, 'device': 'cpu', 'captured': True}
    return TrainingConfig(**{**tiny_values, **values})


def lines_of(folder):
    lines = (folder / 'log.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_loss_falls(config, tmp_path):
    config = replace(config, steps=40, decay_steps=10, precision='bfloat16')
    trainer = CapturedTrainer(config, tmp_path)
    trainer.start()
    before = trainer.validate()
    assert trainer.run() == 0
    lines = lines_of(tmp_path)
    after = [line['validation'] for line in lines if 'validation' in line]
    assert after[-1] < 0.97 * before
    logged = [line for line in lines if 'loss' in line]
    assert len(logged) == 8
    assert logged[-1]['pictures_per_second'] == pytest.approx(
        2 / logged[-1]['seconds'], rel=0.02
    )


def test_a_run_cut_and_resumed_gives_the_same_weights(config, tmp_path):
    config = replace(config, steps=10)
    whole = CapturedTrainer(config, tmp_path / 'whole')
    whole.start()
    whole.run()
    first = CapturedTrainer(config, tmp_path / 'first')
    first.start()
    first.train_step()
    path = first.save('cut.pt')
    second = CapturedTrainer(config, tmp_path / 'second', seed=3)
    second.resume(path)
    assert second.step == 5
    second.run()
    for a, b in zip(
        whole.average.parameters(), second.average.parameters(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize('optimiser', ['adam', 'muon'])
def test_other_runs_take_no_captured_snapshot_nor_it_theirs(
    config, tmp_path, optimiser
):
    config = replace(config, optimiser=optimiser)
    kinds = CapturedTrainer, Trainer
    trainers = [kind(config, tmp_path / kind.__name__) for kind in kinds]
    paths = [trainer.save('last.pt') for trainer in trainers]
    for trainer, path in zip(trainers, reversed(paths), strict=True):
        with pytest.raises(CheckpointError, match='`captured`.*--weights'):
            trainer.resume(path)


def test_any_number_of_corrections_is_trained(config, tmp_path, monkeypatch):
    sizes = {**config.sizes, 'feedback_channels': 8}
    config = replace(config, corrections=3, sizes=sizes)
    trainer = CapturedTrainer(config, tmp_path)
    trainer.start()
    before = {
        name: parameter.detach().clone()
        for name, parameter in trainer.model.named_parameters()
    }
    turns = []
    forward = type(trainer.model).forward

    def noted(self, x, q):
        turns.append(self.turns)
        return forward(self, x, q)

    monkeypatch.setattr(type(trainer.model), 'forward', noted)
    for _ in range(4):
        trainer.train_step()
    assert set(turns) == {1, 2, 3}
    for name, parameter in trainer.model.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == parameter.requires_grad, name


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'log_steps': 7}, 'log_steps must be a multiple of 5, not 7'),
        ({'precision': 'float16'}, 'precision auto or .* not float16'),
    ],
)
def test_what_captured_steps_cannot_do_is_told(
    config, tmp_path, change, message
):
    with pytest.raises(ConfigError, match=message):
        CapturedTrainer(replace(config, **change), tmp_path)


def test_other_models_and_several_processes_are_refused(
    config, song2021_values, tmp_path
):
    with pytest.raises(ConfigError, match='song2021'):
        CapturedTrainer(TrainingConfig(**song2021_values), tmp_path)
    with pytest.raises(ConfigError, match='one process'):
        CapturedTrainer(config, tmp_path, world=World(0, 2, 0))


def test_the_command_takes_it_from_the_configuration(
    config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'captured.yaml'
    replace(config, steps=5).save(path)
    result = CliRunner().invoke(
        app, ['run', '--config', str(path), '--name', 'gpu']
    )
    assert result.exit_code == 0, result.output
    assert lines_of(tmp_path / 'results' / 'gpu')[0]['step'] == 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_replays_what_it_captured(config, tmp_path):
    trainer = CapturedTrainer(replace(config, device='cuda'), tmp_path)
    trainer.start()
    before = trainer.validate()
    for _ in range(12):
        trainer.train_step()
    assert trainer.validate() < before
