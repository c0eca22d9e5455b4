"""Checks of a configuration's values, each naming the key that is wrong."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from napari_sft.codec.errors import ModelError, SftError

_TYPES = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'text',
    list: 'a list',
    dict: 'a mapping',
}
_OPTIONAL_SIZES = ('sizes.feedback_channels',)  # 0: without that part


class ConfigError(SftError):
    """A training configuration that cannot be used."""


def typed(key: str, value: Any, expected: type) -> Any:
    """The value in its type; whole numbers pass for floats.

    Raises
    ------
    ConfigError
        If it is of another type; booleans are no numbers.
    """
    if expected is bool and isinstance(value, bool):
        return value
    if isinstance(value, bool):
        pass
    elif expected is float:
        try:  # YAML reads 4e-4 as text
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return number
    elif isinstance(value, expected):
        return value
    raise ConfigError(
        f'{key} must be {_TYPES[expected]}, not {value!r} '
        f'({type(value).__name__})'
    )


def check_source(number: int, source: Any) -> None:
    """A source of pictures has a path, and nothing unknown."""
    key = f'sources[{number}]'
    if not isinstance(source, dict):
        raise ConfigError(f'{key} must have a `path`, not be {source!r}')
    unknown = set(source) - {'path', 'share', 'regions'}
    if unknown:
        raise ConfigError(
            f'{key} has the unknown key {sorted(map(str, unknown))[0]!r}; '
            'known: path, share, regions'
        )
    if 'path' not in source:
        raise ConfigError(f'{key} has no `path`')
    for name in {'path', 'regions'} & set(source):
        typed(f'{key}.{name}', source[name], str)
    share = typed(f'{key}.share', source.get('share', 1.0), float)
    if share <= 0:
        raise ConfigError(f'{key}.share must be above 0, not {share:g}')


def check_map_shares(shares: list[Any]) -> None:
    """Shares of the four kinds of maps sum to 1."""
    numbers = [typed('map_shares', share, float) for share in shares]
    whole = math.isclose(sum(numbers), 1.0, abs_tol=1e-6)
    if len(numbers) != 4 or min(numbers) < 0 or not whole:
        raise ConfigError(
            'map_shares must be 4 numbers of 0 or more that sum to 1, '
            f'not {shares}'
        )


def check_sizes(model: str, sizes: dict[Any, Any]) -> None:
    """Sizes are those of the model, of their type and possible."""
    from napari_sft.models.compact import CompactConfig
    from napari_sft.models.song2021 import Song2021Config

    kind = CompactConfig if model == 'compact' else Song2021Config
    defaults = asdict(kind())
    for key, value in sizes.items():
        if key not in defaults:
            raise ConfigError(
                f'sizes has the key {key!r}, unknown to {model}; known: '
                + ', '.join(defaults)
            )
        _check_size(f'sizes.{key}', value, defaults[key])
    try:
        kind(**sizes)
    except ModelError as error:
        raise ConfigError(f'sizes: {error}') from None


def has_feedback(model: str, sizes: dict[Any, Any]) -> bool:
    """Whether a model of these sizes has a feedback to train."""
    return model == 'compact' and sizes.get('feedback_channels') != 0


def _check_size(key: str, value: Any, default: Any) -> None:
    if isinstance(default, bool):
        typed(key, value, bool)
        return
    several = not isinstance(default, int)
    given = value if several else [value]
    least = 0 if key in _OPTIONAL_SIZES else 1
    whole = isinstance(given, list | tuple) and all(
        type(size) is int and size >= least for size in given
    )
    count = len(default) if several else 1
    if not whole or len(given) != count:
        what = f'{count} whole numbers' if several else 'a whole number'
        raise ConfigError(
            f'{key} must be {what}, at least {least}, not {value!r}'
        )
