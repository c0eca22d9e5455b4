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
from napari_sft_training.benchmarks.microscopy import STRETCHED, compare
from napari_sft_training.benchmarks.microscopy_means import (
    ASKED,
    HIGHEST,
    REACHED,
    Point,
    means,
)
from napari_sft_training.benchmarks.microscopy_pictures import (
    Subject,
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


def stairs(name, step):
    """A codec whose files grow by `step` bytes, and errors by 1, a level."""

    def encode(picture, quality):
        return bytes(step * (1 + quality))

    def decode(data):
        return np.full((10, 80), 200 - len(data) // step, np.uint8)

    return OtherCodec(name, '', 0, 9, encode, decode)


@pytest.fixture
def even():
    return Subject('a', 'gray', np.full((10, 80), 200, np.uint8))


def test_every_codec_is_measured_at_the_same_size(even):
    points = compare(even, [stairs('stairs', 100)], [1.0, 2.0, 20.0])
    one, two, far = points
    assert one.psnr == pytest.approx(20 * math.log10(255 / 1))
    assert two.psnr == pytest.approx(20 * math.log10(255 / 2))
    assert [p.reached for p in points] == [True, True, False]
    assert not any(p.highest for p in points)


def test_where_ours_ends_all_are_measured_at_its_size(even):
    codecs = [stairs('stairs', 100), stairs(STRETCHED, 20)]
    points = compare(even, codecs, [1.0, 4.0])
    other, own = (p for p in points if p.highest)
    assert (other.codec, own.codec) == ('stairs', STRETCHED)
    assert other.bpp == own.bpp == 2.0  # of 200 bytes
    assert other.reached and own.reached
    assert other.psnr == pytest.approx(20 * math.log10(255 / 2))
    assert own.psnr == pytest.approx(20 * math.log10(255 / 10))
    assert not any(p.highest for p in compare(even, codecs, [1.0]))


def test_means_are_by_kind_and_comparison():
    def points(value, reached=True, highest=()):
        return [
            Point('x', 0.5, value, True),
            Point('x', 1.0, value + 2, reached),
            *(Point('x', bpp, value + 1, True, True) for bpp in highest),
        ]

    blank = np.zeros((8, 8), np.uint8)
    rows = means(
        [
            (Subject('a', 'RGB', blank), points(40, False, [0.6])),
            (Subject('b', 'gray', blank), points(30)),
            (Subject('c', 'RGB', blank), points(20, False, [0.8])),
            (Subject('d', 'RGB', blank), points(math.inf)),
        ]
    )
    assert [
        (r['kind'], r['which'], r['bpp'], r['pictures']) for r in rows
    ] == [
        *(('all', ASKED, 0.5, 3), ('all', REACHED, 0.5, 3)),
        *(('all', ASKED, 1.0, 3), ('all', REACHED, 1.0, 1)),
        ('all', HIGHEST, pytest.approx(0.7), 2),
        *(('gray', ASKED, 0.5, 1), ('gray', REACHED, 0.5, 1)),
        *(('gray', ASKED, 1.0, 1), ('gray', REACHED, 1.0, 1)),
        *(('RGB', ASKED, 0.5, 2), ('RGB', REACHED, 0.5, 2)),
        ('RGB', ASKED, 1.0, 2),
        ('RGB', HIGHEST, pytest.approx(0.7), 2),
    ]
    assert [row['psnr']['x'] for row in rows[:5]] == [30, 30, 32, 32, 31]
    assert [row['out_of_reach']['x'] for row in rows[:4]] == [0, 0, 2, 0]


def test_it_prints_a_table_and_writes_json(folder, tiny_model):
    target = folder / 'figures.json'
    result = run(folder, target)
    assert result.exit_code == 0, result.output
    assert 'gray 16 bits' in result.stdout
    figures = json.loads(target.read_text())
    assert len(figures['pictures']) == 4
    for picture in figures['pictures']:
        assert {p['codec'] for p in picture['points']} == {
            *('napari-sft', 'its own window', 'jpegxl', 'jpeg2000')
        }
        assert all(p['psnr'] > 15 for p in picture['points'])


def run(folder, target, *more):
    call = [str(folder), '--bpp', '0.5', '--largest', '64']
    call += ['--json', str(target), '--device', 'cpu', *more]
    return CliRunner().invoke(microscopy.app, call)


def test_a_run_goes_on_where_it_was(folder, tiny_model, monkeypatch):
    target, compared = folder / 'figures.json', []

    def noted(subject, codecs, rates):
        if len(compared) == 2:
            raise KeyboardInterrupt
        compared.append(subject.name)
        value = math.inf if subject.kind == 'RGB' else 30.0
        return [Point(codec.name, 0.5, value, True) for codec in codecs]

    monkeypatch.setattr(microscopy, 'compare', noted)
    assert run(folder, target).exit_code != 0
    begun = json.loads(target.read_text())
    names = [picture['name'] for picture in begun['pictures']]
    assert names == compared == ['a.png', 'c.png']
    compared[:] = ['the rest']
    assert run(folder, target).exit_code != 0
    assert compared == ['the rest', 'deep/b.png']
    compared.clear()
    assert run(folder, target).exit_code == 0
    assert compared == ['deep/d.tif']
    whole = json.loads(target.read_text())
    assert whole['pictures'][:2] == begun['pictures']
    assert whole['pictures'][2]['points'][0]['psnr'] is None
    # What was kept without loss, and read again, has no part in means.
    assert whole['means'][0]['pictures'] == 3
    other = run(folder, target, '--bpp', '1')
    assert other.exit_code == 1
    assert 'is of another run' in other.output + other.stderr


def test_processes_give_what_one_gives(folder, tiny_model):
    one, two = folder / 'one.json', folder / 'two.json'
    assert run(folder, one, '--limit', '1').exit_code == 0
    result = run(folder, two, '--limit', '1', '--workers', '2')
    assert result.exit_code == 0, result.output
    assert json.loads(two.read_text()) == json.loads(one.read_text())


def test_a_folder_without_pictures_is_one_line(tmp_path):
    result = CliRunner().invoke(microscopy.app, [str(tmp_path)])
    assert result.exit_code == 1
    assert 'no pictures to compare on' in result.output + result.stderr
