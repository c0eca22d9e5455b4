"""The paper's experiment, on pictures of two classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_sft.codec.errors import ImageError
from napari_sft.tasks import classification_results as results
from napari_sft.tasks import classification_study as study_of
from napari_sft.tasks.classification_results import Point
from napari_sft.tasks.labelled import Labelled, find_labelled, read_square
from napari_sft.tasks.registry import TaskError


@pytest.fixture
def folder(tmp_path):
    """Two pictures with stripes, on the left and on the right."""
    path = tmp_path / 'pictures'
    path.mkdir()
    rng = np.random.default_rng(0)
    for number in (0, 1):
        picture = rng.normal(110, 3, (90, 128, 3))
        half = picture[:, 64 * number : 64 * number + 64]
        half[:, ::8] += 80
        half[:, 1::8] += 80
        pixels = picture.clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path / f'{number}.png')
    (path / 'labels.csv').write_text('path,label\n0.png,0\n1.png,1\n')
    return path


@pytest.fixture
def make_study(folder, tmp_path, tiny_model, halves, monkeypatch):
    monkeypatch.setattr(
        study_of, 'load_classifier', lambda name, device: halves
    )

    def make(**settings):
        settings = {
            'source': folder,
            'out': tmp_path / 'out',
            'iterations': (1, 2),
            'weights': (0.01, 10.0),
            'steps': 3,
            'shorter': 70,
            'side': 64,
            'device': 'cpu',
            **settings,
        }
        return study_of.ClassificationStudy(**settings)

    return make


def test_every_kind_of_map_has_its_points(make_study):
    study = make_study()
    steps = []
    study.on_step = lambda: steps.append(1)
    points = study.run()
    assert len(steps) == study.total == 18
    kinds = [(p.method, p.setting) for p in points if not p.raised]
    assert kinds == [
        ('original', None),
        ('uniform', 0),
        ('uniform', 50),
        ('uniform', 100),
        ('Grad-CAM', 0),
        ('Grad-CAM', 0.5),
        ('Grad-CAM', 1),
        ('optimised in 1', 0.01),
        ('optimised in 1', 10),
        ('optimised in 2', 0.01),
        ('optimised in 2', 10),
    ]
    original, *others = points
    assert original == Point('original', None, None, 1, 1)
    rates = [p.bpp for p in points if p.method == 'uniform']
    assert rates == sorted(rates)
    assert points[4].bpp == rates[0]  # Grad-CAM times 0
    assert all(0 <= p.top1 <= p.top5 == 1 for p in others)
    searched = [p for p in points if p.method == 'optimised in 2'][1:]
    assert [p.raised for p in searched] == [0, 20, 40, 60]
    assert searched[2].bpp > searched[1].bpp > searched[0].bpp
    assert searched[2].name == '10, raised by 40'
    fewer = next(p for p in points if p.name == '10')
    assert fewer.method == 'optimised in 1'
    assert searched[0].seconds > fewer.seconds > 0
    stored = study_of.as_dict(study, points)
    assert stored['pictures'] == 2
    assert stored['points'][1]['bpp'] == rates[0]


def test_a_run_goes_on_where_it_stopped(make_study, monkeypatch):
    first = make_study(limit=1).run()
    assert make_study(limit=1).run() == first
    both = make_study().run()
    monkeypatch.setattr(study_of.napari_sft, 'encode', None)
    assert make_study().run() == both
    with pytest.raises(TaskError, match='other settings'):
        make_study(predicted=True).run()


def test_without_labels_the_judges_word_counts(make_study, folder):
    (folder / 'labels.csv').unlink()
    points = make_study(weights=(1.0,)).run()
    assert points[0].top1 == 1


def test_wrong_labels_are_no_success(make_study, folder):
    (folder / 'labels.csv').write_text('path,label\n0.png,1\n')
    assert make_study(weights=(1.0,)).run()[0].top1 == 0


def point(method, bpp, top1):
    return Point(method, 0.0, bpp, top1, 1.0)


def test_accuracies_at_equal_rates_lie_between_a_methods_points():
    points = [
        *(point('uniform', b, 0) for b in (0.1, 0.2, 0.3, 0.9)),
        point('optimised in 5', 0.4, 0.8),
        point('optimised in 5', 0.2, 0.6),
    ]
    found = results.at_rates(points, 'optimised in 5')
    assert found == [None, 0.6, pytest.approx(0.7), None]
    assert results.at_rates(points, 'Grad-CAM') == [None] * 4


def test_the_verdict_counts_rates_at_which_uniform_maps_lose():
    points = [
        Point('original', None, None, 0.8, 1.0),
        point('uniform', 0.1, 0.5),
        point('uniform', 0.2, 0.6),
        point('uniform', 0.3, 0.76),
        point('optimised in 5', 0.1, 0.5),
        point('optimised in 5', 0.3, 0.8),
    ]
    (line,) = results.verdicts(points)
    assert 'optimised in 5: above uniform maps at 1 of 2 rates' in line


def test_lists_and_folders_of_pictures(folder, tmp_path):
    listed = [Labelled(folder / '0.png', 0), Labelled(folder / '1.png', 1)]
    assert find_labelled(folder) == listed
    assert find_labelled(folder / 'labels.csv') == listed
    (folder / 'labels.csv').write_text('file,label\n0.png,0\n')
    with pytest.raises(TaskError, match='columns path and label'):
        find_labelled(folder)
    (folder / 'labels.csv').unlink()
    assert find_labelled(folder) == [replace(x, label=None) for x in listed]
    with pytest.raises(ImageError, match='neither'):
        find_labelled(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ImageError, match='no pictures'):
        find_labelled(tmp_path / 'empty')


def test_the_middle_is_cut_out_after_shrinking(tmp_path):
    picture = np.zeros((60, 100), np.uint8)
    picture[20:40, 40:60] = 255
    Image.fromarray(picture).save(tmp_path / 'a.png')
    square = read_square(tmp_path / 'a.png', 30, 20)
    assert square.shape == (20, 20, 3)
    assert square[6:14, 6:14].min() > 250
    assert square[:3].max() == square[:, :3].max() == 0
    assert read_square(tmp_path / 'a.png', 10, 64).shape == (64, 64, 3)
