"""What a quality is expected to give comes from the measured figures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import napari_sft
from napari_sft.expected import expected

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize('gray', [False, True])
def test_higher_quality_expects_more_bits_and_less_error(gray):
    steps = [expected(quality, gray=gray) for quality in range(0, 101, 5)]
    for lower, higher in zip(steps, steps[1:], strict=False):
        for before, after in (
            (lower.bpp, higher.bpp),
            (lower.psnr, higher.psnr),
        ):
            assert before[0] < after[0]
            assert before[1] < after[1]


def test_ranges_are_ordered():
    for quality in (0, 33.3, 100):
        found = expected(quality)
        assert found.bpp[0] < found.bpp[1]
        assert found.psnr[0] < found.psnr[1]


def test_figures_are_those_that_were_measured():
    """Fails when docs/results changed: run `python docs/expected.py`."""
    script = ROOT / 'docs' / 'expected.py'
    if not script.is_file():
        pytest.skip('the checkout holds the measured figures')
    spec = importlib.util.spec_from_file_location('docs_expected', script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shipped = Path(napari_sft.__file__).with_name('expected.json')
    assert json.loads(shipped.read_text()) == module.tables()
