"""A run's figures go to log.jsonl, and to TensorBoard if it is there."""

from __future__ import annotations

import json
import sys

import pytest

from napari_sft_training.journal import Journal, scalars

ROWS = [{'quality': 0.0, 'bpp': 0.1}, {'quality': 100.0, 'bpp': 2.5}]


def test_lines_carry_step_and_figures(tmp_path, capsys):
    journal = Journal(tmp_path)
    journal.write(7, loss=1.5, skipped=0)
    journal.write(8, loss=1.25, skipped=1)
    text = (tmp_path / 'log.jsonl').read_text()
    assert capsys.readouterr().out == text
    assert [json.loads(line) for line in text.splitlines()] == [
        {'step': 7, 'loss': 1.5, 'skipped': 0},
        {'step': 8, 'loss': 1.25, 'skipped': 1},
    ]


def test_rows_become_one_curve_a_quality():
    figures = {'validation': 1.2, 'rows': ROWS}
    assert dict(scalars(figures)) == {
        'validation': 1.2,
        'validation/bpp/0': 0.1,
        'validation/bpp/100': 2.5,
    }


def test_tensorboard_gets_the_same_figures(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    journal = Journal(tmp_path)
    journal.open(0)
    journal.write(5, loss=1.5)
    journal.write(5, kodak=1.1, rows=ROWS)
    journal.close()
    events = EventAccumulator(str(tmp_path / 'logs')).Reload()
    tags = set(events.Tags()['scalars'])
    assert tags == {'loss', 'kodak', 'kodak/bpp/0', 'kodak/bpp/100'}
    (loss,) = events.Scalars('loss')
    assert (loss.step, loss.value) == (5, 1.5)


def test_without_tensorboard_one_line_names_the_extra(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    journal = Journal(tmp_path)
    journal.open(0)
    (line,) = capsys.readouterr().out.splitlines()
    assert 'pip install napari-sft[training]' in line
    journal.write(1, loss=1.0)
    journal.close()
    assert not (tmp_path / 'logs').exists()
    assert (tmp_path / 'log.jsonl').is_file()
