"""Training configuration: one dataclass, read from YAML and checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from napari_sft.codec.errors import SftError
from napari_sft_training.images import Source


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
        Pixels and patches of a step.
    steps, warmup_steps, decay_steps : int
        Length of the run; the learning rate rises over the first, stays,
        and falls along a half cosine over the last.
    learning_rate, linear_learning_rate, gain_learning_rate : float
        Adam's peak, of networks, of the linear (principal component) paths
        and of the gains of y.
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
    validation_steps, log_steps : int
        Steps between validations and between lines of the log.
    model : dict
        Overrides of the model's sizes.
    """

    sources: list[dict[str, Any]] = field(default_factory=list)
    kodak: str = ''
    patch_size: int = 256
    batch_size: int = 4
    steps: int = 150_000
    warmup_steps: int = 200
    decay_steps: int = 20_000
    learning_rate: float = 1e-3
    linear_learning_rate: float = 1e-4
    gain_learning_rate: float = 1e-3
    clip_norm: float = 1.0
    ema: float = 0.9995
    map_shares: list[float] = field(
        default_factory=lambda: [0.4, 0.2, 0.2, 0.2]
    )
    gray_share: float = 0.05
    precision: str = 'bfloat16'
    checkpoint_minutes: float = 10.0
    validation_steps: int = 1000
    log_steps: int = 50
    model: dict[str, Any] = field(default_factory=dict)

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
        path.write_text(yaml.safe_dump(asdict(self), sort_keys=False))


def load_config(path: Path, **overrides: Any) -> TrainingConfig:
    """Read a YAML file; unknown keys and wrong types are named.

    Raises
    ------
    ConfigError
        With the key that is wrong.
    """
    values = yaml.safe_load(path.read_text()) or {}
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: expected `key: value` lines')
    values.update(overrides)
    defaults = TrainingConfig()
    known = {f.name for f in fields(TrainingConfig)}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f'{path}: unknown key {key!r}; known: {sorted(known)}'
            )
        expected = type(getattr(defaults, key))
        if expected is float and isinstance(value, int | str):
            values[key] = value = _as_float(path, key, value)
        if not isinstance(value, expected):
            raise ConfigError(
                f'{path}: {key} must be {expected.__name__}, '
                f'not {type(value).__name__}'
            )
    return TrainingConfig(**values)


def _as_float(path: Path, key: str, value: int | str) -> float:
    try:  # YAML reads 4e-4 as text
        return float(value)
    except ValueError:
        raise ConfigError(f'{path}: {key} must be a number') from None
