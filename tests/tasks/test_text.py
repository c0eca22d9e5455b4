"""Maps of text, and how reading is judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_sft
from napari_sft.tasks.registry import TaskError
from napari_sft.tasks.text import (
    Reader,
    character_errors,
    cut_out,
    reader,
    text_map,
)

BOX = np.array([[20, 10], [60, 10], [60, 26], [20, 26]], float)


def test_boxes_get_quality_and_everything_else_the_rest():
    picture = np.zeros((64, 96, 3), np.uint8)
    quality = text_map(picture, text=90, rest=5, margin=0, boxes=[BOX])
    assert quality.dtype == np.float32
    assert (quality[:32, 16:64] == 90).all()
    quality[:32, 16:64] = 5
    assert (quality == 5).all()


def test_a_margin_reaches_further_along_both_sides():
    picture = np.zeros((96, 96), np.uint8)
    turned = np.array([[48, 20], [76, 48], [66, 58], [38, 30]], float)
    area = [
        (text_map(picture, margin=m, boxes=[turned]) == 80).sum()
        for m in (0, 12)
    ]
    assert area[1] > area[0] > 0
    straight = text_map(picture, margin=8, boxes=[BOX])
    assert (straight[:, :12] == 10).all() or (straight[16, 12] == 80)
    assert straight[30, 30] == 80  # 4 pixels below the box
    assert straight[48, 30] == 10


def test_without_text_all_is_the_rest(fake_reader):
    quality = text_map(np.zeros((40, 40), np.uint8), rest=15)
    assert (quality == 15).all()


def test_the_detector_sees_the_picture_in_the_order_it_wants(
    fake_reader, engine, make_picture
):
    picture = make_picture()
    seen = []
    quality = text_map(picture, progress=lambda *at: seen.append(at))
    np.testing.assert_array_equal(engine.pictures[0], picture[..., ::-1])
    assert quality[16, 24] == 80
    assert quality[-1, -1] == 10
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_progress_may_cancel(fake_reader, engine, make_picture):
    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text_map(make_picture(), progress=cancel)
    assert not engine.pictures


def test_the_map_is_what_encode_takes(fake_reader, tiny_model, make_picture):
    picture = make_picture()
    data = napari_sft.encode(
        picture, quality_map=napari_sft.tasks.text_map(picture)
    )
    assert napari_sft.decode(data).shape == picture.shape


def test_a_box_is_cut_out_upright():
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[10:26, 20:40] = 200
    part = cut_out(picture, BOX)
    assert part.shape == (16, 40, 3)
    assert part[2:-2, 2:18].min() == 200
    assert part[2:-2, 22:].max() == 0
    # lines that run from top to bottom are turned to run across
    tall = np.array([[20, 10], [30, 10], [30, 50], [20, 50]], float)
    assert cut_out(picture, tall).shape == (10, 40, 3)


def test_a_reader_reads_box_by_box(engine):
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32] = 100
    below = BOX + [0, 30]
    texts = Reader(engine).read(picture, [BOX, below])
    assert texts == ['100', '0']


@pytest.mark.parametrize(
    ('read', 'true', 'errors'),
    [
        ('', 'abc', 3),
        ('abc', '', 3),
        ('kitten', 'sitting', 3),
        ('A b C', 'abc', 0),
        ('abd', 'abc', 1),
        ('ab', 'abc', 1),
        ('xabc', 'abc', 1),
    ],
)
def test_errors_are_edits(read, true, errors):
    length = len(''.join(true.split()))
    assert character_errors(read, true) == (errors, length)


TEXT = st.text('abc', max_size=8)


@given(TEXT, TEXT, TEXT)
def test_errors_are_a_distance(a, b, c):
    def distance(x, y):
        return character_errors(x, y)[0]

    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a)
    assert distance(a, b) >= abs(len(a) - len(b))
    assert distance(a, c) <= distance(a, b) + distance(b, c)


def test_without_rapidocr_the_command_is_named(monkeypatch):
    monkeypatch.setattr(
        'napari_sft.tasks.registry.find_spec', lambda name: None
    )
    reader.cache_clear()
    with pytest.raises(TaskError, match='rapidocr-onnxruntime.*pip install'):
        text_map(np.zeros((32, 32), np.uint8))


def test_rapidocr_finds_and_reads_printed_text():
    pytest.importorskip('rapidocr_onnxruntime')
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new('RGB', (320, 128), 'white')
    ImageDraw.Draw(sheet).text(
        (40, 40), 'MICROSCOPE', 'black', ImageFont.load_default(32)
    )
    picture = np.asarray(sheet)
    boxes = reader().find(picture)
    assert len(boxes) == 1
    assert reader().read(picture, boxes) == ['MICROSCOPE']
    quality = text_map(picture)
    assert quality[56, 100] == 80
    assert quality[120, 300] == 10
