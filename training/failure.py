"""Errors as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def errors_on_one_line() -> Iterator[None]:
    """Show errors of ours and of the system as one line, exit code 1."""
    from napari_sft.codec.errors import SftError

    try:
        yield
    except (SftError, OSError) as error:
        typer.echo(f'error: {error}', err=True)
        raise typer.Exit(1) from None
