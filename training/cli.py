"""`napari-sft-train`: the training package's command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help='Train, measure and export models for napari-sft.',
)


@app.command()
def run(
    config: Annotated[Path, typer.Option(help='YAML file of the run.')],
    name: Annotated[str, typer.Option(help='Folder in results/.')] = 'compact',
    resume: Annotated[
        Path | None, typer.Option(help='Checkpoint to go on from.')
    ] = None,
    seed: Annotated[int, typer.Option(help='Random seed.')] = 0,
    steps: Annotated[
        int | None, typer.Option(help='Total steps, instead of the file.')
    ] = None,
    decay_steps: Annotated[
        int | None, typer.Option(help='Steps of decay, instead of the file.')
    ] = None,
) -> None:
    """Train a model.

    Example: napari-sft-train run --config training/configs/compact.yaml
    """
    from napari_sft_training.config import load_config
    from napari_sft_training.loop import Trainer

    overrides = {'steps': steps, 'decay_steps': decay_steps}
    settings = load_config(
        config, **{k: v for k, v in overrides.items() if v is not None}
    )
    trainer = Trainer(settings, Path('results') / name, seed)
    if resume is None:
        trainer.start()
    else:
        trainer.resume(resume)
    trainer.run()


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help='Snapshot of a run.')],
    out: Annotated[Path, typer.Argument(help='Weights file to write.')],
    config: Annotated[
        Path | None, typer.Option(help="The run's config, if not beside it.")
    ] = None,
) -> None:
    """Export averaged weights for the codec.

    Example: napari-sft-train export results/compact/snapshots/last.pt
    compact.safetensors
    """
    from napari_sft_training.config import load_config
    from napari_sft_training.export import export_checkpoint

    beside = checkpoint.parent.parent / 'config.yaml'
    export_checkpoint(checkpoint, load_config(config or beside), out)


def main() -> None:
    """Entry point."""
    app()


if __name__ == '__main__':
    main()
