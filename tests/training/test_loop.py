"""Training learns, resumes exactly, and survives bad gradients."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import napari_sft
from napari_sft.codec.errors import ModelError
from napari_sft.models.registry import load_model
from napari_sft_training import checkpoints
from napari_sft_training.checkpoints import CheckpointError
from napari_sft_training.config import TrainingConfig
from napari_sft_training.export import export_checkpoint
from napari_sft_training.images import DataError
from napari_sft_training.loop import AVERAGE_EVERY, Trainer
from napari_sft_training.schedule import learning_rate_key

pytestmark = pytest.mark.usefixtures('one_thread', 'no_board')


@pytest.fixture
def trainer(tiny_config: TrainingConfig, tmp_path: Path) -> Trainer:
    """A trainer ready for its first step."""
    trainer = Trainer(tiny_config, tmp_path / 'run', seed=3)
    trainer.start()
    trainer.model.train()
    return trainer


def state_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Copies of everything that a step may change."""
    state = {
        **{f'model.{k}': v for k, v in trainer.model.state_dict().items()},
        **{f'average.{k}': v for k, v in trainer.average.state_dict().items()},
    }
    for name, optimiser in trainer.optimiser.all.items():
        for number, moments in optimiser.state.items():
            for key, value in moments.items():
                state[f'{name}.{id(number)}.{key}'] = value
    return {k: v.detach().clone() for k, v in state.items()}


