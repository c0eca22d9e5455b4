"""Training pictures of all kinds become 8-bit RGB patches."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sft_training.images import (
    DataError,
    PatchSampler,
    Source,
    find_pictures,
    read_picture,
    to_tensor,
)


def ramp(dtype, top: int, shape=(70, 80)) -> np.ndarray:
    return np.linspace(0, top, np.prod(shape)).reshape(shape).astype(dtype)


def save_numbered(folder, count: int, size: int = 70) -> None:
    """Pictures that tell their number by their red value."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        picture = rng.integers(0, 256, (size, size, 3), np.uint8)
        picture[..., 0] = number
        Image.fromarray(picture).save(folder / f'{number:03}.png')


def drawn_numbers(sampler: PatchSampler) -> set[int]:
    rng = np.random.default_rng(0)
    return {int(sampler.sample(rng)[0][0, 0, 0]) for _ in range(400)}


@pytest.mark.parametrize('mode', ['L', 'LA', 'P', 'RGB', 'RGBA', '1'])
def test_8_bit_files_of_every_mode_are_read_as_rgb(tmp_path, mode):
    path = tmp_path / 'picture.png'
    Image.fromarray(ramp(np.uint8, 255)).convert(mode).save(path)
    (picture,) = read_picture(path)
    assert picture.shape == (70, 80, 3)
    assert picture.dtype == np.uint8
    assert picture.min() <= 2
    assert picture.max() >= 253


@pytest.mark.parametrize(
    ('name', 'array'),
    [
        ('gray16.png', ramp(np.uint16, 4095)),
        ('gray16.tif', ramp(np.uint16, 4095)),
        ('float.tif', ramp(np.float32, 1)),
        ('rgb16.tif', np.repeat(ramp(np.uint16, 900)[..., None], 3, 2)),
        ('rgba16.tif', np.repeat(ramp(np.uint16, 900)[..., None], 4, 2)),
    ],
)
def test_deep_files_are_stretched_to_8_bits(tmp_path, name, array):
    path = tmp_path / name
    if name.endswith('png'):
        Image.fromarray(array).save(path)
    else:
        rgb = array.ndim == 3
        tifffile.imwrite(path, array, photometric='rgb' if rgb else None)
    (picture,) = read_picture(path)
    expected = np.repeat(ramp(np.float64, 255)[..., None], 3, 2)
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture, expected, atol=1.5)


@pytest.mark.parametrize(('depth', 'chosen'), [(2, [0, 1]), (9, [0, 4, 8])])
def test_stacks_give_first_middle_and_last_plane(tmp_path, depth, chosen):
    planes = np.arange(depth, dtype=np.uint8)[:, None, None]
    stack = np.broadcast_to(planes, (depth, 70, 80)).copy()
    path = tmp_path / 'stack.tif'
    tifffile.imwrite(path, stack, photometric='minisblack')
    assert [p[0, 0, 0] for p in read_picture(path)] == chosen


@pytest.mark.parametrize('name', ['broken.png', 'broken.tif'])
def test_a_damaged_file_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b'not a picture')
    with pytest.raises(DataError, match=name):
        read_picture(path)


