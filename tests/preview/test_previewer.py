"""Previews are whole files, with what the encoder knows of them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import napari_sft
from napari_sft.codec.container import Reader
from napari_sft.codec.errors import ImageError, MapError, TargetError
from napari_sft.preview.measures import Measures
from napari_sft.preview.previewer import Previewer, error_map

pytestmark = pytest.mark.usefixtures('tiny_model')


class Stop(Exception):  # noqa: N818
    pass


def painted(shape):
    quality = np.full(shape, 10.0)
    quality[: shape[0] // 2, 20:60] = 90
    return quality


@pytest.fixture(scope='module')
def shown(tiny_weights, make_picture):
    """A picture of odd size, its map and its preview."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NAPARI_SFT_WEIGHTS', str(tiny_weights))
        picture = make_picture(83, 101)
        quality = painted((83, 101))
        previewer = Previewer(
            picture, device='cpu', name='discs', source_bytes=5000
        )
        return picture, quality, previewer.run(quality)


def test_a_preview_is_the_file_that_its_map_gives(shown):
    picture, quality, preview = shown
    ours = napari_sft.encode(
        picture, quality_map=quality, device='cpu', name='discs', effort=1
    )
    # The date apart, which may differ by a second.
    with Reader(preview.data) as a, Reader(ours) as b:
        assert a.nbytes == b.nbytes
        assert a.map() == b.map()
        assert a.statistics == b.statistics
        assert a.calibration == b.calibration
        assert a.read_tile(0, 0, 0, 0) == b.read_tile(0, 0, 0, 0)


@pytest.mark.parametrize('tile', [64, 1024])
def test_the_picture_is_shown_before_it_is_measured(
    tiny_model, make_picture, monkeypatch, tile
):
    events = []
    of = Measures.of

    def measure(self, *arguments):
        events.append('measured')
        return of(self, *arguments)

    monkeypatch.setattr(Measures, 'of', measure)
    previewer = Previewer(make_picture(83, 101), device='cpu', tile=tile)
    preview = previewer.run(50, show=events.append)
    picture, last = events[-2:]
    assert last == 'measured'
    assert picture is preview.reconstruction
    assert sum(event is picture for event in events) == 1


def test_the_reconstruction_is_what_readers_get(shown):
    picture, _, preview = shown
    decoded = napari_sft.decode(preview.data, device='cpu')
    assert preview.reconstruction.dtype == picture.dtype
    np.testing.assert_array_equal(preview.reconstruction, decoded)


def test_map_and_numbers_are_those_of_the_file(shown):
    picture, quality, preview = shown
    with napari_sft.open(preview.data) as file:
        np.testing.assert_array_equal(preview.quality, file.quality_map)
    assert np.abs(preview.quality - quality)[40:, 70:].max() < 2
    assert preview.info == napari_sft.info(preview.data)
    assert preview.info['statistics']['regions']
    size = len(preview.data)
    assert preview.ratio_to_raw == pytest.approx(picture.nbytes / size)
    assert preview.ratio_to_source == pytest.approx(5000 / size)
    assert preview.seconds > 0


def payload_bits(data):
    with Reader(data) as reader:
        sizes = [len(reader.read_tile(*key).payload) for key in reader.tiles]
    return 8 * sum(sizes), len(sizes)