def unchanged(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return before.keys() == after.keys() and all(
        torch.equal(before[k], after[k]) for k in before
    )


def log_lines(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / 'log.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_the_loss_falls(tiny_values, tmp_path, precision):
    tiny_values.update(
        steps=40,
        decay_steps=10,
        batch_size=4,
        learning_rate=2e-3,
        precision=precision,
    )
    trainer = Trainer(TrainingConfig(**tiny_values), tmp_path / 'run')
    trainer.start()
    first = trainer.validate()
    assert trainer.run() == 0
    last = trainer.validate()
    assert trainer.step == 40
    assert trainer.optimiser.skipped == 0
    assert last < 0.97 * first


def test_a_run_cut_and_resumed_gives_the_same_losses(tiny_values, tmp_path):
    config = TrainingConfig(**{**tiny_values, 'steps': 20})
    trainer = Trainer(config, tmp_path / 'whole', seed=3)
    trainer.start()
    trainer.model.train()
    for _ in range(3):
        trainer.train_step()
    cut = trainer.save('cut.pt')
    count = AVERAGE_EVERY  # the average moves on, too
    whole = [trainer.train_step() for _ in range(count)]

    resumed = Trainer(config, tmp_path / 'resumed', seed=99)
    resumed.resume(cut)
    resumed.model.train()
    assert resumed.step == 3
    assert [resumed.train_step() for _ in range(count)] == whole
    for name, tensor in trainer.average.state_dict().items():
        assert torch.equal(tensor, resumed.average.state_dict()[name])


def test_the_same_seed_gives_the_same_losses(tiny_config, tmp_path):
    losses = []
    for name in 'ab':
        trainer = Trainer(tiny_config, tmp_path / name, seed=5)
        trainer.start()
        trainer.model.train()
        losses.append([trainer.train_step() for _ in range(2)])
    assert losses[0] == losses[1]


def test_a_non_finite_gradient_changes_nothing(trainer, monkeypatch):
    trainer.train_step()
    before, norm = state_of(trainer), trainer.optimiser.usual_norm
    x, q = trainer.batch()
    x[0, 0, 0, 0] = torch.nan
    monkeypatch.setattr(trainer, 'batch', lambda: (x, q))
    trainer.train_step()
    assert unchanged(before, state_of(trainer))
    assert trainer.optimiser.usual_norm == norm
    assert (trainer.step, trainer.optimiser.skipped) == (2, 1)


def test_an_outlier_gradient_changes_nothing_but_what_is_usual(trainer):
    trainer.train_step()
    trainer.step = 1000  # outliers are told once norms have settled
    trainer.optimiser.usual_norm = 1e-6
    before = state_of(trainer)
    trainer.train_step()
    assert unchanged(before, state_of(trainer))
    assert trainer.optimiser.skipped == 1
    assert 1e-6 < trainer.optimiser.usual_norm < 2e-6


def test_a_usual_gradient_changes_the_model(trainer):
    before = state_of(trainer)['model.network.log_gain']
    trainer.train_step()
    assert not torch.equal(before, trainer.model.network.log_gain)
    assert trainer.optimiser.skipped == 0


@pytest.mark.parametrize(
    ('before', 'step', 'decay'),
    [
        (0, 0, (1 + AVERAGE_EVERY) / (10 + AVERAGE_EVERY)),
        (0, 10**6, 0.9995),
        (10**6, 0, 0.9995),
    ],
    ids=['fresh', 'long after', 'from weights that had many steps'],
)
def test_averaged_weights_follow_slowly_and_at_first_faster(
    trainer, before, step, decay
):
    trainer.steps_before = before
    trainer.config.steps = 2 * 10**6
    trainer.optimiser.usual_norm = 1e6  # nothing is an outlier
    trainer.step = step
    with torch.no_grad():  # far away, so that its share is seen
        trainer.average.network.log_gain += 100.0
    start = state_of(trainer)['average.network.log_gain']
    for _ in range(AVERAGE_EVERY):
        assert torch.equal(trainer.average.network.log_gain, start)
        trainer.train_step()
    new = trainer.model.network.log_gain.detach()
    share = decay**AVERAGE_EVERY
    expected = share * start + (1 - share) * new
    torch.testing.assert_close(
        trainer.average.network.log_gain, expected, rtol=0, atol=1e-4
    )


def test_each_kind_of_parameter_learns_at_its_own_rate():
    keys = {
        'context.out.weight': 'learning_rate',
        'g_a.stem.weight': 'encoder_learning_rate',
        'g_s.out.weight': 'decoder_learning_rate',
        'g_a.linear.weight': 'linear_learning_rate',
        'log_gain': 'gain_learning_rate',
        'kappa': 'gain_learning_rate',
    }
    assert {name: learning_rate_key(name) for name in keys} == keys


def test_a_run_can_be_resumed_with_other_rates(trainer, tiny_values, tmp_path):
    trainer.train_step()
    path = trainer.save('last.pt')
    kinds = ('', 'encoder_', 'decoder_', 'linear_', 'gain_')
    same = {f'{kind}learning_rate': 5e-4 for kind in kinds}
    config = TrainingConfig(**{**tiny_values, **same})
    resumed = Trainer(config, tmp_path / 'resumed')
    resumed.resume(path)
    resumed.train_step()
    rates = {
        group['lr']
        for optimiser in resumed.optimiser.main.values()
        for group in optimiser.param_groups
    }
    assert rates == {5e-4}


def test_minutes_stop_a_run_and_save_it(tiny_values, tmp_path):
    tiny_values.update(steps=10**6, minutes=1e-6)
    trainer = Trainer(TrainingConfig(**tiny_values), tmp_path / 'run')
    assert trainer.run() == 0
    assert trainer.step < 10
    assert (trainer.snapshots / 'last.pt').is_file()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(trainer, monkeypatch, number):
    handlers = signal.getsignal(number)
    step = trainer.train_step

    def interrupted():
        os.kill(os.getpid(), number)
        return step()

    monkeypatch.setattr(trainer, 'train_step', interrupted)
    assert trainer.run() == number
    state = checkpoints.read_checkpoint(trainer.snapshots / 'last.pt')
    assert state['step'] == trainer.step == 1
    assert signal.getsignal(number) == handlers


def test_a_run_leaves_its_snapshots_and_log(tiny_values, tmp_path):
    tiny_values.update(snapshot_steps=2, validation_steps=2)
    folder = tmp_path / 'run'
    trainer = Trainer(TrainingConfig(**tiny_values), folder)
    trainer.start()
    trainer.run()
    names = {path.name for path in trainer.snapshots.iterdir()}
    assert names == {'last.pt', 'best.pt', 'step_2.pt', 'step_4.pt'}
    shown = sorted((folder / 'outputs').iterdir())
    assert [path.name for path in shown] == ['step_2.png', 'step_4.png']
    original, *coded = np.split(np.asarray(Image.open(shown[1])), 4, 1)
    x = torch.cat(list(trainer.validation[0]), 1).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(original, np.uint8(x * 255 + 0.5))
    errors = [np.mean((c.astype(float) - original) ** 2) for c in coded]
    assert errors[0] > errors[1] > errors[2]
    lines = log_lines(folder)
    training = [line for line in lines if 'loss' in line]
    assert [line['step'] for line in training] == [2, 4]
    for line in training:
        assert line['pictures_per_second'] > 0
        assert 0 < line['waiting'] < 1
        assert line['skipped'] == 0
    validation = [line['validation'] for line in lines if 'rows' in line]
    best = checkpoints.read_checkpoint(trainer.snapshots / 'best.pt')['best']
    assert best == pytest.approx(min(validation), abs=1e-4)


def test_kodak_is_measured_after_the_last_step(
    tiny_values, picture_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr('napari_sft_training.loop.LEVELS', [0.0, 1.0])
    tiny_values.update(kodak=str(picture_folder), steps=1)
    trainer = Trainer(TrainingConfig(**tiny_values), tmp_path / 'run')
    trainer.start()
    trainer.run()
    low, high = log_lines(tmp_path / 'run')[-1]['rows']
    assert (low['quality'], high['quality']) == (0, 100)
    assert low['bpp'] < high['bpp']
    assert low['psnr'] < high['psnr']


def test_a_missing_kodak_folder_is_told_before_training(tiny_values, tmp_path):
    tiny_values.update(kodak=str(tmp_path / 'nowhere'))
    with pytest.raises(DataError, match='nowhere'):
        Trainer(TrainingConfig(**tiny_values), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_checkpoint_is_written_whole_or_not_at_all(trainer, monkeypatch):
    path = trainer.save('last.pt')
    before = path.read_bytes()

    def disk_full(state, target):
        Path(target).write_bytes(b'half')
        raise OSError('no space left')

    monkeypatch.setattr(torch, 'save', disk_full)
    with pytest.raises(OSError, match='no space'):
        trainer.save('last.pt')
    assert path.read_bytes() == before
    assert list(trainer.snapshots.iterdir()) == [path]


def test_what_is_no_checkpoint_is_refused_on_one_line(trainer, tmp_path):
    damaged = trainer.save('damaged.pt')
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    text = tmp_path / 'text.pt'
    text.write_text('no checkpoint')
    other = tmp_path / 'other.pt'
    torch.save({'model': {}}, other)
    for path in (damaged, text, other, tmp_path / 'missing.pt'):
        with pytest.raises(CheckpointError, match=path.name) as caught:
            trainer.resume(path)
        assert '\n' not in str(caught.value)


def test_a_checkpoint_of_another_model_is_refused(
    trainer, tiny_values, tmp_path
):
    path = trainer.save('last.pt')
    sizes = {**tiny_values['sizes'], 'latent_channels': 48}
    config = TrainingConfig(**{**tiny_values, 'sizes': sizes})
    with pytest.raises(CheckpointError, match='another model'):
        Trainer(config, tmp_path / 'other').resume(path)
    with pytest.raises(CheckpointError, match='another model'):
        export_checkpoint(path, config, tmp_path / 'weights.safetensors')


def test_an_exported_checkpoint_codes_pictures(
    trainer, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr('napari_sft_training.export.CALIBRATION_BATCHES', 4)
    weights = tmp_path / 'compact.safetensors'
    export_checkpoint(trainer.save('last.pt'), tiny_config, weights)

    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    codec = load_model('compact', 'cpu')
    assert codec.about['training']['steps'] == 0
    x = (255 * trainer.validation[0][0]).round().byte()
    picture = x.permute(1, 2, 0).numpy()
    data = napari_sft.encode(picture, quality=100, device='cpu')
    decoded = napari_sft.decode(data, device='cpu')
    assert len(data) < picture.nbytes
    mse = np.mean((decoded.astype(float) - picture) ** 2)
    assert 10 * np.log10(255**2 / mse) > 24


def test_exported_weights_are_a_start(trainer, tiny_config, tmp_path):
    for _ in range(AVERAGE_EVERY):
        trainer.train_step()
    last, weights = trainer.save('last.pt'), tmp_path / 'tiny.safetensors'
    export_checkpoint(last, tiny_config, weights)
    tuned = Trainer(tiny_config, tmp_path / 'tuned', seed=4)
    tuned.start(str(weights))
    assert tuned.step == 0
    assert tuned.steps_before == AVERAGE_EVERY
    for module in (tuned.model, tuned.average):
        for key, value in trainer.average.state_dict().items():
            torch.testing.assert_close(
                module.state_dict()[key], value, atol=2e-3, rtol=2e-3
            )


def test_weights_of_another_size_are_no_start(
    trainer, tiny_config, tiny_values, tmp_path
):
    weights = tmp_path / 'tiny.safetensors'
    export_checkpoint(trainer.save('last.pt'), tiny_config, weights)
    tiny_values['sizes'] = {**tiny_values['sizes'], 'hyper_channels': 16}
    other = Trainer(TrainingConfig(**tiny_values), tmp_path / 'other')
    with pytest.raises(ModelError, match='of another model'):
        other.start(str(weights))
