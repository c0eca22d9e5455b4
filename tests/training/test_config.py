"""A configuration is checked before anything starts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import napari_sft_training
from napari_sft_training.config import (
    ConfigError,
    TrainingConfig,
    config_of,
    load_config,
)

CONFIGS = Path(napari_sft_training.__file__).parent / 'configs'
SOURCES = [{'path': 'photos'}]
SONG = {'model': 'song2021'}


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
        sizes={'channels': [8, 16, 16]},
        compile=True,
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
        ({'model': 'jpeg'}, ['model', 'compact, song2021', "'jpeg'"]),
        ({'model': 3}, ['model', 'text', '3']),
        ({'model': {'width': 3}}, ['sizes', "'width'", 'latent_channels']),
        ({'sizes': {'hyper_channels': 0}}, ['sizes.hyper_channels']),
        ({'sizes': {'channels': [8, 8]}}, ['sizes.channels', '3 whole']),
        (
            {'sizes': {'feedback_channels': -1}},
            ['feedback_channels', 'least 0'],
        ),
        (
            {'corrections': 1, 'sizes': {'feedback_channels': 0}},
            ['corrections', 'sizes.feedback_channels'],
        ),
        ({**SONG, 'corrections': 1}, ['corrections', 'compact']),
        ({'sizes': {'N': 8}}, ["'N'", 'compact']),
        ({**SONG, 'sizes': {'N': 'big'}}, ['sizes.N', 'whole', "'big'"]),
        ({**SONG, 'sizes': {'N': 10}}, ['sizes', 'N = 10']),
        ({**SONG, 'sizes': {'sft': 1}}, ['sizes.sft', 'true or false']),
        ({**SONG, 'patch_size': 64}, ['patch_size', '128 for song2021']),
        ({'model': {'hyper_channels': 8}, 'sizes': {'N': 8}}, ['mapping']),
        ({'compile': 1}, ['compile', 'true or false']),
        ({'device': 'tpu'}, ['device', 'auto, cpu, cuda', 'tpu']),
        ({'zero_share': 2}, ['zero_share', '0..1']),
        ({'lr': 1e-4, 'learning_rate': 1e-4}, ['learning_rate', 'twice']),
        ({'lr': 'fast'}, ['learning_rate', "'fast'"]),
        ({'p': 0.4}, ['map_shares', '0 or more']),
        ({'p': 'all'}, ['p must be a number']),
        ({'set_lr': 1e-5}, ['set_lr', 'learning_rate']),
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


def test_an_older_file_with_a_mapping_of_sizes_is_compacts(tmp_path):
    sizes = {'latent_channels': 48}
    older = load_config(write(tmp_path, model=sizes))
    assert older == load_config(write(tmp_path, model='compact', sizes=sizes))
    assert load_config(write(tmp_path, model={})).sizes == {}


def test_song2021_has_the_papers_recipe_where_a_file_says_nothing():
    config = config_of({'model': 'song2021', 'batch_size': 4})
    assert config.batch_size == 4
    assert config.patch_size == 256
    assert config.steps == 2_000_000
    assert (config.learning_rate, config.aux_learning_rate) == (1e-4, 1e-3)
    assert (config.drop_steps, config.drop_factor) == (1_400_000, 0.1)
    assert config.clip_norm == 1
    assert config.map_shares == [0.2, 0.2, 0.2, 0.4]
    assert config.zero_share == 0.01
    assert (config.lambda_weight, config.ema, config.gray_share) == (0, 0, 0)
    assert config.precision == 'float32'


def test_the_papers_names_stand_for_ours(tmp_path):
    path = tmp_path / 'paper.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'model': 'song2021',
                'snapshot_save_itr': 5,
                'log_itr': 6,
                'test_itr': 7,
                'max_itr': 8,
                'lr': 0.1,
                'lr_aux': 0.2,
                'lr_shedule_step': 9,
                'lr_shedule_scale': 0.3,
                'clip_max_norm': 2,
                'set_lr': 0,
                'N': 64,
                'M': 96,
                'sft_ks': 1,
                'trainset': 'train.csv',
                'testset': 'kodak.csv',
                'batchsize': 10,
                'batchsize_test': 1,
                'patchsize': 128,
                'worker_num': 3,
                'p': 0.1,
            }
        )
    )
    assert load_config(path) == config_of(
        {
            'model': 'song2021',
            'snapshot_steps': 5,
            'log_steps': 6,
            'validation_steps': 7,
            'steps': 8,
            'learning_rate': 0.1,
            'aux_learning_rate': 0.2,
            'drop_steps': 9,
            'drop_factor': 0.3,
            'clip_norm': 2.0,
            'sizes': {'N': 64, 'M': 96, 'sft_ks': 1},
            'sources': [{'path': 'train.csv'}],
            'kodak': 'kodak.csv',
            'batch_size': 10,
            'patch_size': 128,
            'map_shares': [0.1, 0.1, 0.1, 0.7],
        }
    )


@pytest.mark.parametrize(
    ('name', 'switch'),
    [
        ('without_sft', 'sft'),
        ('without_spatial_condition', 'spatial_condition'),
        ('without_condition_scales', 'condition_scales'),
    ],
)
def test_ablations_differ_from_the_paper_in_their_switch_alone(name, switch):
    paper = load_config(CONFIGS / 'song2021.yaml')
    ablation = load_config(CONFIGS / f'song2021_{name}.yaml')
    assert ablation.sizes == {switch: False}
    assert replace(ablation, sizes={}) == paper


def test_validation_patches_have_the_training_size_unless_said():
    assert config_of({'patch_size': 128}).validation_patch_size == 128
    assert config_of({'patch_size': 512}).validation_patch_size == 256
    config = config_of({'patch_size': 128, 'validation_patch_size': 256})
    assert config.validation_patch_size == 256
    with pytest.raises(ConfigError, match='validation_patch_size'):
        config_of({'validation_patch_size': 100})
