"""The learning rate rises, stays, falls, and drops where it is told to."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sft_training.config import TrainingConfig, config_of
from napari_sft_training.schedule import learning_rate_factor


def test_learning_rate_rises_stays_and_falls_along_a_cosine():
    config = TrainingConfig(steps=100, warmup_steps=10, decay_steps=20)
    factor = [learning_rate_factor(config, step) for step in range(101)]
    assert factor[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert factor[10:81] == [1.0] * 71
    assert factor[85] == pytest.approx(0.5 - 0.5 * np.cos(np.pi * 0.75))
    assert factor[90] == pytest.approx(0.5)
    assert factor[100] == 0


def test_learning_rate_falls_over_the_last_minutes():
    config = TrainingConfig(
        steps=10**6, warmup_steps=1, minutes=60, decay_minutes=20
    )
    at = [learning_rate_factor(config, 50, m) for m in (0, 40, 50, 60, 70)]
    assert at == pytest.approx([1, 1, 0.5, 0, 0])


def test_steps_end_the_rate_before_the_minutes_do():
    config = TrainingConfig(
        steps=100, warmup_steps=1, decay_steps=20, minutes=60, decay_minutes=20
    )
    assert learning_rate_factor(config, 90, 10) == pytest.approx(0.5)


def test_minutes_without_decay_leave_the_rate_alone():
    config = TrainingConfig(steps=10**6, warmup_steps=1, minutes=60)
    assert learning_rate_factor(config, 50, 59.9) == 1


def test_the_papers_rate_is_a_tenth_after_1_4_million_steps():
    config = config_of({'model': 'song2021'})
    steps = (0, 1, 1_399_999, 1_400_000, 1_999_999)
    factors = [learning_rate_factor(config, step) for step in steps]
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1])


def test_rates_drop_every_so_many_steps():
    config = TrainingConfig(
        steps=100,
        warmup_steps=0,
        decay_steps=0,
        drop_steps=30,
        drop_factor=0.5,
    )
    factors = [learning_rate_factor(config, step) for step in (29, 30, 60)]
    assert factors == [1, 0.5, 0.25]
