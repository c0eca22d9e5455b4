"""The whole widget on a viewer without a window."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip('napari')
pytest.importorskip('pytestqt')
from napari.components import ViewerModel

import napari_sft
from napari_sft.codec.container import Reader
from napari_sft.codec.effort import DEFAULT_EFFORT, FASTEST_EFFORT
from napari_sft.codec.errors import SftError
from napari_sft.plugin import map_layer
from napari_sft.plugin.coordinator import Coordinator
from napari_sft.plugin.preferences import Preferences
from napari_sft.plugin.widgets.main_widget import MainWidget


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def main(qtbot):
    main = MainWidget()
    qtbot.addWidget(main)
    return main


@pytest.fixture
def start(viewer, main, tiny_model):
    """Start the widget, with preferences; it is closed at the end."""
    started = []

    def start(**preferences):
        whole = Coordinator(viewer, main, Preferences(**preferences))
        started.append(whole)
        return whole

    yield start
    for whole in started:
        whole.close()


@pytest.fixture
def whole(start):
    return start(live=False)


@pytest.fixture
def live(start):
    return start(live=True)


@pytest.fixture
def picture(make_picture):
    return make_picture(64, 96)


def wait_for_preview(qtbot, whole, act=lambda: None):
    """Act, then wait until the preview is of what is there now."""
    act()

    def up_to_date():
        request = whole.request()
        outcome = whole.outcome
        return outcome is not None and request.same(outcome.request)

    qtbot.waitUntil(up_to_date, timeout=60_000)
    return whole.outcome


def paint(layer, y, x, quality, size=36):
    """A stroke as napari's brush makes it."""
    layer.selected_label = map_layer.to_label(quality)
    layer.brush_size = size
    layer.paint((y, x), layer.selected_label)


def is_empty(main):
    return main._pages.currentWidget() is main.empty


def test_without_an_image_there_is_an_empty_page(whole, main, viewer):
    assert is_empty(main)
    image = viewer.add_image(np.zeros((40, 50), np.uint8))
    assert not is_empty(main)
    assert whole.image is image
    viewer.layers.remove(image)
    assert is_empty(main)


def test_compress_without_a_map_is_one_quality(
    qtbot, whole, main, viewer, picture
):
    viewer.add_image(picture, name='cells')
    main.map.base_quality_changed.emit(45)
    outcome = wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    assert outcome.request.quality() == 45
    assert set(np.unique(outcome.preview.quality.round())) == {45}
    layer = viewer.layers['cells compressed']
    np.testing.assert_array_equal(
        layer.data, napari_sft.decode(outcome.preview.data)
    )
    assert len(outcome.preview.data) == outcome.preview.info['bytes']


def test_nothing_is_compressed_unasked_when_live_is_off(
    qtbot, whole, viewer, picture
):
    viewer.add_image(picture)
    qtbot.wait(150)
    assert whole.outcome is None
    assert not whole.live.engine.busy


def test_live_preview_follows_strokes_undo_and_redo(
    qtbot, live, main, viewer, picture
):
    viewer.add_image(picture)
    first = wait_for_preview(qtbot, live)
    main.map.new_map_requested.emit()
    layer = live.map.layer
    assert layer is viewer.layers[-1]
    paint(layer, 30, 40, 95)
    painted = wait_for_preview(qtbot, live)
    assert painted.preview.quality[30, 40] > 80
    assert painted.preview.quality[60, 90] < 40
    assert len(painted.preview.data) > len(first.preview.data)
    layer.undo()
    undone = wait_for_preview(qtbot, live)
    assert undone.preview.quality.max() < 40
    layer.redo()
    redone = wait_for_preview(qtbot, live)
    assert redone.preview.info['bytes'] == painted.preview.info['bytes']


