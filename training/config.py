"""Training configuration: one dataclass, read from YAML and checked."""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from napari_sft.codec.errors import SftError
from napari_sft_training.images import Source

PATCH_MULTIPLE = 64  # pixels of a hyper-latent
PRECISIONS = ('bfloat16', 'float32')
_TYPES = {
    int: 'a whole number',
    float: 'a number',
    str: 'text',
    list: 'a list',
    dict: 'a mapping',
}
_POSITIVE = (
    'batch_size',
    'steps',
    'learning_rate',
    'encoder_learning_rate',
    'decoder_learning_rate',
    'linear_learning_rate',
    'gain_learning_rate',
    'clip_norm',
    'validation_steps',
    'log_steps',
    'start_patches',
    'validation_patches',
)
_SHARES = ('ema', 'gray_share')


class ConfigError(SftError):
    """A training configuration that cannot be used."""


@dataclass
class TrainingConfig:
    """Everything that decides a training run.

    Attributes
    ----------
    sources : list of dict
        `path`, `share` and optionally `regions` of each picture folder.
    kodak : str
        Folder that is measured, never trained on; '' for none.
    patch_size, batch_size : int
        Height and width of a patch, a multiple of 64 pixels, and patches a
        step.
    steps, warmup_steps, decay_steps : int
        Length of the run; the learning rate rises over the first, stays,
        and falls along a half cosine over the last.
    minutes, decay_minutes : float
        Wall time of the run, counted from each start, and of the fall of
        the learning rate before its end; 0 for steps alone.
    learning_rate, encoder_learning_rate, decoder_learning_rate : float
        Adam's peak, of the hyper networks and the context, of g_a and g_s.
    linear_learning_rate, gain_learning_rate : float
        Of the linear (principal component) paths and of the gains of y. A
        block's mean is a hundred times its fine detail, so what a small
        change of a basis vector lets through of it is large.
    lambda_weight : float
        Exponent w of ``lambda**-w``, which weights a sample's loss: 0 lets
        high qualities, whose losses are largest, decide; 0.5 evens out.
    clip_norm : float
        Largest gradient norm.
    ema : float
        Decay of the averaged weights.
    map_shares : list of float
        Shares of uniform, region, gradient and blob quality maps.
    gray_share : float
        Share of patches turned gray.
    precision : str
        'bfloat16' or 'float32', of the convolutions.
    checkpoint_minutes : float
        Time between checkpoints.
    snapshot_steps : int
        Steps between snapshots that are kept; 0 for none.
    validation_steps, log_steps : int
        Steps between validations and between lines of the log.
    start_patches, validation_patches : int
        Patches that give the model its start, and that it is validated on.
    model : dict
        Overrides of the model's sizes, those of `CompactConfig`.

    Raises
    ------
    ConfigError
        With the key that is wrong.
    """

    sources: list[dict[str, Any]] = field(default_factory=list)
    kodak: str = ''
    patch_size: int = 256
    batch_size: int = 4
    steps: int = 150_000
    warmup_steps: int = 200
    decay_steps: int = 20_000
    minutes: float = 0.0
    decay_minutes: float = 0.0
    learning_rate: float = 1e-3
    encoder_learning_rate: float = 4e-4
    decoder_learning_rate: float = 2e-3
    linear_learning_rate: float = 5e-6
    gain_learning_rate: float = 5e-4
    lambda_weight: float = 0.4
    clip_norm: float = 1.0
    ema: float = 0.9995
    map_shares: list[float] = field(
        default_factory=lambda: [0.4, 0.2, 0.2, 0.2]
    )
    gray_share: float = 0.05
    precision: str = 'bfloat16'
    checkpoint_minutes: float = 10.0
    snapshot_steps: int = 0
    validation_steps: int = 1000
    log_steps: int = 50
    start_patches: int = 400
    validation_patches: int = 48
    model: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for f in fields(self):
            default = f.default
            if default is MISSING:
                default = f.default_factory()  # type: ignore[misc]
            value = getattr(self, f.name)
            value = _typed(f.name, value, type(default))
            setattr(self, f.name, value)
            if f.name in _POSITIVE and value <= 0:
                raise ConfigError(f'{f.name} must be above 0, not {value}')
            if f.name in _SHARES and not 0 <= value <= 1:
                raise ConfigError(f'{f.name} must be in 0..1, not {value}')
            if isinstance(value, int | float) and value < 0:
                raise ConfigError(f'{f.name} must not be under 0')
        if self.patch_size % PATCH_MULTIPLE or not self.patch_size:
            raise ConfigError(
                f'patch_size must be a multiple of {PATCH_MULTIPLE}, not '
                f'{self.patch_size}'
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f'precision must be one of {", ".join(PRECISIONS)}, not '
                f'{self.precision!r}'
            )
        for number, source in enumerate(self.sources):
            _check_source(number, source)
        _check_map_shares(self.map_shares)
        _check_model(self.model)

    def picture_sources(self) -> list[Source]:
        """The sources as objects."""
        return [
            Source(
                Path(s['path']),
                float(s.get('share', 1.0)),
                Path(s['regions']) if 'regions' in s else None,
            )
            for s in self.sources
        ]

    def save(self, path: Path) -> None:
        """Write the configuration as YAML."""
        text = _yaml().safe_dump(asdict(self), sort_keys=False)
        path.write_text(text, encoding='utf-8')


