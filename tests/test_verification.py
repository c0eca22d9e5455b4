"""Files are verified symbol by symbol, and saved only if they are sound."""

from __future__ import annotations

import io

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.container import Reader, Writer
from napari_sft.codec.errors import FormatError, SftError
from napari_sft.verification import save_verified, verify

pytestmark = pytest.mark.usefixtures('tiny_model')


@pytest.fixture(scope='module')
def stack(tiny_weights, make_picture):
    """A file of two gray planes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
        planes = [make_picture(40, 70, rgb=False, seed=n) for n in range(2)]
        return napari_sft.encode(np.stack(planes), device='cpu')


def with_wrong_checksum(data):
    """The file as an encoder would write it whose symbols are others."""
    target = io.BytesIO()
    with Reader(data) as reader:
        writer = Writer(target, reader.header)
        for key in reader.tiles:
            tile = reader.read_tile(*key)
            writer.write_tile(key, tile.payload, tile.symbols_crc ^ 1)
        writer.close()
    return target.getvalue()


def test_a_sound_file_is_told_with_what_it_holds(stack):
    steps = []
    result = verify(stack, device='cpu', progress=lambda *s: steps.append(s))
    assert (result.planes, result.tiles) == (2, 2)
    assert result.nbytes == len(stack)
    assert result.model == 'compact'
    assert steps == [(0, 2), (1, 2), (2, 2)]


def test_other_symbols_than_the_encoders_are_found(stack):
    with pytest.raises(FormatError, match='plane 0.*symbols differ'):
        verify(with_wrong_checksum(stack), device='cpu')


def test_every_tile_of_every_level_is_decoded(make_picture):
    data = napari_sft.encode(
        make_picture(150, 200), device='cpu', tile=64, pyramid=True
    )
    result = verify(data, device='cpu')
    with Reader(data) as reader:
        assert result.tiles == len(reader.tiles) > 12
    with pytest.raises(FormatError, match='symbols differ'):
        verify(with_wrong_checksum(data), device='cpu')


def test_damaged_bytes_are_found(stack):
    damaged = bytearray(stack)
    damaged[len(stack) // 2] ^= 4
    with pytest.raises(FormatError):
        verify(bytes(damaged), device='cpu')


def test_an_older_file_stays_unless_the_new_one_is_sound(stack, tmp_path):
    path = tmp_path / 'a.sft'
    save_verified(path, stack, device='cpu')
    with pytest.raises(FormatError, match='a.sft was not saved'):
        save_verified(path, with_wrong_checksum(stack), device='cpu')
    assert path.read_bytes() == stack
    assert [p.name for p in tmp_path.iterdir()] == ['a.sft']


def test_places_that_cannot_be_written_are_named(stack, tmp_path):
    with pytest.raises(SftError, match='can.t write .*absent'):
        save_verified(tmp_path / 'absent' / 'a.sft', stack, device='cpu')
    with pytest.raises(SftError, match='can.t write'):
        save_verified(tmp_path, stack, device='cpu')