def test_live_preview_follows_base_feather_and_target(
    qtbot, live, main, viewer, picture
):
    viewer.add_image(picture)
    main.map.new_map_requested.emit()
    paint(live.map.layer, 30, 40, 95)
    wait_for_preview(qtbot, live)
    main.map.base_quality_changed.emit(10)
    low = wait_for_preview(qtbot, live)
    assert low.preview.quality.min() < 15
    main.map.feather_changed.emit(30)
    soft = wait_for_preview(qtbot, live)
    middle = (soft.preview.quality > 20) & (soft.preview.quality < 80)
    assert middle.any()
    assert map_layer.base_quality(live.map.layer) == 10
    target = soft.preview.info['bytes'] - 60
    main.target.set_target(target)
    main.target.target_changed.emit(target)
    small = wait_for_preview(qtbot, live)
    assert small.preview.info['bytes'] <= target


def test_hundred_strokes_end_in_the_preview_of_the_last(
    qtbot, live, main, viewer, picture
):
    viewer.add_image(picture)
    main.map.new_map_requested.emit()
    rng = np.random.default_rng(0)
    for _ in range(100):
        y, x, quality = rng.integers((64, 96, 101))
        paint(live.map.layer, y, x, quality, size=12)
        qtbot.wait(2)
    outcome = wait_for_preview(qtbot, live)
    fresh = napari_sft.encode(
        picture,
        quality_map=map_layer.to_quality(live.map.layer.data, 30),
        effort=1,
    )
    np.testing.assert_array_equal(
        napari_sft.decode(outcome.preview.data), napari_sft.decode(fresh)
    )
    assert len(live.map.layer._undo_history) == 100


def test_brush_and_view_are_bound_both_ways(whole, main, viewer, picture):
    viewer.add_image(picture)
    main.map.new_map_requested.emit()
    layer = whole.map.layer
    assert main.brush.quality() == layer.selected_label - 1 == 85
    main.brush.quality_changed.emit(20)
    assert layer.selected_label == 21
    layer.selected_label = 71
    assert main.brush.quality() == 70
    layer.selected_label = 0
    assert main.brush.quality() == 70
    main.brush.size_changed.emit(90)
    assert layer.brush_size == 90
    layer.brush_size = 33
    assert main.brush.size_() == 33
    main.brush.tool_chosen.emit('pan')
    assert layer.mode == 'pan_zoom'
    main.brush.tool_chosen.emit('fill')
    assert layer.mode == 'fill'
    assert viewer.layers.selection.active is layer


def test_brush_needs_a_map(whole, main, viewer, picture):
    viewer.add_image(picture)
    assert 'map first' in main.brush.reason()
    main.map.new_map_requested.emit()
    assert main.brush.reason() == ''
    viewer.layers.remove(whole.map.layer)
    assert whole.map.layer is None
    assert 'map first' in main.brush.reason()


def test_map_that_no_longer_fits_is_told_and_not_used(
    qtbot, whole, main, viewer, picture
):
    viewer.add_image(picture)
    main.map.new_map_requested.emit()
    whole.map.layer.data = np.zeros((10, 10), np.uint8)
    qtbot.waitUntil(lambda: 'make a new one' in main.run.reason())
    assert whole.request() is None
    main.map.map_chosen.emit('')
    qtbot.waitUntil(lambda: main.run.reason() == '')
    assert whole.request() is not None


def test_map_that_comes_after_its_image_is_taken(whole, main, viewer, picture):
    image = viewer.add_image(picture, name='cells')
    layer = viewer.add_layer(map_layer.make(image))
    assert whole.map.layer is layer
    main.map.map_chosen.emit('')
    assert whole.map.layer is None
    image.name = 'nuclei'
    assert whole.map.layer is None, 'the user wants none'


def test_map_that_is_selected_is_the_one_that_counts(
    whole, main, viewer, picture
):
    image = viewer.add_image(picture, name='cells')
    first = viewer.add_layer(map_layer.make(image))
    second = viewer.add_layer(map_layer.make(image))
    assert whole.map.layer is second
    viewer.layers.selection.active = first
    assert whole.map.layer is first
    viewer.layers.selection.active = image
    assert whole.map.layer is first
    other = viewer.add_image(picture[:32, :32], name='other')
    viewer.add_layer(map_layer.make(other))
    assert whole.map.layer is first, 'the other does not fit'