def load_config(path: Path, **overrides: Any) -> TrainingConfig:
    """Read a YAML file; unknown keys and wrong types are named.

    Raises
    ------
    ConfigError
        With the file and the key that is wrong.
    """
    yaml = _yaml()
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    except OSError as error:
        raise ConfigError(f'{path}: {error.strerror}') from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise ConfigError(f'{path}: no YAML: {reason}') from None
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: expected `key: value` lines')
    values.update(overrides)
    known = [f.name for f in fields(TrainingConfig)]
    for key in values:
        if key not in known:
            raise ConfigError(
                f'{path}: unknown key {key!r}; known: {", ".join(known)}'
            )
    try:
        config = TrainingConfig(**values)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from None
    if not config.sources:
        raise ConfigError(f'{path}: sources must name a folder of pictures')
    return config


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            'configurations need PyYAML: pip install napari-sft[training]'
        ) from None
    return yaml


def _typed(key: str, value: Any, expected: type) -> Any:
    """The value in its type; whole numbers pass for others, booleans don't."""
    if expected is float and not isinstance(value, bool):
        try:  # YAML reads 4e-4 as text
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return number
    elif isinstance(value, expected) and not isinstance(value, bool):
        return value
    raise ConfigError(
        f'{key} must be {_TYPES[expected]}, not {value!r} '
        f'({type(value).__name__})'
    )


def _check_source(number: int, source: Any) -> None:
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
        _typed(f'{key}.{name}', source[name], str)
    share = _typed(f'{key}.share', source.get('share', 1.0), float)
    if share <= 0:
        raise ConfigError(f'{key}.share must be above 0, not {share:g}')


def _check_map_shares(shares: list[Any]) -> None:
    numbers = [_typed('map_shares', share, float) for share in shares]
    whole = math.isclose(sum(numbers), 1.0, abs_tol=1e-6)
    if len(numbers) != 4 or min(numbers) < 0 or not whole:
        raise ConfigError(
            'map_shares must be 4 numbers of 0 or more that sum to 1, '
            f'not {shares}'
        )


def _check_model(model: dict[Any, Any]) -> None:
    from napari_sft.models.compact import CompactConfig

    defaults = asdict(CompactConfig())
    for key, value in model.items():
        if key not in defaults:
            raise ConfigError(
                f'model has the unknown key {key!r}; known: '
                + ', '.join(defaults)
            )
        sizes = [value] if isinstance(defaults[key], int) else value
        whole = isinstance(sizes, list | tuple) and all(
            type(size) is int and size > 0 for size in sizes
        )
        count = 1 if isinstance(defaults[key], int) else len(defaults[key])
        if not whole or len(sizes) != count:
            kind = 'a whole number' if count == 1 else f'{count} whole numbers'
            raise ConfigError(
                f'model.{key} must be {kind} above 0, not {value!r}'
            )
