"""Learning rates: a peak for each parameter, a factor for each step."""

from __future__ import annotations

import math

from napari_sft_training.config import TrainingConfig


def learning_rate_key(name: str) -> str:
    """Key of the configuration with the peak rate of compact's parameter."""
    if name in {'log_gain', 'kappa'}:
        return 'gain_learning_rate'
    if '.linear.' in name:
        return 'linear_learning_rate'
    if name.startswith('feedback.'):
        return 'feedback_learning_rate'
    if name.startswith('g_a.'):
        return 'encoder_learning_rate'
    if name.startswith('g_s.'):
        return 'decoder_learning_rate'
    return 'learning_rate'


def learning_rate_factor(
    config: TrainingConfig, step: int, elapsed: float = 0.0
) -> float:
    """Share of the peak learning rate.

    Parameters
    ----------
    config : TrainingConfig
        Its steps, and its minutes if it has any; what ends first counts.
    step : int
        Steps done.
    elapsed : float
        Minutes since the loop was entered.
    """
    warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    left = max(config.steps - step, 0) / max(config.decay_steps, 1)
    if config.minutes and config.decay_minutes:
        minutes = max(config.minutes - elapsed, 0.0)
        left = min(left, minutes / config.decay_minutes)
    factor = warm * (0.5 - 0.5 * math.cos(math.pi * min(left, 1.0)))
    if config.drop_steps:
        factor *= config.drop_factor ** (step // config.drop_steps)
    return factor
