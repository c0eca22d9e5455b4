"""The comparison on microscopy: pictures of all kinds, equal sizes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from napari_sft.other_codecs import OtherCodec
from napari_sft_training.benchmarks import microscopy
from napari_sft_training.benchmarks.microscopy import (
    Point,
    Subject,
    compare,
    means,
    subjects,
)

pytest.importorskip('imagecodecs')


@pytest.fixture
def folder(tmp_path, make_picture):
    """Gray, RGB, gray saved as RGB, and a stack of 12 bits."""
    (tmp_path / 'deep').mkdir()
    colour, gray = make_picture(64, 80), make_picture(64, 80, rgb=False)
    Image.fromarray(gray).save(tmp_path / 'a.png')
    Image.fromarray(colour).save(tmp_path / 'deep/b.png')
    Image.fromarray(np.stack([gray] * 3, -1)).save(tmp_path / 'c.png')
    stack = np.stack([gray, gray[::-1], gray]).astype(np.uint16) * 16
    tifffile.imwrite(tmp_path / 'deep/d.tif', stack, photometric='minisblack')
    (tmp_path / 'e.png').write_bytes(b'no picture')
    return tmp_path


def test_pictures_of_all_kinds_are_found(folder, capsys):
    found = {s.name: s for s in subjects(folder, largest=48)}
    assert {name: s.kind for name, s in found.items()} == {
        'a.png': 'gray',
        'c.png': 'gray',
        'deep/b.png': 'RGB',
        'deep/d.tif': 'gray 16 bits',
    }
    assert found['deep/b.png'].pixels.shape == (48, 48, 3)
    deep = found['deep/d.tif'].pixels
    assert (deep.min(), deep.max()) == (0, 65535)
    gray = found['a.png'].pixels.astype(float)
    turned = np.corrcoef(deep[::-1].ravel(), gray.ravel())[0, 1]
    assert turned > 0.99
    assert 'e.png' in capsys.readouterr().err
    assert len(list(subjects(folder, 48, limit=1))) == 2


def test_every_codec_is_measured_at_the_same_size():
    def encode(picture, quality):
        return bytes(100 * (1 + quality))

    def decode(data):
        return np.full((10, 80), 200 - len(data) // 100, np.uint8)

    stairs = OtherCodec('stairs', '', 0, 9, encode, decode)
    picture = np.full((10, 80), 200, np.uint8)
    subject = Subject('a', 'gray', picture)
    one, two, far = compare(subject, [stairs], [1.0, 2.0, 20.0])
    assert one.psnr == pytest.approx(20 * math.log10(255 / 1))
    assert two.psnr == pytest.approx(20 * math.log10(255 / 2))
    assert [p.reached for p in (one, two, far)] == [True, True, False]


def test_means_are_by_kind_and_rate():
    def points(value):
        return [
            Point('x', 0.5, value, True),
            Point('x', 1.0, value + 2, False),
        ]

    blank = np.zeros((8, 8), np.uint8)
    rows = means(
        [
            (Subject('a', 'gray', blank), points(30)),
            (Subject('b', 'RGB', blank), points(40)),
            (Subject('c', 'RGB', blank), points(math.inf)),
        ]
    )
    assert [(r['kind'], r['bpp'], r['pictures']) for r in rows] == [
        *(('all', 0.5, 2), ('all', 1.0, 2)),
        *(('gray', 0.5, 1), ('gray', 1.0, 1)),
        *(('RGB', 0.5, 1), ('RGB', 1.0, 1)),
    ]
    assert rows[0]['psnr'] == {'x': 35}
    assert rows[1]['out_of_reach'] == {'x': 2}


def test_it_prints_a_table_and_writes_json(folder, tiny_model):
    target = folder / 'figures.json'
    result = CliRunner().invoke(
        microscopy.app,
        [
            *(str(folder), '--bpp', '0.5', '--largest', '64'),
            *('--json', str(target), '--device', 'cpu'),
        ],
    )
    assert result.exit_code == 0, result.output
    assert 'gray 16 bits' in result.stdout
    figures = json.loads(target.read_text())
    assert len(figures['pictures']) == 4
    for picture in figures['pictures']:
        assert {p['codec'] for p in picture['points']} == {
            *('napari-sft', 'its own window', 'jpegxl', 'jpeg2000')
        }
        assert all(p['psnr'] > 15 for p in picture['points'])


def test_a_folder_without_pictures_is_one_line(tmp_path):
    result = CliRunner().invoke(microscopy.app, [str(tmp_path)])
    assert result.exit_code == 1
    assert 'no pictures to compare on' in result.output + result.stderr
