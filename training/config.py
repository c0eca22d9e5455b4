"""Training configuration: one dataclass, read from YAML and checked."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from napari_sft_training.config_checks import (
    ConfigError,
    check_map_shares,
    check_sizes,
    check_source,
    has_feedback,
    typed,
)
from napari_sft_training.config_paper import PAPER_DEFAULTS, by_our_names
from napari_sft_training.images import Source

FILE_NAME = 'config.yaml'  # in the folder of a run
MODELS = ('compact', 'song2021')
PATCH_MULTIPLE = 64  # pixels of a hyper-latent
LARGEST_VALIDATION = 256
# The hyper-analysis of song2021 mirrors two positions at 1/32.
SMALLEST_PATCH = {'compact': 64, 'song2021': 128}
CHOICES = {
    'model': MODELS,
    'precision': ('auto', 'bfloat16', 'float16', 'float32'),
    'device': ('auto', 'cpu', 'cuda'),
    'optimiser': ('adam', 'muon'),
}
_POSITIVE = (
    'batch_size',
    'steps',
    'learning_rate',
    'encoder_learning_rate',
    'decoder_learning_rate',
    'linear_learning_rate',
    'gain_learning_rate',
    'feedback_learning_rate',
    'aux_learning_rate',
    'drop_factor',
    'validation_steps',
    'log_steps',
    'start_patches',
    'validation_patches',
)
_SHARES = ('ema', 'gray_share', 'zero_share')


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
        step, of all processes together.
    steps, warmup_steps, decay_steps : int
        Length of the run; the learning rate rises over the first, stays,
        and falls along a half cosine over the last.
    drop_steps : int
        Steps after which, each time, the rates are multiplied by
        `drop_factor`; 0 for never.
    drop_factor : float
        The paper's are 0.1 after 1.4 million.
    minutes, decay_minutes : float
        Wall time of the run, counted from each start, and of the fall of
        the learning rate before its end; 0 for steps alone.
    optimiser : str
        'adam', or 'muon' for the weights of wide convolutions and Adam for
        the rest.
    learning_rate, encoder_learning_rate, decoder_learning_rate : float
        The optimiser's peak, of the hyper networks and the context, of g_a
        and of g_s.
    linear_learning_rate, gain_learning_rate : float
        Of the linear (principal component) paths and of the gains of y. A
        block's mean is a hundred times its fine detail, so what a small
        change of a basis vector lets through of it is large. song2021
        takes the first one for all its parameters, and for its factorised
        prior the next one.
    feedback_learning_rate : float
        Of the feedback that corrects compact's y.
    aux_learning_rate : float
        Of the auxiliary optimiser.
    corrections : int
        How often compact's y is corrected by its feedback, as when files are
        written, in validation, and at most in training, where the number is
        drawn: all but g_a, gains and what is read from the map is trained
        then. At 0 all but the feedback is.
    lambda_weight : float
        Exponent w of ``lambda**-w``, which weights a sample's loss: 0 lets
        high qualities, whose losses are largest, decide; 0.5 evens out.
    clip_norm : float
        Largest gradient norm; 0 for any.
    ema : float
        Decay of the averaged weights; 0 for the latest ones.
    map_shares : list of float
        Shares of uniform, region, gradient and blob quality maps.
    zero_share : float
        Share of the uniform maps whose quality is 0.
    gray_share : float
        Share of patches turned gray.
    precision : str
        Of the convolutions: 'bfloat16', 'float16' (CUDA alone), 'float32',
        or 'auto' for bfloat16 where the hardware multiplies it faster than
        float32.
    device : str
        'auto', 'cpu' or 'cuda'.
    compile : bool
        Whether torch.compile makes the networks faster; it takes minutes.
    captured : bool
        Whether a GPU draws compact's patches itself and replays each step
        from a graph: many times faster than launching its kernels.
    workers : int
        Processes that draw patches ahead; 0 draws them between the steps. A
        fast GPU is kept busy by eight or more.
    checkpoint_minutes : float
        Time between checkpoints.
    snapshot_steps : int
        Steps between snapshots that are kept; 0 for none.
    validation_steps, log_steps : int
        Steps between validations and between lines of the log.
    start_patches, validation_patches : int
        Patches that give the model its start, and that it is validated on.
    validation_patch_size : int
        Height and width of validation patches, so that runs with other
        `patch_size` compare; 0 for the same, at most 256.
    model : str
        'compact' or 'song2021'. Older files have a mapping here: compact's
        sizes.
    sizes : dict
        Overrides of the model's sizes, those of `CompactConfig` or
        `Song2021Config`.

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
    drop_steps: int = 0
    drop_factor: float = 0.1
    minutes: float = 0.0
    decay_minutes: float = 0.0
    optimiser: str = 'muon'
    learning_rate: float = 1e-3
    encoder_learning_rate: float = 5e-4
    decoder_learning_rate: float = 1.5e-3
    linear_learning_rate: float = 5e-6
    gain_learning_rate: float = 5e-4
    feedback_learning_rate: float = 3e-3
    aux_learning_rate: float = 1e-3
    corrections: int = 0
    lambda_weight: float = 0.3
    clip_norm: float = 1.0
    ema: float = 0.9995
    map_shares: list[float] = field(
        default_factory=lambda: [0.4, 0.2, 0.2, 0.2]
    )
    zero_share: float = 0.0
    gray_share: float = 0.05
    precision: str = 'auto'
    device: str = 'auto'
    compile: bool = False
    captured: bool = False
    workers: int = 0
    checkpoint_minutes: float = 10.0
    snapshot_steps: int = 0
    validation_steps: int = 1000
    log_steps: int = 50
    start_patches: int = 400
    validation_patches: int = 48
    validation_patch_size: int = 0
    model: str = 'compact'
    sizes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.model, dict):
            if self.sizes:
                raise ConfigError('model is a mapping, yet there are sizes')
            self.model, self.sizes = 'compact', self.model
        for f in fields(self):
            default = f.default
            if default is MISSING:
                default = f.default_factory()  # type: ignore[misc]
            value = typed(f.name, getattr(self, f.name), type(default))
            setattr(self, f.name, value)
            _check_range(f.name, value)
        self._check_patch_sizes()
        for number, source in enumerate(self.sources):
            check_source(number, source)
        check_map_shares(self.map_shares)
        check_sizes(self.model, self.sizes)
        if self.corrections and not has_feedback(self.model, self.sizes):
            raise ConfigError(
                'corrections need a compact with feedback: leave '
                'sizes.feedback_channels above 0'
            )

    def _check_patch_sizes(self) -> None:
        self.validation_patch_size = self.validation_patch_size or min(
            LARGEST_VALIDATION, self.patch_size
        )
        smallest = SMALLEST_PATCH[self.model]
        for key in ('patch_size', 'validation_patch_size'):
            size = getattr(self, key)
            if size % PATCH_MULTIPLE or size < smallest:
                raise ConfigError(
                    f'{key} must be a multiple of {PATCH_MULTIPLE}, at '
                    f'least {smallest} for {self.model}, not {size}'
                )

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
    try:
        config = config_of({**values, **overrides})
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from None
    if not config.sources:
        raise ConfigError(f'{path}: sources must name a folder of pictures')
    return config


def config_of_run(checkpoint: Path, given: Path | None) -> TrainingConfig:
    """The configuration of a snapshot's run: the one given, or its own.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return load_config(given or checkpoint.parent.parent / FILE_NAME)


