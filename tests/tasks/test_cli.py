"""`napari-sft task`: tables, files and one line for each error."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_sft.cli import app
from napari_sft.tasks import classification_study


@pytest.fixture
def cli(tmp_path, monkeypatch, tiny_model):
    """Run the command line in an empty folder; the result."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, ['task', *map(str, arguments)])

    return run


@pytest.fixture
def pictures(tmp_path):
    """Two dark pictures with two bright discs each."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    y, x = np.mgrid[:64, :96]
    for number in range(2):
        picture = np.full((64, 96), 30, np.uint8)
        for at in ((20, 20 + 9 * number), (44, 70)):
            picture[np.hypot(y - at[0], x - at[1]) <= 10] = 200
        Image.fromarray(picture).save(folder / f'{number}.png')
    return folder


@pytest.mark.parametrize('name', ['classification', 'text', 'segmentation'])
def test_help_has_an_example(cli, name):
    result = cli(name, '--help')
    assert result.exit_code == 0
    assert f'  napari-sft task {name}' in result.output.split('Example')[1]


def test_segmentation_prints_a_table_and_writes_results(
    cli, pictures, tmp_path
):
    pytest.importorskip('matplotlib')
    result = cli(
        *('segmentation', 'pictures', '--qualities', '10,50'),
        *('--out', 'out', '--iterations', 1),
    )
    assert result.exit_code == 0, result.output
    assert '2 pictures, files of equal size' in result.stdout
    assert "lower with the task's maps at" in result.stdout
    stored = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert [row['quality'] for row in stored['rows']] == [None, 10, 50]
    assert stored['method'] == 'watershed'
    for row in stored['rows']:
        assert f'{row["uniform_bpp"]:.4f}' in result.stdout
    assert (tmp_path / 'out' / 'plot.png').is_file()
    again = cli(
        *('segmentation', 'pictures', '--qualities', '10,50'),
        *('--out', 'out', '--iterations', 1),
    )
    assert again.stdout == result.stdout


def test_text_is_compared(cli, pictures, fake_reader, tmp_path):
    pytest.importorskip('matplotlib')
    result = cli('text', 'pictures', '--qualities', '20', '--limit', '1')
    assert result.exit_code == 0, result.output
    assert 'character error rate' in result.stdout
    assert (tmp_path / 'text' / 'results.json').is_file()


def test_classification_prints_the_papers_table(
    cli, pictures, halves, monkeypatch, tmp_path
):
    pytest.importorskip('matplotlib')
    monkeypatch.setattr(
        classification_study, 'load_classifier', lambda name, device: halves
    )
    result = cli(
        *('classification', 'pictures', '--levels', 2, '--side', 64),
        *('--iterations', '1,2', '--lambdas', '0.1,10', '--limit', 1),
    )
    assert result.exit_code == 0, result.output
    for name in ('original', 'uniform', 'Grad-CAM', 'optimised in 2'):
        assert name in result.stdout
    assert 'top-1 at equal real bpp' in result.stdout
    stored = json.loads(
        (tmp_path / 'classification' / 'results.json').read_text()
    )
    searched = 2 * (2 + len(classification_study.RAISES))
    assert len(stored['points']) == 5 + searched


def test_wrong_settings_are_one_line(cli, pictures):
    result = cli('segmentation', 'pictures', '--method', 'kmeans')
    assert result.exit_code == 1
    assert result.stderr.count('\n') == 1
    assert "no method 'kmeans'" in result.stderr
    result = cli('text', 'pictures', '--qualities', 'low')
    assert result.exit_code == 2
    assert "'low' is no list of numbers" in result.stderr
    assert cli('text', 'none').exit_code == 1