def test_pictures_are_found_in_subfolders_in_order(tmp_path):
    for name in ('b/2.PNG', 'a/1.png', 'notes.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(p.relative_to(tmp_path)) for p in find_pictures(tmp_path)]
    assert found == ['a/1.png', 'b/2.PNG']


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(DataError, match='empty'):
        find_pictures(tmp_path / 'empty')


def test_validation_and_training_share_no_picture(tmp_path):
    folder = tmp_path / 'many'
    save_numbered(folder, 45)
    sources = [Source(folder, 1.0)]
    training = drawn_numbers(PatchSampler(sources, 64))
    validation = drawn_numbers(PatchSampler(sources, 64, validation=True))
    assert validation == {0, 20, 40}
    assert training == set(range(45)) - validation


def test_too_small_pictures_are_left_out(tmp_path):
    folder = tmp_path / 'sizes'
    save_numbered(folder, 5)
    Image.new('RGB', (63, 200)).save(folder / '002.png')
    sampler = PatchSampler([Source(folder, 1.0)], 64)
    assert len(sampler) == 3
    assert drawn_numbers(sampler) == {1, 3, 4}


def test_no_picture_of_the_size_is_an_error_that_names_the_folder(tmp_path):
    folder = tmp_path / 'small'
    save_numbered(folder, 3)
    with pytest.raises(DataError, match='128x128.*small'):
        PatchSampler([Source(folder, 1.0)], 128)


def test_sources_are_drawn_by_their_shares(tmp_path):
    for name, value in (('dark', 40), ('light', 200)):
        (tmp_path / name).mkdir()
        grain = np.random.default_rng(0).integers(-20, 20, (70, 70, 3))
        for number in range(2):
            picture = np.uint8(value + grain)
            Image.fromarray(picture).save(tmp_path / name / f'{number}.png')
    sources = [Source(tmp_path / 'dark', 3), Source(tmp_path / 'light', 1)]
    sampler = PatchSampler(sources, 64)
    rng = np.random.default_rng(0)
    dark = sum(sampler.sample(rng)[0].mean() < 120 for _ in range(400))
    assert abs(dark - 300) < 4 * (400 * 0.75 * 0.25) ** 0.5


@pytest.fixture
def with_regions(tmp_path):
    """Two pictures whose gray value is that of their region."""
    for name in ('pictures', 'regions'):
        (tmp_path / name).mkdir()
    y, x = np.mgrid[:100, :120]
    regions = np.uint8(40 * (x // 20) + 5 * (y // 25))
    for number in range(2):
        Image.fromarray(regions).save(tmp_path / f'regions/{number}.png')
        Image.fromarray(np.repeat(regions[..., None], 3, 2)).save(
            tmp_path / f'pictures/{number}.png'
        )
    return Source(tmp_path / 'pictures', 1.0, tmp_path / 'regions')


def test_flips_and_reductions_keep_regions_on_their_picture(with_regions):
    sampler = PatchSampler([with_regions], 64)
    rng = np.random.default_rng(0)
    rising = set()
    for _ in range(60):
        patch, regions = sampler.sample(rng)
        assert patch.shape[:2] == regions.shape == (64, 64)
        # reduced patches ring at borders, so not every pixel is the same
        assert np.mean(np.abs(patch[..., 0] - regions.astype(int)) < 8) > 0.8
        rising.add(bool(regions[0, -1] > regions[0, 0]))
    assert rising == {False, True}  # both ways round were seen


def test_regions_of_another_size_than_the_picture_are_refused(with_regions):
    path = with_regions.regions / '1.png'
    Image.new('L', (50, 50)).save(path)
    with pytest.raises(DataError, match='1.png'):
        PatchSampler([with_regions], 64)


def test_a_picture_without_regions_gives_none(with_regions):
    (with_regions.regions / '1.png').unlink()
    sampler = PatchSampler([with_regions], 64)
    assert sampler.sample(np.random.default_rng(0))[1] is None


def test_pictures_beyond_memory_are_read_when_drawn(with_regions, monkeypatch):
    Image.new('RGB', (63, 200)).save(with_regions.path / '2.png')
    kept = PatchSampler([with_regions], 64)
    monkeypatch.setattr('napari_sft_training.images.MEMORY', 0)
    read = PatchSampler([with_regions], 64)
    assert len(kept) == len(read) == 1
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(5):
        for ours, theirs in zip(
            kept.sample(first), read.sample(second), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_a_picture_that_is_lost_after_the_start_is_named(
    with_regions, monkeypatch
):
    monkeypatch.setattr('napari_sft_training.images.MEMORY', 0)
    sampler = PatchSampler([with_regions], 64)
    (with_regions.path / '1.png').unlink()
    with pytest.raises(DataError, match='1.png'):
        sampler.sample(np.random.default_rng(0))


def write_csv(path, *lines: str):
    path.write_text('\n'.join(lines) + '\n')
    return path


def test_a_list_names_pictures_and_regions_beside_it(with_regions, tmp_path):
    path = write_csv(
        tmp_path / 'list.csv',
        'path,seg_path',
        'pictures/1.png,regions/1.png',
        f'{tmp_path}/pictures/0.png,',
    )
    assert find_pictures(path) == [
        tmp_path / 'pictures/1.png',
        tmp_path / 'pictures/0.png',
    ]
    training = PatchSampler([Source(path, 1.0)], 64)
    assert training.sample(np.random.default_rng(0))[1] is None
    validation = PatchSampler([Source(path, 1.0)], 64, validation=True)
    patch, regions = validation.sample(np.random.default_rng(0))
    assert np.mean(np.abs(patch[..., 0] - regions.astype(int)) < 8) > 0.8


def test_a_list_without_regions_takes_those_of_the_folder(
    with_regions, tmp_path
):
    path = write_csv(
        tmp_path / 'list.csv', 'path', 'pictures/0.png', 'pictures/1.png'
    )
    source = Source(path, 1.0, with_regions.regions)
    regions = PatchSampler([source], 64).sample(np.random.default_rng(0))[1]
    assert regions.shape == (64, 64)


@pytest.mark.parametrize(
    ('lines', 'words'),
    [
        (['name', 'a.png'], "'path'.*name"),
        (['path'], 'no pictures'),
        (['path,label', 'a.png,1', ',2'], 'row 3: no path'),
        (['\0'], 'list.csv'),
    ],
)
def test_a_wrong_list_says_what_is_wrong(tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        find_pictures(write_csv(tmp_path / 'list.csv', *lines))


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(DataError, match='gone.csv'):
        find_pictures(tmp_path / 'gone.csv')


@pytest.mark.parametrize('content', [b'not a PNG', None])
def test_regions_that_are_damaged_or_in_colour_are_named(
    with_regions, content
):
    path = with_regions.regions / '1.png'
    if content is None:
        Image.new('RGB', (120, 100)).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match='1.png'):
        PatchSampler([with_regions], 64)


def test_empty_patches_are_drawn_again(tmp_path):
    picture = np.zeros((64, 640, 3), np.uint8)
    picture[:, :320] = np.random.default_rng(0).integers(0, 256, (64, 320, 3))
    for number in range(2):
        Image.fromarray(picture).save(tmp_path / f'{number}.png')
    sampler = PatchSampler([Source(tmp_path, 1.0)], 64)
    rng = np.random.default_rng(0)
    assert all(sampler.sample(rng)[0].std() >= 2 for _ in range(200))


def test_the_share_of_gray_patches_is_kept(tmp_path):
    save_numbered(tmp_path / 'colour', 2)
    sampler = PatchSampler([Source(tmp_path / 'colour', 1.0)], 64, 0.25)
    rng = np.random.default_rng(0)
    gray = sum(not np.ptp(sampler.sample(rng)[0], 2).any() for _ in range(400))
    assert abs(gray - 100) < 4 * (400 * 0.25 * 0.75) ** 0.5


def test_patches_become_planes_in_0_to_1():
    patch = np.zeros((64, 64, 3), np.uint8)
    patch[..., 2] = 255
    x = to_tensor([patch, patch])
    assert x.shape == (2, 3, 64, 64)
    assert x[:, 2].min() == 1
    assert x[:, :2].max() == 0
