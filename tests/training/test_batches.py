"""Batches are drawn by number, and continue exactly from a state."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_sft_training.batches import Batches
from napari_sft_training.config import TrainingConfig
from napari_sft_training.images import PatchSampler


@pytest.fixture
def make_batches(tiny_values: dict[str, Any]):
    def make(*seed: int, workers: int = 0) -> Batches:
        config = TrainingConfig(**tiny_values, workers=workers)
        sampler = PatchSampler(config.picture_sources(), 64)
        return Batches(sampler, config, 2, seed or [0])

    return make


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_batches_are_patches_and_maps(make_batches):
    x, q = make_batches().take()
    assert x.shape == (2, 3, 64, 64)
    assert q.shape == (2, 1, 64, 64)
    for tensor in (x, q):
        assert tensor.dtype == torch.float32
        assert tensor.min() >= 0
        assert tensor.max() <= 1


@pytest.mark.parametrize('taken', [0, 1, 3])
def test_a_state_gives_the_batches_that_follow_it(make_batches, taken):
    batches = make_batches()
    for _ in range(taken):
        batches.take()
    state = batches.state
    following = [batches.take() for _ in range(2)]
    other = make_batches(5)
    other.take()
    other.state = state
    assert other.state == state
    assert all(same(other.take(), batch) for batch in following)


def test_a_state_of_an_older_snapshot_starts_another_sequence(make_batches):
    fresh, resumed, again = (make_batches() for _ in range(3))
    for batches in (resumed, again):
        batches.state = '{"bit_generator": "PCG64", "state": {"state": 1}}'
    batch = resumed.take()
    assert not same(fresh.take(), batch)
    assert same(again.take(), batch)


def test_batches_and_seeds_differ(make_batches):
    one, other = make_batches(), make_batches(1)
    first = one.take()
    assert not same(first, one.take())
    assert not same(first, other.take())


def test_no_process_starts_with_a_batch_of_the_first(make_batches):
    first, fourth = make_batches(0), make_batches(0, 3)
    batch = fourth.take()
    assert not any(same(first.take(), batch) for _ in range(5))


def test_any_number_of_processes_gives_the_same_batches(make_batches):
    alone, helped = make_batches(), make_batches(workers=2)
    noise = torch.get_rng_state()
    assert all(same(alone.take(), helped.take()) for _ in range(5))
    assert torch.equal(torch.get_rng_state(), noise)
    alone.state = helped.state
    assert same(alone.take(), helped.take())


@pytest.mark.parametrize('workers', [0, 1])
def test_what_goes_wrong_is_told_in_one_line(
    make_batches, monkeypatch, workers
):
    batches = make_batches(workers=workers)

    def broken(sampler, rng):
        raise OSError('disk gone')

    monkeypatch.setattr(PatchSampler, 'sample', broken)
    with pytest.raises(OSError, match='^disk gone$'):
        batches.take()
