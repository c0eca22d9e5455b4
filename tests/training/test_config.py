"""A configuration is checked before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

import napari_sft_training
from napari_sft_training.config import (
    ConfigError,
    TrainingConfig,
    load_config,
)

CONFIGS = Path(napari_sft_training.__file__).parent / 'configs'
SOURCES = [{'path': 'photos'}]


def write(tmp_path: Path, **values) -> Path:
    path = tmp_path / 'run.yaml'
    path.write_text(yaml.safe_dump({'sources': SOURCES, **values}))
    return path


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.yaml')), ids=str)
def test_the_configurations_in_the_package_are_valid(path):
    assert load_config(path).picture_sources()


def test_a_saved_configuration_reads_the_same(tmp_path):
    config = TrainingConfig(
        sources=[{'path': 'a', 'share': 2, 'regions': 'b'}],
        patch_size=128,
        model={'channels': [8, 8, 16, 16]},
    )
    config.save(tmp_path / 'config.yaml')
    assert load_config(tmp_path / 'config.yaml') == config


def test_overrides_win_over_the_file(tmp_path):
    assert load_config(write(tmp_path, steps=10), steps=20).steps == 20


@pytest.mark.parametrize('value', ['4e-4', 4e-4])
def test_exponents_without_a_point_are_numbers(tmp_path, value):
    assert load_config(write(tmp_path, learning_rate=value)) == TrainingConfig(
        sources=SOURCES, learning_rate=4e-4
    )


def test_whole_numbers_pass_for_floats(tmp_path):
    rate = load_config(write(tmp_path, clip_norm=2)).clip_norm
    assert isinstance(rate, float)
    assert rate == 2


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'stpes': 3}, ['unknown key', "'stpes'", 'steps']),
        ({'steps': 'many'}, ['steps', 'whole number', "'many'"]),
        ({'steps': 3.5}, ['steps', 'whole number', '3.5']),
        ({'steps': True}, ['steps', 'whole number', 'True']),
        ({'steps': 0}, ['steps', 'above 0']),
        ({'warmup_steps': -1}, ['warmup_steps', 'under 0']),
        ({'learning_rate': 'fast'}, ['learning_rate', 'number', "'fast'"]),
        ({'learning_rate': float('nan')}, ['learning_rate', 'number']),
        ({'clip_norm': True}, ['clip_norm', 'number', 'True']),
        ({'ema': 1.5}, ['ema', '0..1']),
        ({'kodak': 3}, ['kodak', 'text']),
        ({'patch_size': 100}, ['patch_size', 'multiple of 64', '100']),
        ({'patch_size': 0}, ['patch_size', 'multiple of 64']),
        ({'precision': 'float8'}, ['precision', 'bfloat16', 'float8']),
        ({'map_shares': [0.5, 0.5]}, ['map_shares', '4 numbers']),
        ({'map_shares': [1, 1, 1, 1]}, ['map_shares', 'sum to 1']),
        ({'map_shares': [2, -1, 0, 0]}, ['map_shares', '0 or more']),
        ({'map_shares': ['a', 1, 0, 0]}, ['map_shares', "'a'"]),
        ({'map_shares': 0.4}, ['map_shares', 'list']),
        ({'sources': []}, ['sources', 'folder']),
        ({'sources': ['photos']}, ['sources[0]', 'path', "'photos'"]),
        ({'sources': [*SOURCES, {'share': 1}]}, ['sources[1]', 'path']),
        ({'sources': [{'path': 3}]}, ['sources[0].path', 'text']),
        ({'sources': [{'path': 'a', 'share': 0}]}, ['sources[0].share']),
        ({'sources': [{'path': 'a', 'mask': 'b'}]}, ['sources[0]', "'mask'"]),
        ({'model': {'width': 3}}, ['model', "'width'", 'latent_channels']),
        ({'model': {'hyper_channels': 0}}, ['model.hyper_channels']),
        ({'model': {'channels': [8, 8]}}, ['model.channels', '4 whole']),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_on_one_line(tmp_path, values, words):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, **values))
    message = str(caught.value)
    assert '\n' not in message
    for word in ['run.yaml', *words]:
        assert word in message


@pytest.mark.parametrize('text', ['- a\n- b\n', 'steps: [1,\n', '\x00'])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / 'run.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match='run.yaml') as caught:
        load_config(path)
    assert '\n' not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match='none.yaml'):
        load_config(tmp_path / 'none.yaml')


def test_without_yaml_the_extra_to_install_is_named(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setitem(sys.modules, 'yaml', None)
    with pytest.raises(ConfigError, match=r'napari-sft\[training\]'):
        load_config(path)