def test_map_of_a_reader_gets_a_brush_that_suits_it(
    whole, main, viewer, picture
):
    viewer.add_image(picture, name='cells')
    labels = np.full((64, 96), 40, np.uint8)
    layer = viewer.add_labels(labels, **map_layer.arguments('cells', 30))
    assert whole.map.layer is layer
    assert layer.selected_label == map_layer.to_label(85)
    main.brush.quality_changed.emit(7)
    main.map.map_chosen.emit('')
    main.map.map_chosen.emit(layer.name)
    assert layer.selected_label == map_layer.to_label(7)


def test_map_is_kept_by_image(whole, main, viewer, picture):
    first = viewer.add_image(picture, name='first')
    main.map.new_map_requested.emit()
    mine = whole.map.layer
    viewer.add_image(picture[:32, :32], name='second')
    assert whole.image is first
    main.image.image_chosen.emit('second')
    assert whole.map.layer is None
    main.image.image_chosen.emit('first')
    assert whole.map.layer is mine


@pytest.mark.parametrize(
    'make',
    [
        lambda p: p[..., 0],
        lambda p: np.dstack([p, np.full(p.shape[:2], 255, np.uint8)]),
        lambda p: p[..., 0].astype(np.uint16) * 16,
        lambda p: p[..., 0].astype(np.float32) / 7 - 3,
        lambda p: [p, p[::2, ::2]],
    ],
    ids=['gray', 'rgba', '16-bit', 'float', 'multiscale'],
)
def test_kinds_of_images(qtbot, whole, main, viewer, picture, make):
    data = make(picture)
    layer = viewer.add_image(data, multiscale=isinstance(data, list))
    main.map.new_map_requested.emit()
    paint(whole.map.layer, 30, 40, 95)
    outcome = wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    finest = data[0] if isinstance(data, list) else data
    expected = finest[..., :3] if layer.rgb else finest
    result = viewer.layers[f'{layer.name} compressed']
    assert result.data.dtype == expected.dtype
    assert result.data.shape == expected.shape
    span = float(np.ptp(expected))
    error = np.abs(result.data.astype(float) - expected).mean()
    assert error < span / 5
    assert outcome.preview.info['dtype'] == expected.dtype.name


def test_window_of_16_bit_images_can_be_chosen(
    qtbot, whole, main, viewer, picture
):
    data = picture[..., 0].astype(np.uint16) * 16
    layer = viewer.add_image(data, contrast_limits=(100, 2000))
    windows = []
    for key in ('minmax', 'dtype', 'contrast'):
        main.image.window_chosen.emit(key)
        outcome = wait_for_preview(
            qtbot, whole, main.run.compress_requested.emit
        )
        windows.append(outcome.preview.info['windows'][0])
    assert windows == [[data.min(), data.max()], [0, 65535], [100, 2000]]
    assert tuple(layer.contrast_limits) == (100, 2000)


def test_lazy_stack_shows_the_plane_in_view(
    qtbot, live, main, viewer, make_picture
):
    da = pytest.importorskip('dask.array')
    planes = np.stack([make_picture(64, 96, seed=n) for n in range(3)])
    lazy = da.from_array(planes, chunks=(1, 64, 96, 3))
    viewer.add_image(lazy, rgb=True, scale=(5, 1, 1))
    first = wait_for_preview(qtbot, live)
    shown = int(first.request.plane.index[0])
    np.testing.assert_array_equal(first.original, planes[shown])
    viewer.dims.set_current_step(0, 2 if shown != 2 else 0)
    other = wait_for_preview(qtbot, live)
    assert other.request.plane.index != first.request.plane.index
    np.testing.assert_array_equal(
        other.original, planes[other.request.plane.index]
    )


