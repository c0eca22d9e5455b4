"""Stacks and folders: verified files, failures told, cancelled cleanly."""

from __future__ import annotations

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.errors import FormatError, SftError
from napari_sft.plugin import batch
from napari_sft.plugin.batch import (
    FileDone,
    FileFailed,
    compress_folder,
    compress_stack,
    pictures,
)


class Stopped(Exception):
    """Raised to cancel."""


def nothing(*_):
    """Progress that nobody looks at."""


@pytest.fixture
def folder(tmp_path, make_picture):
    """Three pictures, one of them damaged."""
    from skimage.io import imsave

    folder = tmp_path / 'pictures'
    folder.mkdir()
    imsave(folder / 'a.png', make_picture(32, 48))
    imsave(folder / 'b.tif', make_picture(32, 48, rgb=False))
    (folder / 'c.png').write_bytes(b'no picture')
    (folder / 'notes.txt').write_text('nothing')
    return folder


def run(files, target, progress=nothing, check=nothing, overwrite=False):
    return compress_folder(
        files,
        target,
        {'quality': 40},
        overwrite=overwrite,
        progress=progress,
        check=check,
    )


def test_stack_becomes_one_verified_file(tiny_model, tmp_path, make_picture):
    stack = np.stack([make_picture(32, 48, seed=n) for n in range(3)])
    steps = []
    path = tmp_path / 'stack.sft'
    about = compress_stack(
        path,
        stack,
        {'rgb': True, 'quality': 30},
        lambda *x: steps.append(x),
    )
    assert about['bytes'] == path.stat().st_size
    assert napari_sft.imread(path).shape == stack.shape
    assert steps[0] == (0, 1000)
    assert steps[-1] == (1000, 1000)
    assert sorted(steps) == steps


def test_folder_is_done_picture_by_picture(tiny_model, folder, tmp_path):
    target = tmp_path / 'small' / 'deep'
    steps = []
    files = pictures(folder)
    assert [p.name for p in files] == ['a.png', 'b.tif', 'c.png']
    a, b, c = run(files, target, lambda *x: steps.append(x))
    assert isinstance(a, FileDone)
    assert a.size == (target / 'a.sft').stat().st_size
    assert isinstance(b, FileDone)
    assert isinstance(c, FileFailed)
    assert "can't read" in c.reason
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sorted(p.name for p in target.iterdir()) == ['a.sft', 'b.sft']
    assert napari_sft.info(target / 'a.sft')['provenance']['source'] == 'a.png'


def test_files_that_are_there_are_kept_unless_told(
    tiny_model, folder, tmp_path
):
    target = tmp_path / 'small'
    target.mkdir()
    (target / 'a.sft').write_bytes(b'mine')
    files = pictures(folder, ['a.*'])
    (kept,) = run(files, target)
    assert 'there already' in kept.reason
    assert (target / 'a.sft').read_bytes() == b'mine'
    (done,) = run(files, target, overwrite=True)
    assert isinstance(done, FileDone)


def test_two_pictures_never_become_the_same_file(tiny_model, folder, tmp_path):
    from skimage.io import imsave

    imsave(folder / 'a.tif', np.zeros((8, 8), np.uint8), check_contrast=False)
    results = list(run(pictures(folder, ['a.*']), tmp_path, overwrite=True))
    assert [type(r) for r in results] == [FileDone, FileFailed]


def test_cancelled_folder_leaves_no_half_file(tiny_model, folder, tmp_path):
    target = tmp_path / 'small'

    def stop():
        raise Stopped

    with pytest.raises(Stopped):
        list(run(pictures(folder), target, check=stop))
    assert not list(target.iterdir())


def test_empty_and_missing_folders_are_told(tmp_path):
    with pytest.raises(SftError, match='holds no pictures'):
        pictures(tmp_path)
    with pytest.raises(SftError, match=r'like \*.png'):
        pictures(tmp_path, ['*.png'])
    with pytest.raises(SftError, match="can't look into"):
        pictures(tmp_path / 'absent')


def test_file_that_does_not_read_back_is_not_saved(
    tiny_model, tmp_path, make_picture, monkeypatch
):
    def damage(path, *args, **settings):
        imwrite(path, *args, **settings)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    imwrite = napari_sft.imwrite
    monkeypatch.setattr(batch.napari_sft, 'imwrite', damage)
    path = tmp_path / 'a.sft'
    path.write_bytes(b'older')
    with pytest.raises(FormatError):
        compress_stack(path, make_picture(32, 48), {}, nothing)
    assert path.read_bytes() == b'older'
    assert [p.name for p in tmp_path.iterdir()] == ['a.sft']


def test_folder_that_cannot_be_written_is_told_in_one_line(
    tiny_model, tmp_path, make_picture
):
    path = tmp_path / 'absent' / 'a.sft'
    with pytest.raises(SftError, match='absent'):
        compress_stack(path, make_picture(32, 48), {}, nothing)
