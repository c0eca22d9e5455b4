"""Finding weights by name, loading them once, telling others apart."""

from __future__ import annotations

import shutil

import pytest

from napari_sft.codec.errors import ModelError
from napari_sft.models.device import resolve_device
from napari_sft.models.registry import load_model, model_for, weights_path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    return tmp_path


def test_users_own_weights_come_first(folder, tiny_weights):
    own = folder / 'compact.safetensors'
    shutil.copy(tiny_weights / own.name, own)
    assert weights_path('compact') == own


def test_without_the_variable_they_lie_in_the_data_folder(
    tmp_path, monkeypatch, tiny_weights
):
    monkeypatch.delenv('NAPARI_SFT_WEIGHTS', raising=False)
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    own = tmp_path / 'napari-sft/weights/compact.safetensors'
    own.parent.mkdir(parents=True)
    shutil.copy(tiny_weights / own.name, own)
    assert weights_path('compact') == own


def test_a_model_without_weights_says_where_they_should_be(folder):
    with pytest.raises(ModelError, match=r'nothing.safetensors') as caught:
        load_model('nothing', 'cpu')
    assert str(folder) in str(caught.value)


def test_a_path_names_weights_too(tiny_weights):
    path = tiny_weights / 'compact.safetensors'
    assert load_model(str(path), 'cpu').name == 'compact'
    with pytest.raises(ModelError, match='cannot read'):
        load_model(str(tiny_weights / 'no.safetensors'), 'cpu')


def test_a_model_is_loaded_once_and_again_when_its_file_changes(
    folder, tiny_weights
):
    path = folder / 'compact.safetensors'
    shutil.copy(tiny_weights / path.name, path)
    first = load_model('compact', 'cpu')
    assert load_model('compact', 'cpu') is first
    data = path.read_bytes()
    path.write_bytes(data.replace(b'untrained', b'different'))
    second = load_model('compact', 'cpu')
    assert second is not first
    assert second.weights_hash != first.weights_hash


def test_a_file_gets_the_very_weights_it_was_made_with(tiny_model):
    model = load_model('compact', 'cpu')
    assert model_for('compact', model.weights_hash, 'cpu') is model
    with pytest.raises(ModelError, match='0011223344556677') as caught:
        model_for('compact', bytes.fromhex('0011223344556677'), 'cpu')
    assert model.weights_hash.hex() in str(caught.value)


def test_a_name_from_a_file_is_never_a_path(tiny_model):
    weights = load_model('compact', 'cpu').weights_hash
    for name in (str(tiny_model), '../compact', 'other'):
        with pytest.raises(ModelError, match='does not have'):
            model_for(name, weights, 'cpu')


@pytest.mark.parametrize('name', ['tpu', 'cpu:x', 'cuda:99', ''])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(ModelError, match='device'):
        resolve_device(name)


def test_automatic_is_a_device_that_works():
    assert resolve_device('auto').type in {'cpu', 'cuda', 'mps'}
    assert resolve_device('cpu').type == 'cpu'
