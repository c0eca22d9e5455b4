"""Picture lists: CSV files with the columns of the paper's public code."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_sft.codec.errors import SftError

SUFFIXES = {'.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.webp'}


class DataError(SftError):
    """Training pictures that are missing or cannot be used."""


def is_list(path: Path) -> bool:
    """Whether a path names a list of pictures, by its suffix."""
    return path.suffix.lower() == '.csv'


def find_pictures(path: Path) -> list[Path]:
    """Every picture under a folder, sorted by path, or of a list, as is.

    Raises
    ------
    DataError
        If there is none, or the list is damaged.
    """
    if is_list(path):
        return [picture for picture, _ in read_list(path)]
    found = sorted(p for p in path.rglob('*') if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f'{path}: no pictures in this folder')
    return found


def find_with_regions(
    path: Path, regions: Path | None = None
) -> list[tuple[Path, Path | None]]:
    """As `find_pictures`, each picture with its region numbers, if any.

    Parameters
    ----------
    path : Path
        Folder or list.
    regions : Path, optional
        Folder of PNG files, one of the same stem a picture, for pictures
        whose list names none.
    """
    masks = {p.stem: p for p in regions.rglob('*.png')} if regions else {}
    if is_list(path):
        pairs = read_list(path)
    else:
        pairs = [(picture, None) for picture in find_pictures(path)]
    return [
        (picture, own or masks.get(picture.stem)) for picture, own in pairs
    ]


def read_list(path: Path) -> list[tuple[Path, Path | None]]:
    """Read the columns `path` and, where there is one, `seg_path`.

    Paths that are not absolute start at the list's own folder.

    Returns
    -------
    list of (Path, Path or None)
        Pictures and their region numbers, in the list's order.

    Raises
    ------
    DataError
        The list is missing, damaged or empty, or a row has no path.
    """
    pairs = []
    for line, row in enumerate(read_rows(path, ['path']), 2):
        if not row['path']:
            raise DataError(f'{path}, row {line}: no path')
        regions = row.get('seg_path')
        pairs.append(
            (
                path.parent / row['path'],
                path.parent / regions if regions else None,
            )
        )
    if not pairs:
        raise DataError(f'{path}: this list has no pictures')
    return pairs


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file, which must have the columns named.

    Raises
    ------
    DataError
        It is missing or no such file.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            for column in columns:
                if column not in names:
                    raise DataError(
                        f'{path}: no column {column!r}; it has '
                        + (', '.join(names) or 'none')
                    )
            return list(reader)
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{path}: no CSV file: {error}') from None


def write_list(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a CSV file, whole or not at all; its folder is made.

    Raises
    ------
    SftError
        It can't be written.
    """
    from napari_sft.image_files import whole_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        whole_file(path) as part,
        part.open('w', newline='', encoding='utf-8') as file,
    ):
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(columns)
        writer.writerows(rows)
