"""Lists and masks: what they hold, what is left out, stops and goes on."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_sft_training.cli import app
from napari_sft_training.images import DataError, PatchSampler, Source
from napari_sft_training.prepare import Outcome, in_processes
from napari_sft_training.prepare_coco import (
    category_mask,
    prepare_coco,
)
from napari_sft_training.prepare_folder import (
    prepare_folder,
    prepare_imagenet_subset,
)

pytest.importorskip('pycocotools')


def rectangle(left, top, right, bottom) -> list[list[int]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(image, category, segmentation):
    return {
        'image_id': image,
        'category_id': category,
        'segmentation': segmentation,
    }


@pytest.fixture
def coco(tmp_path) -> Path:
    """Four pictures in COCO's layout: good, good, small, without regions."""
    folder = tmp_path / 'coco'
    (folder / 'annotations').mkdir(parents=True)
    (folder / 'train2017').mkdir()
    rng = np.random.default_rng(0)
    images = []
    for number, size in enumerate([(70, 90), (80, 64), (63, 90), (70, 70)]):
        name = f'{number:012}.jpg'
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / 'train2017' / name)
        images.append({'id': number, 'file_name': name})
    square = rectangle(10, 20, 40, 50)
    annotations = [
        annotation(0, 18, square),
        annotation(0, 3, rectangle(30, 20, 60, 50)),
        annotation(1, 90, square),
        annotation(2, 1, square),
    ]
    content = {'images': images, 'annotations': annotations}
    path = folder / 'annotations/instances_train2017.json'
    path.write_text(json.dumps(content))
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def invoke(*args: object):
    return CliRunner().invoke(app, ['prepare', *(str(a) for a in args)])


def test_coco_becomes_masks_and_a_list_of_usable_pictures(coco, tmp_path):
    summary = prepare_coco(coco, tmp_path / 'out', min_side=64)
    assert summary.counts == {
        'made': 2,
        'under 64 pixels': 1,
        'with fewer than two regions': 1,
    }
    rows = rows_of(tmp_path / 'out/coco_train2017.csv')
    assert [Path(row['path']).name for row in rows] == [
        '000000000000.jpg',
        '000000000001.jpg',
    ]
    first = Image.open(rows[0]['seg_path'])
    assert (first.mode, first.size) == ('L', (90, 70))
    mask = np.asarray(first)
    assert mask[35, 20] == 18
    assert mask[35, 35] == 3  # the later one, though its number is lower
    assert mask[5, 5] == 0
    assert set(np.unique(np.asarray(Image.open(rows[1]['seg_path'])))) == {
        0,
        90,
    }


def test_the_list_is_a_source_of_patches_with_regions(coco, tmp_path):
    prepare_coco(coco, tmp_path, min_side=64)
    sampler = PatchSampler([Source(tmp_path / 'coco_train2017.csv', 1)], 64)
    patch, regions = sampler.sample(np.random.default_rng(0))
    assert patch.shape == (64, 64, 3)
    assert set(np.unique(regions)) == {0, 90}


def test_several_processes_give_the_same(coco, tmp_path):
    prepare_coco(coco, tmp_path / 'one', min_side=64)
    done = []
    prepare_coco(
        coco,
        tmp_path / 'two',
        workers=2,
        min_side=64,
        on_done=lambda *counts: done.append(counts),
    )
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    masks = sorted((tmp_path / 'one/train2017_mask').iterdir())
    assert len(masks) == 2
    for mask in masks:
        other = tmp_path / 'two/train2017_mask' / mask.name
        assert other.read_bytes() == mask.read_bytes()


