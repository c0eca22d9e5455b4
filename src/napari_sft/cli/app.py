"""The application: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import napari_sft
from napari_sft.cli.decode import decode
from napari_sft.cli.demo import demo
from napari_sft.cli.encode import encode
from napari_sft.cli.evaluate import evaluate
from napari_sft.cli.failure import one_line, say
from napari_sft.cli.info import info
from napari_sft.cli.models import models
from napari_sft.cli.task import task
from napari_sft.cli.verify import verify
from napari_sft.cli.zarr import from_zarr, to_zarr


class _Guarded(TyperGroup):
    """Turns what goes wrong into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say('interrupted; files are written whole or not at all')
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of a pipe, such as `head`, has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except typer.Abort:
            raise
        except Exception as error:
            # typer's own ways to leave have a code; usage errors are 2.
            if ctx.params['debug'] or hasattr(error, 'exit_code'):
                raise
            say(one_line(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Guarded,
    no_args_is_help=True,
    add_completion=False,
    # Help as plain text: drawing it with rich takes longer than the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={'help_option_names': ['-h', '--help']},
)
for command in (encode, decode, info, verify, evaluate, demo):
    app.command()(command)
for command in (to_zarr, from_zarr):
    app.command()(command)
app.add_typer(models, name='models')
app.add_typer(task, name='task')


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f'napari-sft {napari_sft.__version__}')
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    debug: Annotated[
        bool, typer.Option('--debug', help='Show tracebacks of errors.')
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            '--version',
            callback=_show_version,
            is_eager=True,
            help='Show the version.',
        ),
    ] = False,
) -> None:
    """Compress images with the bits where they matter.

    `napari-sft COMMAND --help` shows the options and examples of a command.

    \b
    Example:
      napari-sft encode photo.png photo.sft --quality-map map.png
      napari-sft decode photo.sft back.png
    """
    ctx.obj = debug


def main() -> None:
    """Run the command line."""
    app()
