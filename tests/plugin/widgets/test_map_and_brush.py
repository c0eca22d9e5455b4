"""Image, map and brush; where a map is made from."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_sft.plugin.widgets.brush_view import TOOLS, BrushView
from napari_sft.plugin.widgets.image_view import ImageView
from napari_sft.plugin.widgets.map_view import WITH_MAP, WITHOUT_MAP, MapView
from napari_sft.plugin.widgets.model_view import ModelView
from napari_sft.plugin.widgets.sources_view import MapSourcesView


@pytest.fixture
def sources(qtbot):
    view = MapSourcesView()
    qtbot.addWidget(view)
    view.show()
    return view


def choose(box, key):
    """Choose an item as a user does."""
    box.setCurrentIndex(box.findData(key))
    box.activated.emit(box.currentIndex())


def make(view, kind, heard):
    said = heard(view, 'map_requested')
    view.choose(kind)
    view.make.click()
    return said


def test_images_are_chosen_and_set_silently(qtbot, heard):
    view = ImageView()
    qtbot.addWidget(view)
    said = heard(view, 'image_chosen', 'window_chosen')
    view.set_images(['a', 'b'], 'b')
    view.set_windows([('dtype', 'All'), ('minmax', 'Darkest')], 'dtype')
    assert view.images.currentText() == 'b'
    assert said == []
    choose(view.images, 'a')
    choose(view.windows, 'minmax')
    assert said == [('image_chosen', 'a'), ('window_chosen', 'minmax')]


def test_rows_without_content_are_hidden(qtbot):
    view = ImageView()
    qtbot.addWidget(view)
    view.show()
    assert not view.windows.isVisible()
    assert not view.plane.isVisible()
    view.set_windows([('dtype', 'All')], 'dtype')
    view.set_plane('Plane 3 of 12')
    assert view.windows.isVisible()
    assert view.plane.isVisible()
    view.set_windows([], '')
    view.set_plane('')
    assert not view.windows.isVisible()
    assert not view.plane.isVisible()


def test_the_base_quality_is_named_after_what_it_holds_for(qtbot):
    view = MapView()
    qtbot.addWidget(view)
    view.show()
    assert view.base.title.text() == WITHOUT_MAP
    assert not view.soft.isVisible()
    view.set_maps(['map'], 'map')
    assert view.base.title.text() == WITH_MAP
    assert view.soft.isVisible()
    assert view.base.slider.accessibleName() == WITH_MAP
    view.set_maps(['map'])
    assert view.base.title.text() == WITHOUT_MAP


def test_maps_are_chosen_made_and_set_silently(qtbot, heard):
    view = MapView()
    qtbot.addWidget(view)
    said = heard(
        view,
        'map_chosen',
        'new_map_requested',
        'base_quality_changed',
        'feather_changed',
    )
    view.set_maps(['one', 'two'], 'two')
    view.set_base_quality(12)
    view.set_feather(24)
    assert (view.base_quality(), view.feather()) == (12, 24)
    assert said == []
    choose(view.maps, '')
    view.new.click()
    view.base.slider.setValue(20)
    view.soft.slider.setValue(8)
    assert said == [
        ('map_chosen', ''),
        ('new_map_requested',),
        ('base_quality_changed', 20),
        ('feather_changed', 8),
    ]


def test_what_is_painted_is_told_in_words(qtbot):
    view = MapView()
    qtbot.addWidget(view)
    assert 'whole image' in view.painted.text()
    view.set_maps(['map'], 'map')
    view.set_painted(0)
    assert 'Nothing' in view.painted.text()
    view.set_painted(0.14)
    assert '14 %' in view.painted.text()


def test_the_brush_is_set_silently_and_tells_of_the_user(qtbot, heard):
    view = BrushView()
    qtbot.addWidget(view)
    said = heard(view, 'quality_changed', 'size_changed', 'tool_chosen')
    view.set_quality(33)
    view.set_size(200)
    view.set_tool('erase')
    assert (view.quality(), view.size_()) == (33, 200)
    assert said == []
    view.brush.number.setValue(60)
    view.diameter.number.setValue(12)
    view.tools['fill'].click()
    assert said == [
        ('quality_changed', 60),
        ('size_changed', 12),
        ('tool_chosen', 'fill'),
    ]


@pytest.mark.parametrize('key', [key for key, *_ in TOOLS] + [''])
def test_one_tool_or_none_is_pressed(qtbot, key):
    view = BrushView()
    qtbot.addWidget(view)
    view.set_tool('paint')
    view.set_tool(key)
    pressed = [k for k, tool in view.tools.items() if tool.isChecked()]
    assert pressed == ([key] if key else [])


def test_a_view_that_is_off_says_why(qtbot):
    view = BrushView()
    qtbot.addWidget(view)
    view.show()
    view.set_unavailable('Make a quality map first')
    assert not view.tools['paint'].isEnabled()
    assert not view.brush.slider.isEnabled()
    assert view.reason() == 'Make a quality map first'
    assert view.body.toolTip() == 'Make a quality map first'
    view.set_unavailable('')
    assert view.tools['paint'].isEnabled()
    assert view.reason() == ''


@pytest.mark.parametrize('kind', ['shapes', 'points', 'labels'])
def test_a_source_without_a_layer_says_so(sources, kind):
    sources.choose(kind)
    assert not sources.make.isEnabled()
    assert 'layer first' in sources.make.toolTip()
    assert 'layer first' in sources.pages[kind].note.text()
    sources.set_layers(kind, ['mine'])
    assert sources.make.isEnabled()
    assert 'layer first' not in sources.pages[kind].note.text()


@pytest.mark.parametrize(
    ('kind', 'settings'),
    [
        ('shapes', {'layer': 'mine', 'quality': 90}),
        ('points', {'layer': 'mine', 'quality': 90, 'radius': 32}),
        (
            'labels',
            {
                'layer': 'mine',
                'foreground': 90,
                'background': 20,
                'qualities': {},
            },
        ),
        ('gradient', {'start': 20, 'end': 90, 'direction': 'right'}),
        ('centre', {'inner': 90, 'outer': 20, 'radius': 60}),
    ],
)
def test_sources_tell_their_settings(sources, heard, kind, settings):
    for layer_kind in ('shapes', 'points', 'labels'):
        sources.set_layers(layer_kind, ['mine'])
    said = make(sources, kind, heard)
    assert said == [('map_requested', kind, settings)]


def test_a_file_is_chosen_first(sources, heard, answer, tmp_path):
    sources.choose('file')
    assert not sources.make.isEnabled()
    answer(tmp_path / 'map.png')
    sources.pages['file'].choose.click()
    said = make(sources, 'file', heard)
    expected = {'path': str(tmp_path / 'map.png')}
    assert said == [('map_requested', 'file', expected)]


def test_labels_can_have_qualities_of_their_own(sources, heard):
    sources.set_layers('labels', ['cells'])
    sources.set_label_values([1, 2, 5])
    sources.labels.table.cellWidget(2, 1).setValue(70)
    sources.labels.background_first.click()
    (said,) = make(sources, 'labels', heard)
    assert said[2] == {
        'layer': 'cells',
        'foreground': 20,
        'background': 90,
        'qualities': {5: 70},
    }


def test_very_many_labels_have_one_quality(sources):
    sources.set_label_values(range(1, 2000))
    assert sources.labels.table.rowCount() == 0


def test_values_of_labels_are_asked_for_when_they_are_needed(sources, heard):
    said = heard(sources, 'labels_layer_chosen')
    sources.set_layers('labels', ['cells', 'tissue'])
    assert said == []
    choose(sources.kinds, 'labels')
    choose(sources.labels.layers, 'tissue')
    assert said == [
        ('labels_layer_chosen', 'cells'),
        ('labels_layer_chosen', 'tissue'),
    ]


def test_a_chosen_layer_stays_chosen_while_it_exists(sources):
    sources.set_layers('shapes', ['a', 'b'])
    choose(sources.pages['shapes'].layers, 'b')
    sources.set_layers('shapes', ['a', 'b', 'c'])
    assert sources.pages['shapes'].layer() == 'b'
    sources.set_layers('shapes', ['c'])
    assert sources.pages['shapes'].layer() == 'c'


def test_model_and_device_are_chosen(qtbot, heard):
    view = ModelView()
    qtbot.addWidget(view)
    said = heard(view, 'model_chosen', 'device_chosen')
    view.set_models(['compact', 'song2021'], 'compact')
    view.set_devices(['auto', 'cpu'], 'cpu')
    view.set_note('6.9 million parameters')
    assert view.devices.currentText() == 'cpu'
    assert said == []
    choose(view.models, 'song2021')
    choose(view.devices, 'auto')
    assert said == [('model_chosen', 'song2021'), ('device_chosen', 'auto')]


def test_controls_have_names_for_screen_readers(qtbot):
    view = MapView()
    qtbot.addWidget(view)
    assert view.maps.accessibleName() == 'Quality map'
    assert view.base.slider.accessibleName()
    assert view.soft.number.accessibleName() == 'Soft edges'
    assert view.maps.focusPolicy() & Qt.FocusPolicy.TabFocus
