"""The page on tasks tells what was measured."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytest.importorskip('matplotlib')
DOCS = Path(__file__).parents[2] / 'docs'
if not (DOCS / 'task_figures.py').is_file():
    pytest.skip('the checkout has the page', allow_module_level=True)


@pytest.fixture
def script(tmp_path, monkeypatch):
    """docs/task_figures.py, at work in a copy of its folder."""
    spec = spec_from_file_location('figures', DOCS / 'task_figures.py')
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / 'results').mkdir()
    for kept in (DOCS / 'results').glob('*_maps.json'):
        (tmp_path / 'results' / kept.name).write_bytes(kept.read_bytes())
    (tmp_path / 'tasks.md').write_bytes((DOCS / 'tasks.md').read_bytes())
    monkeypatch.setattr(module, 'DOCS', tmp_path)
    return module


def test_the_page_is_what_the_results_make_it(script, tmp_path):
    """Fails when docs/results changed: run `python docs/task_figures.py`."""
    script.main([])
    for name in ('tasks.md', 'results/text_maps.json'):
        made = (tmp_path / name).read_text(encoding='utf-8')
        assert made == (DOCS / name).read_text(encoding='utf-8')
    assert (tmp_path / 'text_maps.png').is_file()


def test_a_new_run_takes_the_place_of_the_kept_one(script, tmp_path):
    row = {
        'quality': None,
        'uniform_bpp': 8.0,
        'task_bpp': 8.0,
        'uniform': {'count error': 0.0},
        'task': {'count error': 0.0},
    }
    level = {
        'quality': 10.0,
        'uniform_bpp': 0.5,
        'task_bpp': 0.49,
        'uniform': {'count error': 0.25},
        'task': {'count error': 0.125},
    }
    run = tmp_path / 'results.json'
    run.write_text(
        json.dumps(
            {
                'task': 'segmentation',
                'folder': '/somewhere/far/nuclei/here',
                'rows': [row, level],
            }
        )
    )
    script.main([str(run)])
    kept = json.loads(script.kept('segmentation').read_text())
    assert kept['folder'] == 'nuclei/here'
    page = (tmp_path / 'tasks.md').read_text()
    assert '| 10 | 0.5000 | 0.4900 | 0.250 | **0.125** |' in page
    assert 'count error at 1.' in page


def test_accuracies_are_told_at_equal_rates(script, tmp_path):
    def point(method, setting, bpp, top1):
        return {
            'method': method,
            'setting': setting,
            'bpp': bpp,
            'top1': top1,
            'top5': 1.0,
        }

    run = tmp_path / 'results.json'
    points = [
        point('original', None, None, 0.8),
        point('uniform', 0, 0.1, 0.5),
        point('uniform', 50, 0.2, 0.6),
        point('Grad-CAM', 1, 0.2, 0.4),
        point('optimised in 3', 1, 0.15, 0.6),
        point('optimised in 3', 10, 0.25, 0.8),
    ]
    run.write_text(
        json.dumps({'task': 'classification', 'pictures': 9, 'points': points})
    )
    script.main([str(run)])
    page = (tmp_path / 'tasks.md').read_text()
    assert '| 0.1000 | 0.500 | - | - |' in page
    assert '| 0.2000 | 0.600 | 0.400 | **0.700** |' in page
    assert '- optimised in 3: above uniform maps at 1 of 1 rates' in page
