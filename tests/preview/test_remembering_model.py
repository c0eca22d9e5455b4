"""Steps with the same inputs are computed once, others anew."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_sft.preview.remembering_model import (
    RememberingModel,
    digest,
    memory,
)


class Model:
    """Counts its steps, which give what they were given."""

    name = 'model'
    window = 1 << 20
    colours = None
    halo = SimpleNamespace(analysis=4)

    def __init__(self, weights_hash=b'a'):
        self.weights_hash = weights_hash
        self.steps = 0

    def analyse(self, x, fine):
        self.steps += 1
        return torch.from_numpy(x)

    def quantise(self, y, z, y_indices, fine):
        self.steps += 1
        return z + 1, (y,)


FINE = np.zeros((2, 2), np.int32)


def picture(value):
    return np.full((4, 4, 3), value, np.float32)


def test_a_step_is_computed_once_for_the_same_inputs():
    model = Model()
    watched = RememberingModel(model, lambda: None, memory(1 << 20))
    first = watched.analyse(picture(1), FINE)
    assert watched.analyse(picture(1), FINE) is first
    assert model.steps == 1
    watched.analyse(picture(2), FINE)
    watched.analyse(picture(1), FINE + 1)
    assert model.steps == 3
    assert watched.name == 'model'


def test_other_weights_do_not_share_results():
    results = memory(1 << 20)
    for weights in (b'a', b'b'):
        model = Model(weights)
        watched = RememberingModel(model, lambda: None, results)
        watched.analyse(picture(1), FINE)
        assert model.steps == 1


def test_without_a_memory_all_is_computed():
    model = Model()
    watched = RememberingModel(model, lambda: None)
    watched.analyse(picture(1), FINE)
    watched.analyse(picture(1), FINE)
    assert model.steps == 2


def test_the_last_symbols_are_told_also_when_they_are_remembered():
    watched = RememberingModel(Model(), lambda: None, memory(1 << 20))
    z = np.arange(4).reshape(1, 2, 2)
    for _ in range(2):
        watched.coded = None
        watched.quantise(torch.zeros(1), z, z, FINE)
        np.testing.assert_array_equal(watched.coded.z, z)
        np.testing.assert_array_equal(watched.coded.y, z + 1)


def test_what_follows_from_symbols_is_made_once_for_each_place():
    watched = RememberingModel(Model(), lambda: None, memory(1 << 20))
    made = []

    def follow(value, place):
        z = np.full((1, 2, 2), value)
        watched.quantise(torch.zeros(1), z, z, FINE)
        return watched.follows(
            'twice', place, lambda: made.append(place) or 2 * watched.coded.z
        )

    for place in 'aab':
        np.testing.assert_array_equal(follow(1, place), np.full((1, 2, 2), 2))
    assert made == ['a', 'b']
    np.testing.assert_array_equal(follow(2, 'a'), np.full((1, 2, 2), 4))


def test_windows_are_small_only_where_steps_are_remembered():
    model = Model()
    assert RememberingModel(model, lambda: None).window == model.window
    small = RememberingModel(model, lambda: None, memory(1)).window
    assert small == 512**2
    model.window = 100
    assert RememberingModel(model, lambda: None, memory(1)).window == 100


def test_what_checks_may_end_the_work_before_each_step():
    model = Model()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RememberingModel(model, stop).analyse(picture(1), FINE)
    assert not model.steps


def test_digests_tell_values_types_and_shapes_apart():
    values = [
        np.zeros(4, np.float32),
        np.zeros(4, np.int32),
        np.zeros((2, 2), np.float32),
        np.ones(4, np.float32),
        (np.zeros(4, np.float32), np.zeros(4, np.float32)),
    ]
    assert len({digest(value) for value in values}) == len(values)
    half = torch.ones(4, dtype=torch.bfloat16)
    assert digest(half) == digest(np.ones(4, np.float32))
    assert digest(np.arange(8)[::2]) == digest(np.arange(0, 8, 2))
