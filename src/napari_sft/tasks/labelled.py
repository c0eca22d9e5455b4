"""Labelled pictures, prepared as the paper's test prepares them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_sft.codec.errors import ImageError
from napari_sft.image_files import find_pictures, read_picture
from napari_sft.tasks.planes import bytes_of, plane_of
from napari_sft.tasks.registry import TaskError

LIST = 'labels.csv'


@dataclass(frozen=True)
class Labelled:
    """A picture's file and what it shows; None if that isn't told."""

    path: Path
    label: int | None = None


def find_labelled(source: Path) -> list[Labelled]:
    """The pictures of a list or a folder.

    Parameters
    ----------
    source : Path
        A CSV file with the columns path (from the file's own folder) and
        label (the class's number, from 0), or a folder: with such a file
        named labels.csv, or of pictures without labels.

    Raises
    ------
    TaskError
        The list is damaged.
    ImageError
        There are no pictures.
    """
    if source.is_dir() and (source / LIST).is_file():
        source = source / LIST
    if source.is_dir():
        found = [Labelled(path) for path in find_pictures(source)]
    elif source.is_file():
        found = _read_list(source)
    else:
        raise ImageError(f'{source} is neither a folder nor a file')
    if not found:
        raise ImageError(f'{source} has no pictures')
    return found


def _read_list(source: Path) -> list[Labelled]:
    try:
        with source.open(encoding='utf-8-sig', newline='') as file:
            return [
                Labelled(source.parent / row['path'], int(row['label']))
                for row in csv.DictReader(file)
            ]
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise TaskError(
            f'{source} is no list of labelled pictures ({error}); it needs '
            'the columns path and label'
        ) from None


def read_square(path: Path, shorter: int, side: int) -> np.ndarray:
    """The middle of a picture, made smaller first.

    Parameters
    ----------
    path : Path
        The picture's file.
    shorter : int
        Length that the shorter side gets; 280 in the paper.
    side : int
        Of the square that is cut out; 256 in the paper.

    Returns
    -------
    ndarray of uint8 (side, side, 3)
    """
    from PIL import Image

    data = read_picture(path, alpha='drop').data
    picture = Image.fromarray(bytes_of(plane_of(data)))
    scale = shorter / min(picture.size)
    width, height = (max(round(n * scale), side) for n in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - side) // 2, (height - side) // 2
    return np.asarray(picture.crop((left, top, left + side, top + side)))
