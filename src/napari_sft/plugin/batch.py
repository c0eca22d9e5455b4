"""All planes of a stack, or all pictures of a folder, one after the other."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari_sft
from napari_sft.codec.errors import SftError
from napari_sft.codec.image import Image
from napari_sft.image_files import find_pictures, read_picture
from napari_sft.verification import verify

Progress = Callable[[int, int], None]

_WRITTEN = 900  # of 1000 parts of the work, reading back is the rest


@dataclass(frozen=True)
class FileDone:
    """A picture that was compressed: its name, and its figures."""

    name: str
    size: int
    bpp: float
    psnr: float | None


@dataclass(frozen=True)
class FileFailed:
    """A picture that was not compressed: its name, and why."""

    name: str
    reason: str


def compress_stack(
    path: Path, image: Any, settings: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Compress an image with all its planes into one verified file.

    Parameters
    ----------
    path : Path
        The `.sft` file.
    image : array
        The image, perhaps lazy.
    settings : dict
        As `napari_sft.imwrite` takes them.
    progress : callable
        Called with (done, 1000) as the file is written, then read back; may
        raise to cancel.

    Returns
    -------
    dict
        What `napari_sft.info` says of the file.

    Raises
    ------
    SftError
        As `imwrite` and `napari_sft.verification.verify`; then nothing changes
        on the disk.
    """

    def writing(done: int, total: int) -> None:
        progress(_WRITTEN * done // total, 1000)

    def reading(done: int, total: int) -> None:
        progress(_WRITTEN + (1000 - _WRITTEN) * done // total, 1000)

    device = settings.get('device', 'auto')
    part = path.with_name(f'.{path.name[:100]}.{secrets.token_hex(4)}')
    try:
        napari_sft.imwrite(part, image, progress=writing, **settings)
        verify(part, device=device, progress=reading)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SftError(f"can't write {path}: {reason}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return napari_sft.info(path)


def pictures(folder: Path, patterns: Sequence[str] = ()) -> list[Path]:
    """The pictures of a folder whose names match one of some patterns.

    Parameters
    ----------
    folder : Path
        Where to look.
    patterns : sequence of str
        Such as '*.png'; none for all that can be read.

    Raises
    ------
    SftError
        There is no such folder, or it holds none.
    """
    try:
        found = find_pictures(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SftError(f"can't look into {folder}: {reason}") from error
    chosen = [p for p in found if not patterns or any(map(p.match, patterns))]
    if not chosen:
        kind = f' like {", ".join(patterns)}' if patterns else ''
        raise SftError(f'{folder} holds no pictures{kind}; choose another')
    return chosen


def compress_folder(
    files: list[Path],
    target: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    progress: Progress,
    check: Callable[[], None],
) -> Iterator[FileDone | FileFailed]:
    """Compress pictures into a folder, going on after failures.

    Parameters
    ----------
    files : list of Path
        The pictures.
    target : Path
        Folder of the `.sft` files; made if new.
    settings : dict
        `quality`, `target_bytes`, `model`, `device` for `imwrite`.
    overwrite : bool
        Whether to replace files that are there.
    progress : callable
        Called with (done, total) files; may raise to cancel.
    check : callable
        Called now and then within a file; may raise to cancel.

    Yields
    ------
    FileDone or FileFailed
        One for each picture.

    Raises
    ------
    SftError
        The folder can't be made.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SftError(f"can't make the folder {target}: {reason}") from error
    made: set[Path] = set()
    for number, path in enumerate(files):
        progress(number, len(files))
        file = target / f'{path.stem}.sft'
        try:
            if file in made or (file.exists() and not overwrite):
                raise SftError(f'{file.name} is there already')
            made.add(file)
            yield _compress_file(path, file, settings, lambda *_: check())
        except SftError as error:
            yield FileFailed(path.name, str(error))
    progress(len(files), len(files))


def _compress_file(
    path: Path, file: Path, settings: dict[str, Any], progress: Progress
) -> FileDone:
    picture = read_picture(path, alpha='drop')
    layout = Image.from_array(picture.data, picture.axes, alpha='drop').layout
    about = compress_stack(
        file,
        picture.data,
        {
            'axes': picture.axes,
            'alpha': 'drop',
            'name': path.stem,
            'source': path.name,
            **picture.along(layout.axes),
            **settings,
        },
        progress,
    )
    psnr = about.get('statistics', {}).get('psnr')
    return FileDone(path.name, about['bytes'], about['bpp'], psnr)
