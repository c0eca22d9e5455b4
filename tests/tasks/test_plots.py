"""Figures of the comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_sft.tasks.classification_results import Point
from napari_sft.tasks.equal_rate import Row
from napari_sft.tasks.plots import plot_accuracy, plot_rows
from napari_sft.tasks.registry import TaskError

POINTS = [
    Point('original', None, None, 0.8, 0.9),
    Point('uniform', 0, 0.1, 0.4, 0.7),
    Point('uniform', 100, 1.0, 0.7, 0.9),
    Point('optimised in 5', 1, 0.4, 0.7, 0.9),
]
ROWS = [
    Row(None, 24, 24, {'error': 0.01}, {'error': 0.01}),
    Row(10, 0.2, 0.2, {'error': 0.3}, {'error': 0.1}),
    Row(20, 0.3, 0.3, {'error': 0.2}, {'error': 0.05}),
]


@pytest.mark.parametrize(
    ('plot', 'what'), [(plot_accuracy, POINTS), (plot_rows, ROWS)]
)
def test_a_figure_is_drawn(plot, what, tmp_path):
    pytest.importorskip('matplotlib')
    path = tmp_path / 'plot.png'
    plot(what, path)
    pixels = np.asarray(Image.open(path).convert('RGB')).reshape(-1, 3)
    colours = {tuple(colour) for colour in np.unique(pixels, axis=0)}
    assert (0, 0x72, 0xB2) in colours  # that of uniform maps


def test_without_matplotlib_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        'napari_sft.tasks.registry.find_spec', lambda name: None
    )
    with pytest.raises(TaskError, match='matplotlib.*pip install'):
        plot_rows(ROWS, tmp_path / 'plot.png')
