"""Errors as one line on standard error."""

from __future__ import annotations

import typer

from napari_sft.codec.errors import SftError


def one_line(error: BaseException) -> str:
    """What went wrong; where it wasn't foreseen, how to learn more."""
    message = ' '.join(str(error).split())
    if isinstance(error, SftError):
        return message
    if isinstance(error, OSError) and error.strerror:
        name = f'{error.filename}: ' if error.filename else ''
        return f'{name}{error.strerror}'
    if isinstance(error, MemoryError):
        return 'not enough memory; encode smaller images or parts'
    kind = type(error).__name__
    return (
        f'unexpected {kind}: {message}; `napari-sft --debug ...` shows where'
    )


def say(message: str) -> None:
    """Write a line to standard error."""
    typer.echo(f'napari-sft: {message}', err=True)
