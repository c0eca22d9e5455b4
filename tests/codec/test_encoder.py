"""Whole files: statistics, target sizes, and nothing half written."""

from __future__ import annotations

import builtins
import io

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.coded_map import CodedMap
from napari_sft.codec.container import Reader
from napari_sft.codec.encoder import Job, encode_job
from napari_sft.codec.errors import ImageError, SftError, TargetError
from napari_sft.codec.image import Image, normalise
from napari_sft.codec.map_coding import unpack
from napari_sft.codec.metrics import ErrorTally, ms_ssim
from napari_sft.models.registry import load_model


class Counting:
    """A model that counts its analyses."""

    def __init__(self, model):
        self._model = model
        self.analyses = 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def analyse(self, x, fine):
        self.analyses += 1
        return self._model.analyse(x, fine)


@pytest.fixture
def model(tiny_model):
    return Counting(load_model('compact', 'cpu'))


@pytest.fixture
def make_job(model, make_picture):
    def make(image=None, quality=50, windows='auto', **about):
        if image is None:
            image = make_picture(96, 128)
        picture = Image.from_array(image)
        return Job(picture, picture.windows(windows), quality, model, **about)

    return make


def encoded(job, progress=None):
    buffer = io.BytesIO()
    encode_job(buffer, job, progress)
    return buffer.getvalue()


@pytest.fixture
def size_between(make_job, model):
    """A size between those at the lowest and at the highest quality."""

    def size(share, image=None):
        low, high = (len(encoded(make_job(image, q))) for q in (0, 100))
        model.analyses = 0
        return int(low ** (1 - share) * high**share)

    return size


def ramp(height, width, low=20, high=80):
    return np.linspace(low, high, width)[None].repeat(height, axis=0)