def test_image_removed_while_computing_leaves_nothing(
    qtbot, whole, main, viewer, picture
):
    image = viewer.add_image(picture)
    main.run.compress_requested.emit()
    qtbot.waitUntil(lambda: whole.live.engine._running is not None)
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: not whole.live.engine.busy)
    qtbot.wait(50)
    assert not viewer.layers
    assert whole.outcome is None


def test_map_and_result_removed_while_computing(
    qtbot, whole, main, viewer, picture
):
    image = viewer.add_image(picture, name='cells')
    main.map.new_map_requested.emit()
    paint(whole.map.layer, 30, 40, 95)
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    main.run.compress_requested.emit()
    viewer.layers.remove(whole.map.layer)
    viewer.layers.remove('cells compressed')
    qtbot.waitUntil(lambda: not whole.live.engine.busy, timeout=60_000)
    assert [layer.name for layer in viewer.layers] == [
        image.name,
        'cells compressed',
    ]


def test_renamed_layers_are_offered_by_their_new_names(
    qtbot, whole, main, viewer, picture
):
    image = viewer.add_image(picture, name='cells')
    main.run.compress_requested.emit()
    image.name = 'nuclei'
    outcome = wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    assert whole.image is image
    assert outcome.preview.info['calibration']['name'] == 'nuclei'


def test_result_of_an_error_is_one_line(qtbot, whole, main, viewer, picture):
    viewer.add_image(picture)
    main.target.set_target(9)
    main.run.compress_requested.emit()
    qtbot.waitUntil(lambda: bool(main.message.text()), timeout=60_000)
    assert '\n' not in main.message.text()
    assert not whole.live.engine.busy
    main.target.set_target(None)
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    assert main.message.text() == ''


def test_key_toggles_original_and_reconstruction(
    qtbot, whole, main, viewer, picture
):
    image = viewer.add_image(picture, name='cells')
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    result = viewer.layers['cells compressed']
    press = next(f for k, f in viewer.keymap.items() if str(k) == 'T')
    press(viewer)
    assert image.visible
    assert not result.visible
    press(viewer)
    assert result.visible


def part(whole, kind):
    """The coordinator's part of a kind."""
    (found,) = (p for p in whole._parts if type(p).__name__ == kind)
    return found


def test_jpeg_is_compared_on_demand_and_forgotten(
    qtbot, whole, main, viewer, picture, monkeypatch
):
    shown = []
    monkeypatch.setattr(main.results, 'set_comparison', shown.append)
    viewer.add_image(picture)
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    with qtbot.waitSignal(part(whole, 'Measuring')._compare.finished):
        main.results.comparison_requested.emit()
    assert shown[-1]['bytes'] > 0
    with qtbot.waitSignal(whole.live.made):
        main.run.compress_requested.emit()
    assert shown[-1] is None


def test_curve_is_measured_in_the_background(
    qtbot, whole, main, viewer, picture
):
    viewer.add_image(picture)
    engine = part(whole, 'Measuring')._sweep
    with qtbot.waitSignal(engine.finished, timeout=60_000):
        main.curve.sweep_requested.emit()
        wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    assert len(main.curve.points('napari-sft')) == 11
    assert main.curve.points('JPEG')


def test_curve_can_be_cancelled(qtbot, whole, main, viewer, picture):
    viewer.add_image(picture)
    engine = part(whole, 'Measuring')._sweep
    main.curve.sweep_requested.emit()
    with qtbot.waitSignal(engine.reported, timeout=60_000):
        pass
    with qtbot.waitSignal(engine.cancelled, timeout=60_000):
        main.curve.cancel_requested.emit()
    assert len(main.curve.points('napari-sft')) < 11


def test_curve_is_offered_again_after_all_work_was_ended(
    qtbot, whole, main, viewer, picture
):
    viewer.add_image(picture)
    engine = part(whole, 'Measuring')._sweep
    with qtbot.waitSignal(engine.started):
        main.curve.sweep_requested.emit()
    assert main.curve.draw.isHidden()
    whole.pause()  # as when a window is to be closed, which may be refused
    assert not main.curve.draw.isHidden()
    assert main.curve.cancel.isHidden()


