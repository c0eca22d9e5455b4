"""The figure of runs: what is read from logs, and what is refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from napari_sft.codec.errors import SftError
from napari_sft_training.cli import app
from napari_sft_training.training_curve import draw_runs, read_log

pytest.importorskip('matplotlib')


@pytest.fixture
def run(tmp_path):
    def run(name, losses):
        folder = tmp_path / name
        folder.mkdir()
        lines = [{'step': 50, 'loss': 2.0}]
        lines += [{'step': s, 'validation': v} for s, v in losses.items()]
        text = '\n'.join(json.dumps(line) for line in lines)
        (folder / 'log.jsonl').write_text(text + '\n')
        return folder

    return run


def test_validations_are_read_in_the_order_of_steps(run):
    folder = run('muon', {1000: 1.3, 500: 1.4, 2000: 1.25})
    curve = read_log(folder)
    assert curve.label == 'muon'
    assert curve.steps == (500, 1000, 2000)
    assert curve.losses == (1.4, 1.3, 1.25)
    assert read_log(folder / 'log.jsonl', 'other').label == 'other'


def test_a_resumed_run_counts_with_its_latest_validation(run):
    folder = run('again', {500: 1.4})
    with (folder / 'log.jsonl').open('a') as file:
        file.write(json.dumps({'step': 500, 'validation': 1.35}) + '\n')
    assert read_log(folder).losses == (1.35,)


def test_every_run_is_a_line_with_its_name(run):
    curves = [read_log(run(n, {500: 1.4, 1000: 1.3})) for n in 'ab']
    panel = draw_runs(curves).axes[0]
    assert [line.get_label() for line in panel.lines] == ['a', 'b']
    assert panel.lines[0].get_ydata().tolist() == [1.4, 1.3]


@pytest.mark.parametrize(
    ('text', 'reason'),
    [('{"step": 50, "loss": 2}\n', 'not validated'), ('x\n', 'no log')],
)
def test_other_files_are_refused(tmp_path, text, reason):
    path = tmp_path / 'log.jsonl'
    path.write_text(text)
    with pytest.raises(SftError, match=reason):
        read_log(path)


def test_the_command_writes_the_figure(run, tmp_path):
    out = tmp_path / 'runs.png'
    folder = run('a', {500: 1.4, 1000: 1.3})
    arguments = ['plot-runs', f'Muon={folder}', '--out', str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b'\x89PNG')


def test_a_missing_run_is_told_on_one_line(tmp_path):
    result = CliRunner().invoke(app, ['plot-runs', str(tmp_path / 'none')])
    assert result.exit_code == 1
    assert 'none' in result.output
    assert 'Traceback' not in result.output