def measured(data, image, windows):
    """Statistics of what a reader gets, by planes in 0..1."""
    tally, similarities = ErrorTally(), []
    decoded = napari_sft.decode(data, device='cpu')
    with Reader(data) as reader:
        layout = reader.header.layout
        for number in range(layout.plane_count):
            at = layout.index_of(number)
            window = windows[layout.channel_of(number)]
            pair = [normalise(a[at], window) for a in (image, decoded)]
            height, width = layout.plane_shape[:2]
            cells = (-(-height // 16), -(-width // 16))
            coded_map = unpack(reader.map(number), cells)
            tally.add(*pair, coded_map.pixels((height, width)))
            similarities.append(ms_ssim(*pair, 1.0))
        whole = None if None in similarities else np.mean(similarities)
        return reader.statistics, tally.statistics(whole)


def assert_alike(stored, wanted):
    assert stored.mse == pytest.approx(wanted.mse, rel=1e-6)
    assert stored.largest_error == pytest.approx(
        wanted.largest_error, rel=1e-6
    )
    assert len(stored.regions) == len(wanted.regions)
    for a, b in zip(stored.regions, wanted.regions, strict=True):
        assert a.pixels == b.pixels
        assert a.quality == pytest.approx(b.quality, abs=0.01)
        assert a.mse == pytest.approx(b.mse, rel=1e-6)
        assert a.largest_error == pytest.approx(b.largest_error, rel=1e-6)


@pytest.mark.parametrize('share', [None, 0.4])
def test_statistics_are_those_of_what_a_reader_gets(
    make_job, make_picture, size_between, share
):
    image = make_picture(96, 128)
    target = share and size_between(share)
    job = make_job(image, ramp(96, 128), target_bytes=target)
    stored, wanted = measured(encoded(job), image, job.windows)
    assert stored.mse > 0
    assert len(stored.regions) > 1
    assert_alike(stored, wanted)


@pytest.mark.parametrize('target', [None, 2500])
def test_statistics_of_a_stack_are_over_all_its_planes(
    make_job, make_picture, target
):
    planes = [make_picture(60, 70, rgb=False, seed=n) for n in range(4)]
    image = np.stack(planes).reshape(2, 2, 60, 70).astype(np.float32) / 7
    image[:, 1] -= 3  # each channel has its own window
    quality = np.stack([ramp(60, 70, 10 * n, 90) for n in range(4)])
    job = make_job(image, quality.reshape(image.shape), target_bytes=target)
    assert len(set(job.windows)) == 2
    stored, wanted = measured(encoded(job), image, job.windows)
    assert_alike(stored, wanted)


def test_ms_ssim_is_stored_where_planes_are_large_enough(
    make_job, make_picture
):
    image = make_picture(164, 170)
    job = make_job(image)
    stored, wanted = measured(encoded(job), image, job.windows)
    assert 0.5 < wanted.ms_ssim < 1
    assert stored.ms_ssim == pytest.approx(wanted.ms_ssim, abs=1e-5)


def test_statistics_can_be_left_out(make_job):
    with Reader(encoded(make_job(statistics=False))) as reader:
        assert reader.statistics is None


@pytest.mark.parametrize(
    ('share', 'painted'),
    [(0.2, False), (0.5, False), (0.8, False), (0.5, True), (0.8, True)],
)
def test_a_target_is_met_but_not_exceeded_in_eight_analyses(
    make_job, model, size_between, share, painted
):
    target = size_between(share)
    quality = ramp(96, 128) if painted else 50
    data = encoded(make_job(quality=quality, target_bytes=target))
    # a word of the coder is up to 1 % of so small a file
    assert 0.98 * target <= len(data) <= target
    assert model.analyses <= 8


@pytest.mark.parametrize('own_maps', [False, True])
def test_a_stack_meets_its_target_in_eight_passes(
    make_job, model, make_picture, size_between, own_maps
):
    image = np.stack(
        [make_picture(64, 80, rgb=False, seed=n) for n in range(3)]
    )
    target = size_between(0.6, image)
    quality = ramp(64, 80)
    if own_maps:
        target += 300  # for the maps
        quality = np.stack([quality, quality / 2, 100 - quality])
    data = encoded(make_job(image, quality, target_bytes=target))
    assert len(data) <= target
    assert own_maps or len(data) >= 0.98 * target
    assert model.analyses <= 8 * 3


def test_the_file_at_a_target_is_the_one_at_that_quality(
    make_job, size_between
):
    data = encoded(make_job(target_bytes=size_between(0.7)))
    with Reader(data) as reader:
        coded_map = unpack(reader.map(), (6, 8))
        payload = reader.read_tile(0, 0, 0, 0).payload
        statistics = reader.statistics
    quality = 100 * int(coded_map.fine()[0, 0]) / 496
    with Reader(encoded(make_job(quality=quality))) as reader:
        assert reader.read_tile(0, 0, 0, 0).payload == payload
        assert reader.statistics == statistics


def test_painted_differences_stay_at_a_target(make_job):
    quality = np.full((96, 128), 40.0)
    quality[:, 64:] = 60
    whole = len(encoded(make_job(quality=quality)))
    data = encoded(make_job(quality=quality, target_bytes=whole - 60))
    with Reader(data) as reader:
        shifted = unpack(reader.map(), (6, 8)).fine()
    before = CodedMap.from_quality(quality).fine()
    assert shifted[0, 0] < before[0, 0]
    assert len(np.unique(shifted - before)) == 1


def test_a_target_below_the_lowest_quality_is_refused(make_job, model):
    with pytest.raises(TargetError, match='lowest quality takes'):
        encoded(make_job(target_bytes=200))
    assert model.analyses <= 8


def test_a_generous_target_gives_the_highest_quality(make_job):
    data = encoded(make_job(target_bytes=10**6))
    assert data == encoded(make_job(quality=100))


def test_regions_that_a_shift_merges_do_not_upset_the_size(
    make_job, make_picture
):
    image = make_picture(96, 128)
    quality = ramp(96, 128, 0, 9)
    smallest = len(encoded(make_job(image, 0)))
    for target in range(smallest, smallest + 60, 12):
        data = encoded(make_job(image, quality, target_bytes=target))
        assert len(data) <= target


def test_progress_counts_planes_to_the_end(make_job, make_picture):
    image = np.stack([make_picture(40, 40, rgb=False)] * 3)
    seen = []
    encoded(make_job(image), lambda *step: seen.append(step))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_progress_of_a_target_never_goes_back(make_job):
    seen = []
    encoded(make_job(target_bytes=1100), lambda *step: seen.append(step))
    done = [step[0] for step in seen]
    assert done == sorted(done)
    assert seen[0][0] == 0
    assert seen[-1] == (9, 9)


class Cancelled(Exception):
    pass


@pytest.mark.parametrize('target', [None, 2500])
@pytest.mark.parametrize('at', [0, 1, 2, 3])
def test_cancelling_leaves_nothing_and_keeps_the_old_file(
    make_job, make_picture, tmp_path, at, target
):
    image = np.stack(
        [make_picture(40, 40, rgb=False, seed=n) for n in range(3)]
    )
    path = tmp_path / 'a.sft'
    path.write_bytes(b'old')

    def cancel(done, _total):
        if done == at:
            raise Cancelled

    with pytest.raises(Cancelled):
        encode_job(path, make_job(image, target_bytes=target), cancel)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b'old'


@pytest.mark.parametrize('room', [0, 30, 400])
def test_a_full_disk_leaves_nothing(make_job, tmp_path, monkeypatch, room):
    job = make_job()
    real_open = builtins.open

    class Full:
        def __init__(self, file):
            self._file, self._left = file, room

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, data):
            if len(data) > self._left:
                self._file.write(data[: self._left])
                raise OSError(28, 'No space left on device')
            self._left -= len(data)
            return self._file.write(data)

    def opened(path, mode='r', *args, **kwargs):
        file = real_open(path, mode, *args, **kwargs)
        return Full(file) if mode == 'xb' else file

    monkeypatch.setattr(builtins, 'open', opened)
    with pytest.raises(SftError, match='No space left on device; make room'):
        encode_job(tmp_path / 'a.sft', job)
    assert list(tmp_path.iterdir()) == []


def test_a_plane_with_nan_late_in_a_stack_leaves_nothing(make_job, tmp_path):
    image = np.zeros((3, 40, 40), np.float32)
    image[2, 5, 5] = np.nan
    with pytest.raises(ImageError, match=r'plane 2 \(Z=2\) holds NaN'):
        encode_job(tmp_path / 'a.sft', make_job(image, windows=(0.0, 1.0)))
    assert list(tmp_path.iterdir()) == []


def test_a_plane_that_readers_would_refuse_is_not_encoded(
    make_job, model, monkeypatch
):
    monkeypatch.setenv('NAPARI_SFT_MAX_PIXELS', '10000')
    with pytest.raises(ImageError, match='cut it up'):
        encoded(make_job())
    assert model.analyses == 0
