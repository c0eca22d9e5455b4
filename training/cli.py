"""Train, measure and export models for napari-sft.

\b
Make category masks and a list of pictures of COCO, to train from:
  napari-sft-train prepare coco /data/coco --split train2017
Check the whole path, minutes on a laptop's CPU:
  napari-sft-train run --config training/configs/smoke.yaml --name smoke
Train the bundled model; stop early with Ctrl-C, and go on:
  napari-sft-train run --config training/configs/compact.yaml
  napari-sft-train run --config training/configs/compact.yaml
      --resume results/compact/snapshots/last.pt
The paper's network, on four GPUs:
  torchrun --nproc-per-node 4 -m napari_sft_training.cli
      run --config training/configs/song2021.yaml
Compact within six hours, the last one with a falling learning rate:
  napari-sft-train run --config training/configs/compact.yaml
      --minutes 360 --decay-minutes 60
On from the bundled weights on one GPU, as fast as it goes:
  napari-sft-train run --config training/configs/compact_gpu.yaml
      --weights compact --minutes 60 --decay-minutes 30
Fit the bundled model to your own pictures, those that a copy of
training/configs/compact_on.yaml names:
  napari-sft-train run --config mine.yaml --weights compact --steps 5000
See whether qualities weigh rate and error as they should:
  napari-sft-train rename-quality results/compact/snapshots/last.pt
Write the weights that code files:
  napari-sft-train export results/compact/snapshots/best.pt
      compact.safetensors
Draw what `napari-sft evaluate FOLDER --json kodak.json` measured:
  napari-sft-train plot kodak.json --out rd.png --bd-rate

A run lies in results/NAME: config.yaml, log.jsonl, logs/ for TensorBoard,
snapshots/ with last.pt and best.pt, the best by validation, and outputs/
with some validation patches: as they are, and at qualities 0, 50 and 100.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from napari_sft_training.failure import errors_on_one_line
from napari_sft_training.operating_point_cli import rename_quality
from napari_sft_training.plot_cli import plot, plot_runs
from napari_sft_training.prepare_cli import prepare

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help=__doc__,
)


app.add_typer(prepare, name='prepare')
app.command()(rename_quality)
app.command()(plot)
app.command()(plot_runs)


def refuse_used(folder: Path) -> None:
    """Keep an earlier run from being overwritten.

    Raises
    ------
    SftError
        The folder holds something already.
    """
    from napari_sft.codec.errors import SftError

    # Processes that torchrun starts beside the first may come after it.
    first = os.environ.get('RANK', '0') == '0'
    if first and folder.exists() and any(folder.iterdir()):
        raise SftError(
            f'{folder} holds a run already; give another --name, or go on '
            f'with --resume {folder / "snapshots" / "last.pt"}'
        )


@app.command()
def run(
    config: Annotated[Path, typer.Option(help='YAML file of the run.')],
    name: Annotated[
        str | None,
        typer.Option(help="Folder in results/; the model's name if none."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help='Checkpoint to go on from.')
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help='Exported weights to start from: a model or a path.'
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help='Random seed.')] = 0,
    steps: Annotated[
        int | None, typer.Option(help='Total steps, instead of the file.')
    ] = None,
    decay_steps: Annotated[
        int | None, typer.Option(help='Steps of decay, instead of the file.')
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help='Stop after so many minutes of wall time.'),
    ] = None,
    decay_minutes: Annotated[
        float | None,
        typer.Option(
            help='Let the learning rate fall over the last of `--minutes`.'
        ),
    ] = None,
) -> None:
    """Train a model.

    \b
    Example:
      napari-sft-train run --config training/configs/compact.yaml
    """
    with errors_on_one_line():
        from napari_sft.codec.errors import SftError
        from napari_sft_training.config import load_config
        from napari_sft_training.distributed import joined
        from napari_sft_training.gpu.captured import CapturedTrainer
        from napari_sft_training.loop import Trainer

        overrides = {
            'steps': steps,
            'decay_steps': decay_steps,
            'minutes': minutes,
            'decay_minutes': decay_minutes,
        }
        settings = load_config(
            config, **{k: v for k, v in overrides.items() if v is not None}
        )
        folder = Path('results') / (name or settings.model)
        if resume and weights:
            raise SftError('give --resume or --weights, not both')
        if resume is None:
            refuse_used(folder)
        with joined() as world:
            kind = CapturedTrainer if settings.captured else Trainer
            trainer = kind(settings, folder, seed, world)
            if resume is None:
                trainer.start(weights)
            else:
                trainer.resume(resume)
            stopped_by = trainer.run()
    if stopped_by:
        if world.writes:
            last = trainer.snapshots / 'last.pt'
            typer.echo(
                f'stopped after step {trainer.step}; go on with '
                f'--resume {last}'
            )
        raise typer.Exit(128 + stopped_by)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help='Snapshot of a run.')],
    out: Annotated[Path, typer.Argument(help='Weights file to write.')],
    config: Annotated[
        Path | None, typer.Option(help="The run's config, if not beside it.")
    ] = None,
) -> None:
    """Export averaged weights for the codec.

    \b
    Example:
      napari-sft-train export results/compact/snapshots/best.pt
          compact.safetensors
    """
    with errors_on_one_line():
        from napari_sft_training.config import config_of_run
        from napari_sft_training.export import export_checkpoint

        settings = config_of_run(checkpoint, config)
        export_checkpoint(checkpoint, settings, out)


def main() -> None:
    """Entry point."""
    app()


if __name__ == '__main__':
    main()
