"""The paper's recipe for `song2021`, and its keys by the paper's names.

Source: Song, Choi, Han (ICCV 2021), section 4.1, and the configuration of
its public code. A file may use its names instead of ours:

===================================== ===================================
public code                           here
===================================== ===================================
max_itr, iterations                   steps
lr, lr_aux                            learning_rate, aux_learning_rate
lr_shedule_step, lr_shedule_scale     drop_steps, drop_factor
clip_max_norm                         clip_norm
batchsize, patchsize                  batch_size, patch_size
p                                     map_shares: p, p, p, 1 - 3 p
trainset                              sources, one of this path
testset                               kodak
N, M, sft_ks                          sizes
log_itr, test_itr, snapshot_save_itr  log_steps, validation_steps,
                                      snapshot_steps
batchsize_test, worker_num            no use: validation goes by eights, a
                                      thread draws the next batch
set_lr                                no use: a resumed run takes the rates
                                      of its configuration
===================================== ===================================
"""

from __future__ import annotations

from typing import Any

from napari_sft_training.config_checks import ConfigError, typed

PAPER_DEFAULTS: dict[str, Any] = {
    'batch_size': 8,
    'patch_size': 256,
    'steps': 2_000_000,
    'warmup_steps': 0,
    'decay_steps': 0,
    'drop_steps': 1_400_000,
    'optimiser': 'adam',
    'learning_rate': 1e-4,
    'lambda_weight': 0.0,
    'ema': 0.0,
    'map_shares': [0.2, 0.2, 0.2, 0.4],
    'zero_share': 0.01,
    'gray_share': 0.0,
    'precision': 'float32',
    'snapshot_steps': 100_000,
    'validation_steps': 10_000,
    'log_steps': 1000,
}
_ALIASES = {
    'max_itr': 'steps',
    'iterations': 'steps',
    'lr': 'learning_rate',
    'lr_aux': 'aux_learning_rate',
    'lr_shedule_step': 'drop_steps',
    'lr_shedule_scale': 'drop_factor',
    'clip_max_norm': 'clip_norm',
    'batchsize': 'batch_size',
    'patchsize': 'patch_size',
    'testset': 'kodak',
    'log_itr': 'log_steps',
    'test_itr': 'validation_steps',
    'snapshot_save_itr': 'snapshot_steps',
}
_SIZES = ('N', 'M', 'sft_ks')
_WITHOUT_USE = ('batchsize_test', 'worker_num', 'set_lr')


def by_our_names(values: dict[Any, Any]) -> dict[Any, Any]:
    """The values with the paper's keys renamed.

    Raises
    ------
    ConfigError
        If a key is given by both names, or a value cannot be carried over.
    """
    ours: dict[Any, Any] = {}
    for key, value in values.items():
        if key in _WITHOUT_USE:
            _check_without_use(key, value)
        elif key in _SIZES:
            sizes = typed('sizes', values.get('sizes', {}), dict)
            ours['sizes'] = {**ours.get('sizes', sizes), key: value}
        elif key == 'sizes':
            ours.setdefault('sizes', value)
        else:
            name, value = _renamed(key, value)
            if name in ours:
                raise ConfigError(f'{name} is given twice, once as {key}')
            ours[name] = value
    return ours


def _renamed(key: Any, value: Any) -> tuple[Any, Any]:
    if key == 'p':
        p = typed(key, value, float)
        return 'map_shares', [p, p, p, round(1 - 3 * p, 9)]
    if key == 'trainset':
        return 'sources', [{'path': value}]
    return _ALIASES.get(key, key), value


def _check_without_use(key: str, value: Any) -> None:
    if key == 'set_lr' and typed(key, value, float):
        raise ConfigError(
            'set_lr: give learning_rate; a resumed run takes the rates of '
            'its configuration'
        )
