"""A file written once, on another day, still decodes to what was coded.

`tests/data` holds small weights and a file made with them, both kept as they
are: whatever changes in the code or in the libraries below, the symbols must
not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import napari_sft
from napari_sft.codec.container import Reader
from napari_sft.codec.metrics import psnr
from napari_sft.codec.pipeline import parse_plane
from napari_sft.codec.quality import unpack
from napari_sft.codec.rans import symbols_crc
from napari_sft.models.registry import load_model

DATA = Path(__file__).parents[1] / 'data'
SYMBOLS_CRC = 50434117
SIZE = (150, 200)


@pytest.fixture(autouse=True)
def kept_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(DATA))


def test_a_kept_file_decodes_to_the_same_symbols() -> None:
    cells = tuple(-(-n // 16) for n in SIZE)
    with Reader(DATA / 'picture.sft') as reader:
        tile = reader.read_tile(0, 0, 0, 0)
        packed = reader.map()
    model = load_model('compact', 'cpu')
    symbols = parse_plane(
        model, tile.payload, tile.symbols_crc, unpack(packed, cells)
    )
    assert symbols_crc(symbols.z, symbols.y) == SYMBOLS_CRC
    assert tile.symbols_crc == SYMBOLS_CRC


def test_a_kept_file_decodes_to_the_same_picture(make_picture) -> None:
    original = make_picture(*SIZE)
    with napari_sft.open(DATA / 'picture.sft') as file:
        decoded = file.read()
        stated = file.statistics.psnr
    # devices may differ by a grey level here and there
    assert psnr(original, decoded, 255) == pytest.approx(stated, abs=0.05)
