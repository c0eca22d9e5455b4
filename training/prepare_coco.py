"""COCO's annotations as category masks, one PNG a picture.

The layout is that of COCO 2014 and 2017: ``annotations/instances_SPLIT.json``
and the pictures in ``SPLIT/``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sft_training.images import read_picture, read_regions
from napari_sft_training.lists import DataError
from napari_sft_training.prepare import (
    MIN_SIDE,
    OnDone,
    Outcome,
    Summary,
    in_processes,
    summarise,
)


@dataclass(frozen=True)
class MaskTask:
    """A picture and what its mask is made of.

    Attributes
    ----------
    picture, mask : Path
        What is read and written.
    annotations : list of dict
        COCO's, with `category_id` and `segmentation`.
    min_side : int
        Smaller pictures are left out.
    """

    picture: Path
    mask: Path
    annotations: list[dict[str, Any]]
    min_side: int = MIN_SIDE


def prepare_coco(
    folder: Path,
    out: Path,
    split: str = 'train2017',
    workers: int = 1,
    min_side: int = MIN_SIDE,
    on_done: OnDone = lambda done, total: None,
) -> Summary:
    """Write ``out/SPLIT_mask/*.png`` and the list ``out/coco_SPLIT.csv``.

    Masks that are there and whole are kept, so a run that was stopped goes
    on. Pictures with a side under `min_side` pixels or with fewer than two
    regions, background included, are left out.

    Raises
    ------
    DataError
        The layout is not COCO's, or no picture is usable.
    """
    masks = out / f'{split}_mask'
    tasks = [
        MaskTask(
            folder.resolve() / split / name,
            masks.resolve() / f'{Path(name).stem}.png',
            annotations,
            min_side,
        )
        for name, annotations in read_annotations(folder, split)
    ]
    masks.mkdir(parents=True, exist_ok=True)
    outcomes = in_processes(make_mask, tasks, workers, on_done)
    columns = ('path', 'seg_path')
    return summarise(out / f'coco_{split}.csv', columns, outcomes)


def read_annotations(
    folder: Path, split: str
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Every picture's file name and annotations, sorted by name.

    Raises
    ------
    DataError
        The layout is not COCO's.
    """
    path = folder / 'annotations' / f'instances_{split}.json'
    if not path.is_file():
        there = sorted(
            p.stem.removeprefix('instances_')
            for p in path.parent.glob('instances_*.json')
        )
        splits = f'; --split may be {", ".join(there)}' if there else ''
        raise DataError(f'{path}: no such file{splits}')
    if not (folder / split).is_dir():
        raise DataError(f'{folder / split}: no such folder of pictures')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        by_picture: dict[Any, list[dict[str, Any]]] = {}
        for annotation in content['annotations']:
            kept = {k: annotation[k] for k in ('category_id', 'segmentation')}
            by_picture.setdefault(annotation['image_id'], []).append(kept)
        return sorted(
            (str(image['file_name']), by_picture.get(image['id'], []))
            for image in content['images']
        )
    except (OSError, ValueError) as error:
        raise DataError(f'{path}: cannot be read: {error}') from None
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not COCO's instances: {error!r}") from None


def make_mask(task: MaskTask) -> Outcome:
    """Make one picture's mask, unless it is there or not worth it."""
    from napari_sft.image_files import whole_file

    try:
        picture = read_picture(task.picture)[0]
    except DataError as error:
        return Outcome('damaged or missing', detail=str(error))
    height, width = picture.shape[:2]
    if min(height, width) < task.min_side:
        return Outcome(f'under {task.min_side} pixels')
    row = str(task.picture), str(task.mask)
    if _is_whole(task.mask, (height, width)):
        return Outcome('kept', row)
    try:
        mask = category_mask(task.annotations, (height, width))
    except DataError as error:
        detail = f'{task.picture}: {error}'
        return Outcome('with unusable annotations', detail=detail)
    if len(np.unique(mask)) < 2:
        return Outcome('with fewer than two regions')
    with whole_file(task.mask) as part:
        Image.fromarray(mask).save(part)
    return Outcome('made', row)


def category_mask(
    annotations: list[dict[str, Any]], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Each pixel's category, later annotations over earlier ones.

    Parameters
    ----------
    annotations : list of dict
        With `category_id`, 1..255, and `segmentation`: polygons or COCO's
        run lengths, packed or not.
    shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    ndarray of uint8, (Y, X)
        0 where there is no annotation.

    Raises
    ------
    DataError
        An annotation is not COCO's or of a picture of another size.
    """
    mask = np.zeros(shape, np.uint8)
    for annotation in annotations:
        category = annotation['category_id']
        if not isinstance(category, int) or not 0 < category < 256:
            raise DataError(f'category_id must be 1..255, not {category!r}')
        mask[_object(annotation['segmentation'], shape)] = category
    return mask


def _object(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    coco_mask = _pycocotools()
    height, width = shape
    try:
        if isinstance(segmentation, list):
            # Four numbers would be taken for a box, fewer for nothing.
            polygons = [p for p in segmentation if len(p) >= 6]
            if not polygons:
                return np.zeros(shape, bool)
            runs = coco_mask.frPyObjects(polygons, height, width)
            runs = coco_mask.merge(runs)
        elif isinstance(segmentation['counts'], list):
            runs = coco_mask.frPyObjects(segmentation, height, width)
        else:
            runs = segmentation
        if list(runs['size']) != [height, width]:
            raise DataError(
                f'annotations are for {runs["size"]}, the picture has '
                f'{[height, width]} pixels'
            )
        return coco_mask.decode(runs).astype(bool)
    except DataError:
        raise
    # What pycocotools raises for what it can't use has many kinds.
    except Exception as error:
        raise DataError(f'no segmentation of COCO: {error}') from error


def _pycocotools() -> Any:
    try:
        from pycocotools import mask
    except ImportError:
        raise DataError(
            'masks of COCO need pycocotools: pip install napari-sft[training]'
        ) from None
    return mask


def _is_whole(path: Path, shape: tuple[int, int]) -> bool:
    if not path.exists():
        return False
    try:
        return read_regions(path).shape == shape
    except DataError:
        return False