def test_saved_file_holds_the_preview_and_its_map(
    qtbot, whole, main, viewer, picture, tmp_path
):
    viewer.add_image(picture, scale=(0.5, 0.5), units=('um', 'um'))
    main.map.new_map_requested.emit()
    paint(whole.map.layer, 30, 40, 95)
    path = tmp_path / 'a.sft'
    with qtbot.waitSignal(
        part(whole, 'Saving')._engine.finished, timeout=60_000
    ):
        main.save.save_requested.emit(str(path))
    assert path.read_bytes() == whole.outcome.preview.data
    about = napari_sft.info(path)
    assert about['calibration']['scale'] == [0.5, 0.5]
    with napari_sft.open(path) as image:
        assert image.quality_map[30, 40] > 80


def test_saving_a_live_preview_takes_the_care_that_it_had_no_time_for(
    qtbot, live, main, viewer, picture, tmp_path
):
    viewer.add_image(picture)
    quick = wait_for_preview(qtbot, live)
    assert quick.effort == FASTEST_EFFORT
    assert 'quick' in main.run.status.text()
    path = tmp_path / 'a.sft'
    with qtbot.waitSignal(
        part(live, 'Saving')._engine.finished, timeout=60_000
    ):
        main.save.save_requested.emit(str(path))
        live.live.changed()  # as a look around does that finds nothing new
    assert live.outcome.effort == DEFAULT_EFFORT
    assert 'quick' not in main.run.status.text()
    assert path.read_bytes() == live.outcome.preview.data
    ours = napari_sft.encode(
        picture, quality=live.outcome.request.base, name='picture'
    )
    with Reader(path) as saved, Reader(ours) as file:
        for key in file.tiles:
            assert saved.read_tile(*key) == file.read_tile(*key)
    assert quick.preview.data != live.outcome.preview.data


def test_a_stroke_while_saving_is_saved_too(
    qtbot, live, main, viewer, picture, tmp_path
):
    viewer.add_image(picture)
    main.map.new_map_requested.emit()
    wait_for_preview(qtbot, live)
    path = tmp_path / 'a.sft'
    with qtbot.waitSignal(
        part(live, 'Saving')._engine.finished, timeout=60_000
    ):
        main.save.save_requested.emit(str(path))
        paint(live.map.layer, 30, 40, 95)
    assert live.outcome.effort == DEFAULT_EFFORT
    assert path.read_bytes() == live.outcome.preview.data
    with napari_sft.open(path) as image:
        assert image.quality_map[30, 40] > 80


def test_save_that_fails_is_told(
    qtbot, whole, main, viewer, picture, tmp_path
):
    viewer.add_image(picture)
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    main.save.save_requested.emit(str(tmp_path / 'absent' / 'a.sft'))
    qtbot.waitUntil(lambda: 'absent' in main.message.text(), timeout=60_000)


def test_all_planes_of_a_stack_go_into_one_file(
    qtbot, whole, main, viewer, make_picture, tmp_path
):
    planes = np.stack(
        [make_picture(64, 96, rgb=False, seed=n) for n in range(3)]
    )
    viewer.add_image(planes, name='stack', scale=(4, 1, 1))
    main.map.new_map_requested.emit()
    paint(whole.map.layer, 30, 40, 95)
    path = tmp_path / 'stack.sft'
    many = part(whole, 'Many')
    with qtbot.waitSignal(many._stack.finished, timeout=60_000):
        main.batch.stack_requested.emit(str(path))
    with napari_sft.open(path) as image:
        assert image.shape == planes.shape
        assert image.quality_map[30, 40] > 80
        assert image.calibration.scale == (4, 1, 1)


