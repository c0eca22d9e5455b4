"""Fields and numbers as text."""

from __future__ import annotations

import json
from typing import Any

import typer


def size_text(count: int) -> str:
    """A number of bytes, such as 12.3 kB."""
    for unit, size in (('GB', 10**9), ('MB', 10**6), ('kB', 10**3)):
        if count >= size:
            return f'{count / size:.2f} {unit}'
    return f'{count} B'


def statistics_texts(info: dict[str, Any]) -> tuple[str, str, str]:
    """PSNR, MS-SSIM and largest error of what `napari_sft.info` gives."""
    statistics = info.get('statistics')
    if statistics is None:
        return '-', '-', '-'
    psnr, similarity = statistics['psnr'], statistics.get('ms_ssim')
    return (
        'lossless' if psnr is None else f'{psnr:.2f} dB',
        '-' if similarity is None else f'{similarity:.4f}',
        _error_text(statistics['largest_error'], info),
    )


def _error_text(error: float, info: dict[str, Any]) -> str:
    """In values of the image, or in percent if channels differ in window."""
    windows = info['windows']
    if any(window != windows[0] for window in windows):
        return f'{100 * error:.1f} %'
    span = error * (windows[0][1] - windows[0][0])
    return f'{span:.0f}' if 'int' in info['dtype'] else f'{span:.4g}'


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_fields(title: str, fields: dict[str, Any]) -> None:
    """Names and values in two columns, nested ones one level deep."""
    typer.echo(title)
    flat: list[tuple[str, Any]] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            flat += [
                (f'{name}: {key}', part)
                for key, part in value.items()
                if part not in ('', None, [])
            ]
        else:
            flat.append((name, value))
    width = max((len(name) for name, _ in flat), default=0)
    for name, value in flat:
        text = ', '.join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f'  {name:<{width}}  {text}')
