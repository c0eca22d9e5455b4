"""Saving, many pictures, messages and the empty page."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import Qt

from napari_sft.plugin.widgets.batch_dialog import BatchDialog, BatchRequest
from napari_sft.plugin.widgets.batch_view import BatchView
from napari_sft.plugin.widgets.empty_page import EmptyPage
from napari_sft.plugin.widgets.message_line import MessageLine
from napari_sft.plugin.widgets.save_view import SaveView


@pytest.fixture
def dialog(qtbot):
    dialog = BatchDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


@pytest.fixture
def filled(dialog):
    dialog.source.setText('in')
    dialog.target.setText('out')
    return dialog


def row_of(dialog, at):
    return [dialog.table.item(at, place).text() for place in range(4)]


@pytest.mark.parametrize(
    ('typed', 'told'), [('a.sft', 'a.sft'), ('a', 'a.sft'), ('A.SFT', 'A.SFT')]
)
def test_saving_asks_for_a_path_that_ends_in_sft(
    qtbot, heard, answer, typed, told
):
    view = SaveView()
    qtbot.addWidget(view)
    said = heard(view, 'save_requested')
    answer(typed)
    view.save.click()
    assert said == [('save_requested', told)]


def test_a_closed_dialog_saves_nothing(qtbot, heard, answer):
    view = SaveView()
    qtbot.addWidget(view)
    said = heard(view, 'save_requested')
    answer('')
    view.save.click()
    assert said == []


def test_success_is_told_with_name_and_size(qtbot):
    view = SaveView()
    qtbot.addWidget(view)
    view.show()
    view.set_saving()
    assert not view.save.isEnabled()
    assert view.status.text() == 'Saving…'
    view.set_saved('/folder/a.sft', 23_412)
    assert view.save.isEnabled()
    assert 'verified: a.sft, 23.4 kB' in view.status.text()
    view.set_saving()
    view.set_failed()
    assert view.save.isEnabled()
    assert not view.status.isVisible()


def test_the_button_says_what_it_saves_and_why_it_can_not(qtbot):
    view = SaveView()
    qtbot.addWidget(view)
    assert view.save.text() == 'Save .sft…'
    view.set_stack(True)
    assert view.save.text() == 'Save this plane…'
    assert 'All planes' in view.save.toolTip()
    view.set_unavailable('Compress first')
    assert view.save.text() == 'Save this plane… (compress first)'
    assert not view.save.isEnabled()
    view.set_unavailable('')
    view.set_stack(False)
    assert view.save.text() == 'Save .sft…'
    assert view.save.isEnabled()


def test_messages_are_shown_as_they_are_until_closed(qtbot):
    message = MessageLine()
    qtbot.addWidget(message)
    assert not message.isVisible()
    message.show_error('<b>a</b>.png is no picture')
    assert message.isVisible()
    assert message.text() == '<b>a</b>.png is no picture'
    assert message.kind() == 'error'
    message.show_info('done')
    assert message.kind() == 'info'
    message.close_button.click()
    assert not message.isVisible()
    assert message.text() == ''


def test_the_empty_page_opens_images_and_samples(qtbot, heard, answer):
    page = EmptyPage()
    qtbot.addWidget(page)
    said = heard(page, 'open_requested', 'sample_requested')
    answer('image.tif')
    page.open.click()
    for key in ('photograph', 'microscopy'):
        page.samples[key].click()
    answer('')
    page.open.click()
    assert said == [
        ('open_requested', 'image.tif'),
        ('sample_requested', 'photograph'),
        ('sample_requested', 'microscopy'),
    ]


def test_a_single_plane_is_no_stack_and_says_so(qtbot):
    view = BatchView()
    qtbot.addWidget(view)
    view.show()
    assert not view.stack.isEnabled()
    assert 'single plane' in view.note.text()
    view.set_planes(12)
    assert view.stack.isEnabled()
    assert '12' in view.stack.text()
    assert not view.note.isVisible()


def test_a_stack_is_saved_with_progress(qtbot, heard, answer):
    view = BatchView()
    qtbot.addWidget(view)
    view.show()
    view.set_planes(4)
    said = heard(view, 'stack_requested', 'cancel_requested')
    answer('stack')
    view.stack.click()
    view.set_progress(1, 4)
    assert view.status.text() == '1 of 4 planes'
    assert not view.stack.isVisible()
    view.cancel.click()
    view.set_done('Stopped')
    assert view.stack.isVisible()
    assert not view.bar.isVisible()
    assert view.status.text() == 'Stopped'
    assert said == [('stack_requested', 'stack.sft'), ('cancel_requested',)]


def test_the_folder_button_opens_the_dialog(qtbot):
    view = BatchView()
    qtbot.addWidget(view)
    view.show()
    view.folder.click()
    assert view.dialog.isVisible()
    view.dialog.close()


def test_a_folder_needs_to_be_told_first(dialog):
    assert not dialog.start.isEnabled()
    assert 'read from' in dialog.start.toolTip()
    dialog.source.setText('in')
    assert 'write to' in dialog.start.toolTip()
    dialog.target.setText('out')
    assert dialog.start.isEnabled()
    dialog.pattern.setText(' ; ')
    assert not dialog.start.isEnabled()


def test_a_folder_is_chosen_in_a_dialog(dialog, answer, tmp_path):
    from qtpy.QtWidgets import QPushButton

    answer(tmp_path)
    buttons = dialog.findChildren(QPushButton)
    choose = [each for each in buttons if each.text() == 'Choose…']
    for each in choose:
        each.click()
    assert dialog.source.text() == dialog.target.text() == str(tmp_path)


def test_the_request_holds_all_settings(filled, heard):
    said = heard(filled, 'start_requested')
    filled.set_quality(40)
    filled.pattern.setText('*.png; a*.tif;')
    filled.fit.set_target(20_000)
    filled.overwrite.click()
    filled.start.click()
    request = BatchRequest(
        source=Path('in'),
        target=Path('out'),
        patterns=('*.png', 'a*.tif'),
        quality=40,
        target_bytes=20_000,
        overwrite=True,
    )
    assert said == [('start_requested', request)]


def test_every_file_has_a_row(filled):
    filled.set_running(['a.png', 'b.png', 'c.png'])
    assert not filled.start.isVisible()
    assert row_of(filled, 1) == ['b.png', 'waiting', '', '']
    filled.set_file_done('a.png', 23_412, 0.7144, 31.24)
    filled.set_file_failed('b.png', 'b.png is cut short')
    filled.set_progress(2, 3)
    assert row_of(filled, 0) == ['a.png', '23.4 kB', '0.714', '31.2 dB']
    assert row_of(filled, 1)[1] == 'failed'
    assert filled.table.item(1, 0).toolTip() == 'b.png is cut short'
    assert (filled.bar.value(), filled.bar.maximum()) == (2, 3)
    filled.set_done('2 of 3 pictures compressed')
    assert filled.start.isVisible()
    assert '2 of 3' in filled.message.text()
    assert 'cut short' in filled.message.text()


def test_all_well_is_no_error(filled):
    filled.set_running(['a.png'])
    filled.set_file_done('a.png', 100, 0.1, None)
    filled.set_done('1 of 1 picture compressed')
    assert filled.message.kind() == 'info'
    assert row_of(filled, 0)[3] == 'exact'


def test_a_wrong_request_lets_itself_be_corrected(filled):
    filled.set_running(['a.png'])
    filled.show_error('the folder “out” can’t be written to')
    assert filled.start.isVisible()
    assert filled.message.kind() == 'error'


def test_closing_or_escape_stops_the_work(filled, qtbot, heard):
    said = heard(filled, 'cancel_requested')
    filled.close()
    assert said == []
    filled.show()
    filled.set_running(['a.png'])
    qtbot.keyClick(filled, Qt.Key.Key_Escape)
    assert said == [('cancel_requested',)]
    assert not filled.isVisible()
