"""Blocks of refinement: the same ones however a plane is cut."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_sft
from napari_sft.codec import refinement, tile_encoder
from napari_sft.codec.effort import check_effort
from napari_sft.codec.encoder import Job, encode_job
from napari_sft.codec.errors import SftError
from napari_sft.codec.image import Image
from napari_sft.codec.refinement import block_count, refined_plane
from napari_sft.models.registry import load_model


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(refinement, 'SIDE', 8)
    monkeypatch.setattr(tile_encoder, 'SIDE', 8)


class Nudge:
    """Changes y a little by what it sees; notes the windows it gets."""

    steps = 2

    def __init__(self):
        self.seen = []

    def __call__(self, x, y, fine, step):
        self.seen.append((x.shape, y.shape[2:], fine.shape))
        for _ in range(self.steps):
            step()
        grey = torch.from_numpy(np.resize(x, y.shape[2:]))
        return y + grey + y.mean()


@pytest.fixture
def job(tiny_model, make_picture):
    image = Image.from_array(make_picture(200, 270))
    model = load_model('compact', 'cpu')
    return Job(image, image.windows(), 90, model, refiner=Nudge())


def encoded(job, progress=None):
    buffer = io.BytesIO()
    encode_job(buffer, job, progress)
    return buffer.getvalue()


def test_every_cell_is_refined_once_with_its_margin():
    y, fine = torch.zeros(1, 2, 20, 12), np.zeros((20, 12), np.int32)
    windows = []

    def refine(x, y, fine):
        windows.append((x.shape, tuple(y.shape[2:]), fine.shape))
        return y + 1

    plane = np.zeros((310, 180), np.float32)
    result = refined_plane(refine, plane, y, fine)
    assert (result == 1).all()
    assert not y.any()
    assert len(windows) == block_count((310, 180)) == 6
    # the margin is cut at the plane's edges, and padding has no pixels
    assert windows[0] == ((192, 180), (12, 12), (12, 12))
    assert windows[2] == ((246, 180), (16, 12), (16, 12))
    assert windows[4] == ((118, 180), (8, 12), (8, 12))


@pytest.mark.parametrize('columns', [None, 128])
def test_tiles_have_the_symbols_of_the_whole_plane(job, monkeypatch, columns):
    if columns is not None:  # the plane goes by in several columns
        monkeypatch.setattr('napari_sft.codec.tiles.COLUMN', columns)
    whole = napari_sft.decode(encoded(job), device='cpu')
    tiled = napari_sft.decode(encoded(replace(job, tile=64)), device='cpu')
    plain = napari_sft.decode(encoded(replace(job, refiner=None)))
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert np.abs(whole.astype(int) - plain).max() > 5


@pytest.mark.parametrize('tile', [0, 128])
def test_progress_counts_tiles_and_steps(job, tile):
    job = replace(job, tile=tile)
    told = []
    encoded(job, lambda *step: told.append(step))
    total = job.tile_count + 2 * block_count((200, 270))
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_target_size_is_met_after_refining(job):
    plain = len(encoded(replace(job, refiner=None)))
    job = replace(job, target_bytes=int(0.8 * plain))
    told = []
    data = encoded(job, lambda *step: told.append(step))
    assert 0.9 * job.target_bytes < len(data) <= job.target_bytes
    assert told[-1][0] == told[-1][1]
    assert job.refiner.seen


def test_colour_and_gray_planes_come_as_they_are(job, make_picture):
    encoded(job)
    image = Image.from_array(make_picture(100, 100, rgb=False))
    encoded(replace(job, image=image))
    assert len(job.refiner.seen[0][0]) == 3
    assert job.refiner.seen[-1][0] == (100, 100)


@pytest.mark.parametrize('effort', [0, 10, -1, 2.5, 'high', None])
def test_an_unknown_effort_is_one_line(effort):
    with pytest.raises(SftError, match='effort of .* 1 .* 9') as caught:
        check_effort(effort)
    assert '\n' not in str(caught.value)
