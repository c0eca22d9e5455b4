"""The benchmark of encoder efforts: gains against effort 1."""

from __future__ import annotations

import json
import math

import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_sft_training.benchmarks import effort
from napari_sft_training.benchmarks.effort import Point, gains

QUALITIES = (20, 60, 100)


def points(number, factor, seconds):
    return [
        Point('a', number, q, factor * 0.01 * q, 25 + q / 10, 3.0, seconds)
        for q in QUALITIES
    ]


def test_gains_are_against_effort_1():
    base, other = gains(points(1, 1, 2.0) + points(7, 0.9, 50.0))
    assert (base.effort, base.loss, base.time) == (1, 0, 1)
    assert base.bd_rate == pytest.approx(0, abs=1e-9)
    assert other.bd_rate == pytest.approx(-10)
    assert other.time == 25


def test_a_run_goes_on_where_it_was(tiny_model, make_picture, tmp_path):
    folder, out = tmp_path / 'pictures', tmp_path / 'effort.json'
    folder.mkdir()
    Image.fromarray(make_picture(64, 128)).save(folder / 'a.png')
    runner = CliRunner()

    def run(*more):
        return runner.invoke(
            effort.app, [str(folder), '--json', str(out), *more]
        )

    few = ('--largest', '64', '--quality', '40', '--quality', '90')
    result = run(*few, '--effort', '2')
    assert result.exit_code == 0, result.output
    first = json.loads(out.read_text())
    assert [gain['effort'] for gain in first['gains']] == [1, 2]
    assert first['gains'][1]['loss'] <= 0
    assert all(math.isfinite(point['psnr']) for point in first['points'])
    result = run(*few, '--effort', '3')
    assert result.exit_code == 0, result.output
    second = json.loads(out.read_text())
    assert second['points'][:4] == first['points']
    assert [gain['effort'] for gain in second['gains']] == [1, 2, 3]
    other = run('--quality', '40', '--quality', '80')
    assert other.exit_code == 1
    assert 'is of another run' in other.output


def test_what_is_no_folder_is_one_line(tmp_path):
    result = CliRunner().invoke(effort.app, [str(tmp_path / 'none')])
    assert result.exit_code == 1
    assert 'is no folder' in result.output