def test_folder_is_compressed_in_the_background(
    qtbot, whole, main, make_picture, tmp_path
):
    from skimage.io import imsave

    from napari_sft.plugin.widgets.batch_dialog import BatchRequest

    for name in ('a', 'b'):
        imsave(tmp_path / f'{name}.png', make_picture(32, 48))
    request = BatchRequest(
        source=tmp_path,
        target=tmp_path / 'small',
        patterns=('*.png',),
        quality=30,
        target_bytes=None,
        overwrite=False,
    )
    many = part(whole, 'Many')
    with qtbot.waitSignal(many._folder.finished, timeout=60_000) as signal:
        main.batch.dialog.start_requested.emit(request)
    assert 'Compressed 2 of 2' in signal.args[0]
    assert len(list((tmp_path / 'small').iterdir())) == 2


def test_closing_while_compressing_leaves_no_thread(
    qtbot, whole, main, viewer, picture
):
    viewer.add_image(np.tile(picture, (4, 4, 1)))
    main.run.compress_requested.emit()
    qtbot.waitUntil(lambda: whole.live.engine._running is not None)
    main.close()
    assert not [t for t in threading.enumerate() if 'napari-sft' in t.name]
    viewer.add_image(picture)
    qtbot.wait(100)
    assert not [t for t in threading.enumerate() if 'napari-sft' in t.name]


def test_map_is_made_from_shapes_in_the_background(
    qtbot, whole, main, viewer, picture
):
    image = viewer.add_image(picture, scale=(2, 2))
    shapes = viewer.add_shapes(
        [np.array([[20, 20], [20, 60], [60, 60], [60, 20]])],
        shape_type='polygon',
        name='cell',
    )
    shapes.features = {'quality': [64]}
    settings = {'layer': 'cell', 'quality': 90}
    main.sources.map_requested.emit('shapes', settings)
    qtbot.waitUntil(lambda: whole.map.layer is not None)
    labels = whole.map.layer.data
    assert labels[20, 20] == map_layer.to_label(64)
    assert labels[2, 2] == 0
    np.testing.assert_allclose(whole.map.layer.scale, image.scale)


def test_map_that_cannot_be_made_is_told(qtbot, whole, main, viewer, picture):
    viewer.add_image(picture)
    viewer.add_shapes(name='nothing')
    main.sources.map_requested.emit(
        'shapes', {'layer': 'nothing', 'quality': 90}
    )
    qtbot.waitUntil(lambda: 'nothing' in main.message.text())
    assert whole.map.layer is None


def test_values_of_a_segmentation_are_asked_for(
    qtbot, whole, main, viewer, picture
):
    viewer.add_image(picture)
    viewer.add_labels(np.array([[0, 3], [7, 3]]), name='nuclei')
    values = part(whole, 'MapMaking')._values
    with qtbot.waitSignal(values.finished) as signal:
        main.sources.labels_layer_chosen.emit('nuclei')
    assert signal.args == [[3, 7]]


def test_map_for_each_plane_of_a_stack_is_used(
    qtbot, whole, main, viewer, make_picture
):
    planes = np.stack([make_picture(64, 96, rgb=False)] * 2)
    viewer.add_image(planes, name='stack')
    labels = np.zeros(planes.shape, np.uint8)
    labels[1] = map_layer.to_label(90)
    viewer.add_labels(labels, **map_layer.arguments('stack', 10))
    main.map.map_chosen.emit('stack quality')
    means = []
    for step in (0, 1):
        viewer.dims.set_current_step(0, step)
        outcome = wait_for_preview(
            qtbot, whole, main.run.compress_requested.emit
        )
        means.append(outcome.preview.quality.mean())
    np.testing.assert_allclose(means, [10, 90], atol=1)


def test_file_that_cannot_be_opened_is_told(qtbot, whole, main, tmp_path):
    path = tmp_path / 'a.sft'
    path.write_bytes(b'\x89SFT\r\n\x1a\n' + bytes(50))
    main.empty.open_requested.emit(str(path))
    qtbot.waitUntil(lambda: bool(main.message.text()))
    assert '\n' not in main.message.text()
    assert main.empty.reason() == ''


