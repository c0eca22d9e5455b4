"""Qualities renamed: the same curve of rate and distortion, other names."""

from __future__ import annotations

import math

import pytest
import torch
import yaml
from typer.testing import CliRunner

from napari_sft.codec.errors import SftError
from napari_sft_training.checkpoints import CheckpointError, read_checkpoint
from napari_sft_training.cli import app
from napari_sft_training.config import TrainingConfig
from napari_sft_training.loop import QUICK_LEVELS, Trainer
from napari_sft_training.models import build
from napari_sft_training.operating_point import (
    measured,
    rename,
    rename_quality,
)


@pytest.fixture
def config(tiny_values) -> TrainingConfig:
    return TrainingConfig(**{**tiny_values, 'corrections': 2})


@pytest.fixture
def checkpoint(config, tmp_path, no_board):
    """Of a run of no step: its parameters are random ones."""
    trainer = Trainer(config, tmp_path / 'run')
    network = trainer.average.network
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    trainer.model.network.load_state_dict(network.state_dict())
    trainer.save('last.pt')
    return trainer.snapshots / 'last.pt'


@torch.no_grad()
def test_a_quality_does_what_the_lower_one_did(config, checkpoint):
    before, after = build(config).network.eval(), build(config).network.eval()
    state = read_checkpoint(checkpoint)['average']
    before.load_state_dict(state)
    after.load_state_dict(state)
    rename_quality(after, 6)
    torch.manual_seed(1)
    # h_s sees the map end at the border: compare the middle
    x = torch.rand(1, 3, 320, 320)
    q = 0.3 + 0.4 * torch.rand(1, 1, 20, 20)
    wanted, given = before(x, q - 0.06), after(x, q)
    torch.testing.assert_close(given.z_bits, wanted.z_bits)
    middle = (..., slice(8, 12), slice(8, 12))
    torch.testing.assert_close(
        given.y_bits[middle], wanted.y_bits[middle], rtol=1e-3, atol=1e-3
    )
    step = (..., slice(152, 168), slice(152, 168))
    torch.testing.assert_close(
        given.x_hat[step], wanted.x_hat[step], rtol=1e-3, atol=1e-3
    )


def test_a_renamed_checkpoint_is_what_was_measured(
    config, checkpoint, tmp_path
):
    renamed = tmp_path / 'renamed.pt'
    as_it_is, lower = measured(checkpoint, config, [0, 5])
    rename(checkpoint, config, 5, renamed)
    (again,) = measured(renamed, config, [0])
    assert again == pytest.approx(lower)
    assert len(again) == len(QUICK_LEVELS)
    assert lower != pytest.approx(as_it_is)
    assert read_checkpoint(renamed)['best'] == math.inf


def test_training_goes_on_from_a_renamed_checkpoint(
    config, checkpoint, tmp_path, no_board
):
    renamed = tmp_path / 'renamed.pt'
    rename(checkpoint, config, 5, renamed)
    trainer = Trainer(config, tmp_path / 'on')
    trainer.resume(renamed)
    trainer.run()
    assert trainer.step == config.steps


def test_a_checkpoint_of_another_model_is_refused(
    config, checkpoint, tiny_values, tmp_path
):
    sizes = {**tiny_values['sizes'], 'latent_channels': 48}
    other = TrainingConfig(**{**tiny_values, 'sizes': sizes})
    with pytest.raises(CheckpointError, match='of another model'):
        rename(checkpoint, other, 5, tmp_path / 'out.pt')
    assert not (tmp_path / 'out.pt').exists()


def test_the_command_measures_or_writes(
    config, checkpoint, tiny_values, tmp_path
):
    beside = checkpoint.parent.parent / 'config.yaml'
    beside.write_text(yaml.safe_dump({**tiny_values, 'corrections': 2}))
    out = tmp_path / 'out.pt'
    call = ['rename-quality', str(checkpoint), '--by', '5']
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0
    ((*losses,),) = measured(checkpoint, config, [5])
    for loss in losses:
        assert f'{loss:.4f}' in result.output
    assert CliRunner().invoke(app, [*call, '--out', str(out)]).exit_code == 0
    assert out.exists()
    result = CliRunner().invoke(
        app, [*call, '--by', '6', '--out', str(tmp_path / 'two.pt')]
    )
    assert result.exit_code == 1
    assert 'one --by' in result.stderr
    assert not (tmp_path / 'two.pt').exists()


def test_song2021_has_no_name_to_change(checkpoint, song2021_values, tmp_path):
    other = TrainingConfig(**song2021_values)
    with pytest.raises(SftError, match='song2021'):
        rename(checkpoint, other, 5, tmp_path / 'out.pt')
