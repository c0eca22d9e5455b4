"""Weights files: whole, or refused in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_sft.codec.errors import ModelError
from napari_sft.models.weights_file import load_weights, save_weights

GROUPS = {
    'network': {'a.weight': torch.arange(6.0).view(2, 3).half()},
    'tables': {'cdfs': torch.tensor([0, 65536], dtype=torch.int32)},
}


def test_groups_facts_and_hash_come_back(tmp_path):
    path = tmp_path / 'w.safetensors'
    save_weights(path, GROUPS, {'model': 'x', 'sizes': [1, 2]})
    groups, about, weights_hash = load_weights(path)
    assert about == {'model': 'x', 'sizes': [1, 2]}
    assert groups.keys() == GROUPS.keys()
    weight = groups['network']['a.weight']
    assert torch.equal(weight, GROUPS['network']['a.weight'])
    assert weight.dtype == torch.float16
    assert weights_hash == hashlib.sha256(path.read_bytes()).digest()[:8]
    assert list(tmp_path.iterdir()) == [path]


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(ModelError, match='none.safetensors: cannot read'):
        load_weights(tmp_path / 'none.safetensors')


@pytest.mark.parametrize('keep', [0, 5, 60, -1])
def test_truncated_weights_are_refused(tmp_path, keep):
    path = tmp_path / 'w.safetensors'
    save_weights(path, GROUPS, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match='damaged weights'):
        load_weights(path)


@pytest.mark.parametrize(
    'metadata', [None, {'a': 'b'}, {'napari_sft': 'no'}, {'napari_sft': '3'}]
)
def test_weights_of_another_program_are_refused(tmp_path, metadata):
    path = tmp_path / 'w.safetensors'
    save_file({'a': torch.zeros(2)}, path, metadata)
    with pytest.raises(ModelError, match='none of napari-sft'):
        load_weights(path)


def test_a_full_disk_leaves_the_old_weights(tmp_path, monkeypatch):
    path = tmp_path / 'w.safetensors'
    save_weights(path, GROUPS, {'old': True})

    def write_half(self, data):
        with self.open('wb') as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', write_half)
    with pytest.raises(ModelError, match='No space left'):
        save_weights(path, GROUPS, {'old': False})
    assert list(tmp_path.iterdir()) == [path]
    assert load_weights(path)[1] == {'old': True}