def test_file_is_decoded_off_the_main_thread(
    qtbot, whole, main, viewer, picture, tmp_path
):
    path = tmp_path / 'a.sft'
    napari_sft.imwrite(path, picture)
    main.empty.open_requested.emit(str(path))
    assert 'a.sft' in main.empty.reason()
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    image, quality_map = viewer.layers
    assert image.data.shape == picture.shape
    assert image.source.path == str(path)
    assert map_layer.is_map(quality_map)
    assert whole.image is image
    assert main.empty.reason() == ''


def test_saved_is_said_until_something_changes(
    qtbot, whole, main, viewer, picture, tmp_path
):
    viewer.add_image(picture)
    path = tmp_path / 'a.sft'
    with qtbot.waitSignal(part(whole, 'Saving')._engine.finished):
        main.save.save_requested.emit(str(path))
    assert 'Saved and verified: a.sft' in main.save.status.text()
    main.map.base_quality_changed.emit(5)
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    assert main.save.status.text() == ''


def test_next_picture_is_shown_before_its_figures(
    qtbot, live, main, viewer, picture
):
    viewer.add_image(picture)
    first = wait_for_preview(qtbot, live)
    layer = live.results.reconstruction
    seen = []

    def note(event):
        seen.append((live.outcome is first, layer.data))

    layer.events.data.connect(note)
    second = wait_for_preview(
        qtbot, live, lambda: main.map.base_quality_changed.emit(5)
    )
    ((early, shown),) = seen
    assert early
    assert shown is second.preview.reconstruction


def test_picture_of_an_unfinished_preview_is_taken_back(
    qtbot, whole, main, viewer, picture, monkeypatch
):
    viewer.add_image(picture)
    first = wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    layer = whole.results.reconstruction

    changed = threading.Event()
    layer.events.data.connect(lambda event: changed.set())

    def fail(*arguments):
        assert changed.wait(10)
        raise SftError('no disk')

    monkeypatch.setattr('napari_sft.preview.encoder.Measures.of', fail)
    main.map.base_quality_changed.emit(5)
    main.run.compress_requested.emit()
    qtbot.waitUntil(lambda: 'no disk' in main.message.text())
    assert layer.data is first.preview.reconstruction


def test_what_needs_a_preview_says_so(qtbot, whole, main, viewer, picture):
    viewer.add_image(picture)
    for view in (main.save, main.show_layers):
        assert view.reason() == 'Compress first'
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    for view in (main.save, main.show_layers):
        assert view.reason() == ''


def test_map_and_results_follow_an_image_that_is_moved(
    qtbot, whole, main, viewer, picture
):
    image = viewer.add_image(picture, name='cells')
    main.map.new_map_requested.emit()
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    image.scale = (3, 2)
    image.translate = (7, 9)
    for name in ('cells quality', 'cells compressed'):
        np.testing.assert_allclose(
            viewer.layers[name].data_to_world((5, 6)),
            image.data_to_world((5, 6)),
        )


def test_other_pixels_begin_anew(qtbot, whole, main, viewer, picture):
    image = viewer.add_image(picture, name='cells')
    main.map.new_map_requested.emit()
    old = whole.map.layer
    wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    image.data = picture[:32, :48]
    assert whole.outcome is None
    assert whole.image is image
    assert whole.map.layer is None
    assert old in viewer.layers
    outcome = wait_for_preview(qtbot, whole, main.run.compress_requested.emit)
    assert outcome.preview.reconstruction.shape == (32, 48, 3)


def test_opening_the_widget_loads_no_torch(fresh_python):
    code = """
import os, sys
os.environ['QT_QPA_PLATFORM'] = 'offscreen'
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari.components import ViewerModel
from napari_sft.plugin._widget import SftWidget
widget = SftWidget(ViewerModel())
widget.coordinator.close()
print('torch' in sys.modules, 'matplotlib' in sys.modules)
"""
    assert fresh_python(code).splitlines()[-1] == 'False False'
