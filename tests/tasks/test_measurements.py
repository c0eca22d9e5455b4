"""Measurements that are kept, so that a run goes on where it stopped."""

from __future__ import annotations

import pytest

from napari_sft.tasks.measurements import NAME, Measurements
from napari_sft.tasks.registry import TaskError

ABOUT = {'weights': 'abc', 'size': (280, 256)}


def must_not_run():
    raise AssertionError('measured again')


def test_what_is_measured_is_not_measured_again(tmp_path):
    first = Measurements(tmp_path / 'new', ABOUT)
    assert first.get('a', lambda: {'bpp': 0.5, 3: [1]}) == {
        'bpp': 0.5,
        '3': [1],
    }
    again = Measurements(tmp_path / 'new', ABOUT)
    assert again.get('a', must_not_run) == {'bpp': 0.5, '3': [1]}
    assert again.get('b', lambda: 7) == 7
    assert first.get('a', must_not_run)


def test_a_line_cut_off_is_measured_again_and_nothing_else(tmp_path):
    kept = Measurements(tmp_path, ABOUT)
    kept.get('a', lambda: 1)
    kept.get('b', lambda: 2)
    file = tmp_path / NAME
    file.write_bytes(file.read_bytes()[:-4])
    again = Measurements(tmp_path, ABOUT)
    assert again.get('a', must_not_run) == 1
    assert again.get('b', lambda: 3) == 3
    assert Measurements(tmp_path, ABOUT).get('b', must_not_run) == 3


def test_other_settings_are_refused_by_name(tmp_path):
    Measurements(tmp_path, ABOUT).get('a', lambda: 1)
    with pytest.raises(TaskError, match=r'settings \(weights\).*folder'):
        Measurements(tmp_path, {**ABOUT, 'weights': 'def'})


@pytest.mark.parametrize('text', ['', 'no json\n', '[1]\n{"key": 1}\n'])
def test_other_files_are_left_alone(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(TaskError, match=NAME):
        Measurements(tmp_path, ABOUT)
    assert (tmp_path / NAME).read_text() == text


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(TaskError, match="can't use"):
        Measurements(tmp_path / 'out', ABOUT)