def test_a_stopped_run_goes_on_and_makes_damaged_masks_again(coco, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    out = tmp_path / 'out'
    with pytest.raises(KeyboardInterrupt):
        prepare_coco(coco, out, min_side=64, on_done=stop)
    names = [p.name for p in out.rglob('*.*')]
    assert names == ['000000000000.png']  # no list, nothing half written

    summary = prepare_coco(coco, out, min_side=64)
    assert summary.counts['kept'] == summary.counts['made'] == 1
    mask = out / 'train2017_mask/000000000001.png'
    whole = mask.read_bytes()
    mask.write_bytes(whole[: len(whole) // 2])
    assert prepare_coco(coco, out, min_side=64).counts['made'] == 1
    assert mask.read_bytes() == whole


def test_a_mask_that_cannot_be_written_leaves_nothing(
    coco, tmp_path, monkeypatch
):
    def half(image, path):
        Path(path).write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, 'save', half)
    with pytest.raises(KeyboardInterrupt):
        prepare_coco(coco, tmp_path / 'out', min_side=64)
    assert list((tmp_path / 'out/train2017_mask').iterdir()) == []


def test_damaged_pictures_are_counted_and_named(coco, tmp_path):
    path = coco / 'train2017/000000000001.jpg'
    path.write_bytes(path.read_bytes()[:900])
    summary = prepare_coco(coco, tmp_path, min_side=64)
    assert summary.counts['damaged or missing'] == 1
    assert summary.listed == 1
    (line,) = summary.damaged
    assert path.name in line


def test_run_lengths_packed_or_not_are_drawn_as_polygons_are():
    from pycocotools import mask as coco_mask

    shape = 6, 5
    drawn = np.zeros(shape, np.uint8)
    drawn[1:4, 2:4] = 1
    packed = coco_mask.encode(np.asfortranarray(drawn))
    bounds = np.flatnonzero(np.diff(np.r_[0, drawn.T.ravel(), 0]))
    counts = np.diff(np.r_[0, bounds, drawn.size]).tolist()
    for segmentation in (
        rectangle(2, 1, 4, 4),
        {'size': [6, 5], 'counts': packed['counts'].decode()},
        {'size': [6, 5], 'counts': counts},
    ):
        mask = category_mask([annotation(0, 7, segmentation)], shape)
        np.testing.assert_array_equal(mask, 7 * drawn)


@pytest.mark.parametrize(
    ('category', 'segmentation', 'words'),
    [
        (256, rectangle(0, 0, 2, 2), 'category_id'),
        ('cat', rectangle(0, 0, 2, 2), 'category_id'),
        (1, {'size': [9, 9], 'counts': [81]}, r'\[9, 9\].*\[6, 5\]'),
        (1, 'everything', 'segmentation'),
    ],
)
def test_annotations_that_are_not_cocos_are_refused(
    category, segmentation, words
):
    with pytest.raises(DataError, match=words):
        category_mask([annotation(0, category, segmentation)], (6, 5))


def test_polygons_without_an_area_are_no_region():
    parts = [[1, 1], [0, 0, 4, 4]]
    assert not category_mask([annotation(0, 1, parts)], (6, 5)).any()
    assert not category_mask([annotation(0, 1, [])], (6, 5)).any()


def test_a_wrong_split_names_those_that_there_are(coco, tmp_path):
    result = invoke('coco', coco, '--out', tmp_path, '--split', 'train2014')
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert 'instances_train2014.json' in line
    assert 'train2017' in line


@pytest.mark.parametrize('content', ['[]', '{"images": []', '{"images": []}'])
def test_instances_that_are_not_cocos_are_one_line(coco, tmp_path, content):
    path = coco / 'annotations/instances_train2017.json'
    path.write_text(content)
    result = invoke('coco', coco, '--out', tmp_path, '--workers', 1)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert path.name in line


def test_without_pycocotools_the_extra_is_named(coco, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycocotools', None)
    result = invoke(
        *('coco', coco, '--out', tmp_path, '--workers', 1),
        *('--min-side', 64),
    )
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert 'napari-sft[training]' in line


def test_the_command_reports_counts_and_the_list(coco, tmp_path):
    result = invoke(
        *('coco', coco, '--out', tmp_path / 'out', '--min-side', 64),
        *('--workers', 1),
    )
    assert result.exit_code == 0, result.output
    assert '2 made' in result.output
    assert '1 under 64 pixels' in result.output
    assert 'coco_train2017.csv: 2 pictures' in result.output


def test_no_usable_picture_is_one_line_and_no_list(coco, tmp_path):
    result = invoke('coco', coco, '--out', tmp_path, '--workers', 1)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert '4 under 256 pixels' in line
    assert not (tmp_path / 'coco_train2017.csv').exists()


def test_stopping_the_command_tells_how_to_finish(coco, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('napari_sft_training.prepare_coco.make_mask', stop)
    result = invoke('coco', coco, '--out', tmp_path, '--workers', 1)
    assert result.exit_code == 130
    assert result.stderr.splitlines() == [
        'stopped; run the same again to finish'
    ]


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A good, a small and a damaged picture; a good one in a subfolder."""
    folder = tmp_path / 'photos'
    (folder / 'more').mkdir(parents=True)
    Image.new('RGB', (70, 80), 'red').save(folder / 'a.png')
    Image.new('RGB', (70, 60), 'red').save(folder / 'b.png')
    (folder / 'c.jpg').write_bytes(b'no picture')
    Image.new('L', (64, 64)).save(folder / 'more/d.png')
    return folder


def test_a_folder_becomes_a_list_of_its_usable_pictures(pictures, tmp_path):
    out = tmp_path / 'lists/photos.csv'
    result = invoke(
        *('folder', pictures, '--out', out),
        *('--min-side', 64, '--workers', 1),
    )
    assert result.exit_code == 0, result.output
    for words in ('2 taken', '1 under 64 pixels', '1 damaged', 'c.jpg'):
        assert words in result.output
    assert rows_of(out) == [
        {'path': str(pictures / 'a.png')},
        {'path': str(pictures / 'more/d.png')},
    ]


def test_region_numbers_of_a_folder_are_listed_beside_pictures(
    pictures, tmp_path
):
    regions = tmp_path / 'regions'
    regions.mkdir()
    Image.new('L', (70, 80)).save(regions / 'a.png')
    out = tmp_path / 'list.csv'
    summary = prepare_folder(pictures, out, regions, min_side=64)
    assert summary.counts['without region numbers'] == 3
    assert rows_of(out) == [
        {
            'path': str(pictures / 'a.png'),
            'seg_path': str(regions / 'a.png'),
        }
    ]


def test_region_numbers_of_another_size_or_damaged_are_left_out(
    pictures, tmp_path
):
    regions = tmp_path / 'regions'
    regions.mkdir()
    Image.new('L', (70, 80)).save(regions / 'a.png')
    Image.new('L', (70, 60)).save(regions / 'd.png')
    (regions / 'b.png').write_bytes(b'no picture')
    summary = prepare_folder(
        pictures, tmp_path / 'list.csv', regions, min_side=1
    )
    assert summary.counts == {
        'taken': 1,
        'with damaged region numbers': 1,
        'with region numbers of another size': 1,
        'without region numbers': 1,
    }


@pytest.mark.parametrize('column', ['path', 'name'])
def test_labelled_pictures_become_a_list(pictures, tmp_path, column):
    labels = pictures / 'labels.csv'
    labels.write_text(f'{column},label\na.png,7\nc.jpg,8\nmore/d.png,999\n')
    out = tmp_path / 'subset.csv'
    result = invoke('imagenet-subset', pictures, '--out', out, '--workers', 1)
    assert result.exit_code == 0, result.output
    assert rows_of(out) == [
        {'path': str(pictures / 'a.png'), 'label': '7'},
        {'path': str(pictures / 'more/d.png'), 'label': '999'},
    ]


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('path\na.png\n', "'label'"),
        ('path,label\na.png,1000\n', "row 2.*'1000'"),
        ('path,label\na.png,cat\n', "row 2.*'cat'"),
        ('path,label\n,3\n', 'row 2: no path'),
    ],
)
def test_wrong_labels_are_named(pictures, tmp_path, text, words):
    labels = tmp_path / 'labels.csv'
    labels.write_text(text)
    with pytest.raises(DataError, match=words):
        prepare_imagenet_subset(pictures, labels, tmp_path / 'out.csv')


def give_up(_: object) -> Outcome:
    """Ends its process, as lack of memory does."""
    import os

    os._exit(9)


def test_a_process_that_ends_early_is_told(monkeypatch):
    with pytest.raises(DataError, match='--workers'):
        in_processes(give_up, [1], workers=2)


def test_preparing_loads_no_torch(fresh_python):
    code = (
        'import sys, napari_sft_training.prepare_coco, '
        'napari_sft_training.prepare_folder; print(*sys.modules)'
    )
    assert 'torch' not in fresh_python(code).split()
