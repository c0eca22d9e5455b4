"""The benchmark of large images runs, on small ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_sft_training.benchmarks import scale


@pytest.mark.usefixtures('tiny_model')
def test_every_size_gets_a_row_of_figures(tmp_path):
    out = tmp_path / 'scale.json'
    arguments = ['--megapixels', '0.04', '--json', str(out)]
    result = CliRunner().invoke(
        scale.app, [*arguments, '--folder', str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    (row,) = json.loads(out.read_text())['sizes']
    assert row['megapixels'] == pytest.approx(0.04)
    assert {key for key, _, _ in scale.COLUMNS} <= row.keys()
    assert all(value > 0 for value in row.values())
    assert row['encode_peak_mb'] > 50  # torch is in there
    assert [path.name for path in tmp_path.iterdir()] == ['scale.json']


def test_the_image_fills_its_square_and_repeats_nowhere(tmp_path):
    path = tmp_path / 'image'
    scale.make_image(path, 1100)
    image = np.fromfile(path, np.uint8).reshape(1100, 1100, 3)
    blocks = [
        image[r : r + 512, c : c + 512] for r in (0, 512) for c in (0, 512)
    ]
    for number, block in enumerate(blocks):
        assert block.std() > 20
        assert not any((block == other).all() for other in blocks[:number])