@pytest.mark.parametrize(
    ('shape', 'tile'),
    [
        ((83, 101), 0),
        ((64, 64), 64),
        ((16, 200), 1024),
        ((1, 1), 0),
        ((150, 200), 64),
        ((150, 200), 128),
    ],
)
def test_bits_of_the_blocks_sum_to_the_payload(make_picture, shape, tile):
    picture = make_picture(*shape)
    previewer = Previewer(picture, device='cpu', tile=tile)
    free = previewer.run(60)
    fitted = previewer.run(30, target_bytes=len(free.data))
    for preview in (free, fitted):
        payload, tiles = payload_bits(preview.data)
        assert preview.bits.shape == tuple(-(-n // 16) for n in shape)
        # The coder's state and its rounding to bytes come on top.
        assert preview.bits.sum() == pytest.approx(
            payload, rel=0.005, abs=80 * tiles
        )


def test_bits_of_tiles_are_those_of_the_whole_plane(make_picture):
    picture = make_picture(150, 200)
    quality = painted((150, 200))
    whole = Previewer(picture, device='cpu', tile=0).run(quality)
    tiles = Previewer(picture, device='cpu', tile=64).run(quality)
    # Rounding of the networks may move single symbols.
    differing = np.abs(whole.bits - tiles.bits) > 0.01
    assert differing.mean() < 0.05


def test_bits_are_spent_where_the_quality_is_high(shown):
    _, _, preview = shown
    high = preview.bits[:2, 2:3].mean()
    assert high > 2 * preview.bits[3:5, 2:3].mean()


@pytest.mark.parametrize('dtype', ['uint16', 'float32'])
def test_other_dtypes_come_back_in_their_window(make_picture, dtype):
    picture = make_picture(48, 70, rgb=False).astype(dtype) * 3
    preview = Previewer(picture, device='cpu', window=(0, 1000)).run(80)
    assert preview.reconstruction.dtype == dtype
    assert preview.info['windows'] == [[0, 1000]]
    np.testing.assert_array_equal(
        preview.reconstruction, napari_sft.decode(preview.data, device='cpu')
    )


def test_of_large_images_only_what_a_stroke_reaches_is_computed(
    make_picture, monkeypatch
):
    from napari_sft.models.compact_codec import CompactCodec

    monkeypatch.setattr(CompactCodec, 'window', 64 * 64)
    computed = []
    for step in ('analyse', 'hyper_symbols', 'quantise', 'synthesise'):
        original = getattr(CompactCodec, step)

        def counted(*arguments, step=step, original=original):
            computed.append(step)
            return original(*arguments)

        monkeypatch.setattr(CompactCodec, step, counted)
    picture = make_picture(384, 640)
    quality = np.full((384, 640), 30.0)
    previewer = Previewer(picture, device='cpu', tile=64)
    previewer.run(quality)
    everything = len(computed)
    computed.clear()
    quality[20:40, 20:40] = 90
    stroke = previewer.run(quality)
    assert 0 < len(computed) < everything / 2
    computed.clear()
    again = previewer.run(quality)
    assert not computed
    fresh = Previewer(picture, device='cpu', tile=64).run(quality)
    for other in (again, fresh):
        np.testing.assert_array_equal(
            stroke.reconstruction, other.reconstruction
        )
        np.testing.assert_array_equal(stroke.bits, other.bits)
        assert stroke.info['statistics'] == other.info['statistics']
        with Reader(stroke.data) as a, Reader(other.data) as b:
            for key in a.tiles:
                assert a.read_tile(*key) == b.read_tile(*key)


@pytest.mark.parametrize('at', [(230, 700), (505, 1020)])
def test_a_stroke_costs_about_the_windows_that_it_touches(
    make_picture, monkeypatch, at
):
    from napari_sft.models.compact_codec import CompactCodec

    pixels = {'analyse': 0, 'synthesise': 0}
    for step in pixels:
        original = getattr(CompactCodec, step)

        def counted(self, values, fine, step=step, original=original):
            pixels[step] += 256 * fine.size  # a cell has 16 x 16 pixels
            return original(self, values, fine)

        monkeypatch.setattr(CompactCodec, step, counted)
    shape = 1024, 1536
    previewer = Previewer(make_picture(*shape), device='cpu')
    quality = np.full(shape, 30.0)
    previewer.run(quality)
    # What it reaches lies in two windows, or it lies on the corner of four.
    windows = 2 if at == (230, 700) else 4
    for size in (12, 40):
        pixels.update(dict.fromkeys(pixels, 0))
        quality[at[0] : at[0] + size, at[1] : at[1] + size] = 80
        stroke = previewer.run(quality)
        for count in pixels.values():
            assert 0 < count <= windows * (512 * 3 // 2) ** 2
    fresh = Previewer(previewer.plane(), device='cpu').run(quality)
    np.testing.assert_array_equal(stroke.reconstruction, fresh.reconstruction)
    assert stroke.info['statistics'] == fresh.info['statistics']
    # In other windows the networks' rounding may move single symbols.
    ours = napari_sft.encode(
        previewer.plane(), quality_map=quality, device='cpu', effort=1
    )
    assert len(stroke.data) == pytest.approx(len(ours), rel=1e-3)


def test_tiles_are_those_that_imwrite_makes(make_picture):
    picture = make_picture(150, 200)
    quality = painted((150, 200))
    preview = Previewer(picture, device='cpu', tile=64).run(quality)
    ours = napari_sft.encode(
        picture, quality_map=quality, device='cpu', tile=64, effort=1
    )
    with Reader(preview.data) as a, Reader(ours) as b:
        assert a.nbytes == b.nbytes
        assert a.tiles == b.tiles
        for key in a.tiles:
            assert a.read_tile(*key) == b.read_tile(*key)
        assert a.statistics.mse == pytest.approx(b.statistics.mse)
        assert len(a.statistics.regions) == len(b.statistics.regions)
    # Of the whole as of its parts, but for the networks' rounding.
    decoded = napari_sft.decode(preview.data, device='cpu').astype(int)
    assert np.abs(preview.reconstruction - decoded).max() <= 1


def test_a_target_size_is_met_and_the_picture_is_that_of_its_file(
    make_picture,
):
    picture = make_picture(80, 100)
    previewer = Previewer(picture, device='cpu')
    target = len(previewer.run(60).data)
    preview = previewer.run(painted((80, 100)), target_bytes=target)
    assert len(preview.data) <= target
    np.testing.assert_array_equal(
        preview.reconstruction, napari_sft.decode(preview.data, device='cpu')
    )
    with pytest.raises(TargetError):
        previewer.run(60, target_bytes=30)


@pytest.mark.parametrize('tile', [64, 1024])
def test_an_effort_gives_the_file_that_imwrite_gives(make_picture, tile):
    picture, quality = make_picture(96, 160), painted((96, 160))
    previewer = Previewer(picture, device='cpu', tile=tile)
    calls = []

    def run():
        calls.clear()
        return previewer.run(
            quality, effort=2, progress=lambda *step: calls.append(step)
        )

    first, again = run(), run()
    assert calls[-1][0] == calls[-1][1] > 1
    ours = napari_sft.encode(
        picture, quality_map=quality, device='cpu', tile=tile, effort=2
    )
    for preview in (first, again):
        with Reader(preview.data) as a, Reader(ours) as b:
            assert a.statistics == b.statistics
            for key in b.tiles:
                assert a.read_tile(*key) == b.read_tile(*key)
        np.testing.assert_array_equal(
            preview.reconstruction, napari_sft.decode(ours, device='cpu')
        )
    assert first.data != previewer.run(quality).data


def test_a_target_size_is_met_at_an_effort(make_picture):
    picture = make_picture(80, 100)
    previewer = Previewer(picture, device='cpu', tile=64)
    target = len(previewer.run(60).data)
    preview = previewer.run(30, target_bytes=target, effort=3)
    assert 0.8 * target < len(preview.data) <= target
    np.testing.assert_array_equal(
        preview.reconstruction, napari_sft.decode(preview.data, device='cpu')
    )


def test_what_was_refined_is_not_refined_again(make_picture, monkeypatch):
    from napari_sft.models.refinement import LatentRefiner

    refined = []
    original = LatentRefiner.__call__

    def counted(self, *arguments):
        refined.append(arguments)
        return original(self, *arguments)

    monkeypatch.setattr(LatentRefiner, '__call__', counted)
    previewer = Previewer(make_picture(64, 1664), device='cpu', tile=64)
    quality = np.full((64, 1664), 30.0)
    previewer.run(quality, effort=2)
    assert len(refined) == 3  # blocks of 768 pixels
    quality[:20, :20] = 90
    previewer.run(quality, effort=2)
    assert len(refined) == 4


def test_axes_of_one_plane_and_alpha_are_left_out(make_picture):
    picture = make_picture(40, 50)
    opaque = np.dstack([picture, np.full((40, 50), 255, np.uint8)])
    plain = Previewer(picture, device='cpu').run(50)
    for same in (opaque, opaque[None]):
        preview = Previewer(same, device='cpu').run(50)
        assert preview.reconstruction.shape == (40, 50, 3)
        np.testing.assert_array_equal(
            preview.reconstruction, plain.reconstruction
        )


def test_lazy_images_are_read_once(make_picture):
    da = pytest.importorskip('dask.array')
    picture, reads = make_picture(64, 64), []

    def read(block):
        reads.append(block)
        return picture

    lazy = da.from_array(np.zeros((64, 64, 3), np.uint8)).map_blocks(
        read, dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8)
    )
    previewer = Previewer(lazy, device='cpu')
    assert not reads
    first, second = previewer.run(50), previewer.run(50)
    assert len(reads) == 1
    np.testing.assert_array_equal(first.reconstruction, second.reconstruction)


def test_images_and_maps_that_do_not_fit_are_refused(make_picture):
    with pytest.raises(ImageError, match='too much memory'):
        Previewer(np.broadcast_to(np.uint8(0), (20_000, 20_000)))
    with pytest.raises(ImageError, match='one plane'):
        Previewer(np.zeros((4, 32, 32), np.uint8), rgb=False)
    previewer = Previewer(make_picture(32, 32), device='cpu')
    with pytest.raises(MapError):
        previewer.run(np.zeros((32, 31)))
    with pytest.raises(MapError):
        previewer.run(101)


def test_progress_can_end_the_work_before_synthesis(make_picture):
    previewer = Previewer(make_picture(64, 64), device='cpu')
    calls = []
    whole = previewer.run(50, progress=lambda *step: calls.append(step))
    assert calls[-1] == (1, 1)
    assert len(calls) > 3

    def stop(done, total):
        calls.append((done, total))
        if len(calls) == 3:
            raise Stop

    calls.clear()
    with pytest.raises(Stop):
        previewer.run(50, progress=stop)
    again = previewer.run(50)
    np.testing.assert_array_equal(again.reconstruction, whole.reconstruction)


def test_threads_take_turns(make_picture):
    previewer = Previewer(make_picture(64, 64), device='cpu')
    alone = {q: previewer.run(q).reconstruction for q in (10, 90)}
    results = {}

    def work(quality):
        results[quality] = previewer.run(quality).reconstruction

    threads = [threading.Thread(target=work, args=(q,)) for q in (10, 90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for quality, picture in alone.items():
        np.testing.assert_array_equal(results[quality], picture)


def test_saving_writes_exactly_the_preview(shown, tmp_path):
    _, _, preview = shown
    path = tmp_path / 'a.sft'
    path.write_bytes(b'older')
    verified = preview.save(path, device='cpu')
    assert path.read_bytes() == preview.data
    assert verified.nbytes == len(preview.data)
    assert [p.name for p in tmp_path.iterdir()] == ['a.sft']


def test_error_maps_are_in_values_of_the_image():
    a = np.array([[0, 200]], np.uint8)
    b = np.array([[3, 100]], np.uint8)
    assert error_map(a, b).tolist() == [[3, 100]]
    assert error_map(b, a).dtype == np.float32
    colour = np.zeros((1, 1, 3)), np.array([[[1, -4, 2]]])
    assert error_map(*colour).tolist() == [[4]]
    with pytest.raises(ImageError, match='same shape'):
        error_map(a, b[:, :1])
