"""The command line trains, resumes and exports; errors are one line."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from napari_sft.models.compact_codec import CompactCodec
from napari_sft_training.cli import app
from napari_sft_training.loop import Trainer


@pytest.fixture
def config_path(tiny_values, tmp_path, monkeypatch) -> Path:
    """The tiny configuration as a file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        'napari_sft_training.journal.Journal.open', lambda *_: None
    )
    path = tmp_path / 'tiny.yaml'
    path.write_text(yaml.safe_dump(tiny_values))
    return path


def invoke(*args: object):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def assert_one_line_error(result, *words: str) -> None:
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith('error: ')
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ('command', 'example'),
    [
        ('run', 'napari-sft-train run --config'),
        ('export', 'napari-sft-train export results'),
        ('rename-quality', 'napari-sft-train rename-quality results'),
    ],
)
def test_help_shows_examples(command, example):
    for args in ((), (command,)):
        result = invoke(*args, '--help')
        assert result.exit_code == 0
        assert example in result.output


def test_help_loads_nothing_heavy(fresh_python):
    code = 'import sys, napari_sft_training.cli; print(*sys.modules)'
    assert not {'torch', 'numpy', 'yaml'} & set(fresh_python(code).split())


def test_train_resume_and_export_from_end_to_end(
    config_path, tmp_path, monkeypatch
):
    result = invoke('run', '--config', config_path, '--name', 'try')
    assert result.exit_code == 0, result.output
    last = tmp_path / 'results/try/snapshots/last.pt'

    result = invoke(
        *('run', '--config', config_path, '--name', 'try'),
        *('--resume', last, '--steps', 6),
    )
    assert result.exit_code == 0, result.output
    assert '"step": 6' in result.output
    saved = yaml.safe_load((tmp_path / 'results/try/config.yaml').read_text())
    assert saved['steps'] == 6

    monkeypatch.setattr('napari_sft_training.export.CALIBRATION_BATCHES', 4)
    weights = tmp_path / 'compact.safetensors'
    result = invoke('export', last, weights)
    assert result.exit_code == 0, result.output
    codec = CompactCodec(weights, torch.device('cpu'))
    assert codec.about['training']['steps'] == 6

    result = invoke(
        *('run', '--config', config_path, '--name', 'tuned'),
        *('--weights', weights, '--steps', 2),
    )
    assert result.exit_code == 0, result.output
    tuned = tmp_path / 'tuned.safetensors'
    invoke('export', tmp_path / 'results/tuned/snapshots/last.pt', tuned)
    codec = CompactCodec(tuned, torch.device('cpu'))
    assert codec.about['training']['steps'] == 8  # of both runs


def test_an_interrupted_run_tells_how_to_go_on(config_path, monkeypatch):
    monkeypatch.setattr(Trainer, 'start', lambda self, weights: None)
    monkeypatch.setattr(Trainer, 'run', lambda self: int(signal.SIGINT))
    result = invoke('run', '--config', config_path)
    assert result.exit_code == 130
    assert '--resume' in result.output
    assert 'last.pt' in result.output


def test_an_earlier_run_is_not_overwritten(config_path):
    folder = Path('results/earlier')
    (folder / 'snapshots').mkdir(parents=True)
    (folder / 'config.yaml').write_text('theirs')
    result = invoke('run', '--config', config_path, '--name', 'earlier')
    assert_one_line_error(result, '--name', '--resume', 'last.pt')
    assert (folder / 'config.yaml').read_text() == 'theirs'


def test_a_wrong_key_is_one_line(config_path):
    config_path.write_text('stpes: 3')
    assert_one_line_error(invoke('run', '--config', config_path), 'stpes')


def test_missing_files_are_one_line(config_path, tmp_path):
    result = invoke('run', '--config', 'none.yaml')
    assert_one_line_error(result, 'none.yaml')
    result = invoke('run', '--config', config_path, '--resume', 'none.pt')
    assert_one_line_error(result, 'none.pt')
    result = invoke('export', 'none.pt', 'out', '--config', config_path)
    assert_one_line_error(result, 'none.pt')
    assert not (tmp_path / 'out').exists()


def test_two_starts_are_one_line(config_path):
    result = invoke(
        *('run', '--config', config_path),
        *('--resume', 'last.pt', '--weights', 'compact'),
    )
    assert_one_line_error(result, '--resume', '--weights')


def test_a_folder_without_pictures_is_one_line(
    config_path, tiny_values, tmp_path
):
    tiny_values['sources'] = [{'path': str(tmp_path / 'gone')}]
    config_path.write_text(yaml.safe_dump(tiny_values))
    assert_one_line_error(invoke('run', '--config', config_path), 'gone')


def test_without_yaml_the_extra_is_one_line(config_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'yaml', None)
    result = invoke('run', '--config', config_path)
    assert_one_line_error(result, 'pip install napari-sft[training]')