def config_of(values: dict[Any, Any]) -> TrainingConfig:
    """A configuration, by our keys or the paper's.

    What is not given is that of the model's recipe: the defaults of
    `TrainingConfig` for compact, `PAPER_DEFAULTS` for song2021.

    Raises
    ------
    ConfigError
        With the key that is wrong.
    """
    values = by_our_names(values)
    known = [f.name for f in fields(TrainingConfig)]
    for key in values:
        if key not in known:
            raise ConfigError(
                f'unknown key {key!r}; known: {", ".join(known)}'
            )
    if values.get('model') == 'song2021':
        values = {**PAPER_DEFAULTS, **values}
    return TrainingConfig(**values)


def _check_range(key: str, value: Any) -> None:
    choices = CHOICES.get(key)
    if choices and value not in choices:
        raise ConfigError(
            f'{key} must be one of {", ".join(choices)}, not {value!r}'
        )
    if key in _POSITIVE and value <= 0:
        raise ConfigError(f'{key} must be above 0, not {value}')
    if key in _SHARES and not 0 <= value <= 1:
        raise ConfigError(f'{key} must be in 0..1, not {value}')
    if isinstance(value, int | float) and value < 0:
        raise ConfigError(f'{key} must not be under 0')


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            'configurations need PyYAML: pip install napari-sft[training]'
        ) from None
    return yaml
