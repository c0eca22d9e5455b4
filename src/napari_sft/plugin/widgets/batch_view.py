"""More than the picture that is looked at: a stack, a folder."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_sft.plugin.widgets.batch_dialog import BatchDialog
from napari_sft.plugin.widgets.parts import (
    View,
    button,
    column,
    hint,
    row,
    thin_bar,
)

ONE_PLANE = 'This image is a single plane: Save .sft keeps all of it'
FOLDER_TIP = 'Compress all pictures of a folder'


class BatchView(View):
    """Starts work on many pictures and shows how far it is.

    Signals
    -------
    stack_requested(str)
        Path of the .sft file for all planes of the image.
    cancel_requested()
        Stop the stack.
    """

    stack_requested = Signal(str)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path = 'stack.sft'
        self.dialog = BatchDialog(self)
        self.stack = button('All planes…')
        self.folder = button('A folder…', FOLDER_TIP)
        self.cancel = button('Cancel', 'Stop; no file is left half written')
        self.note = hint()
        self.bar = thin_bar()
        self.status = hint()
        layout = column(self.body)
        layout.addLayout(row(self.stack, self.folder))
        layout.addWidget(self.note)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addWidget(self.cancel)
        self.stack.clicked.connect(self._choose)
        self.folder.clicked.connect(self._open_dialog)
        self.cancel.clicked.connect(lambda _: self.cancel_requested.emit())
        self.set_planes(1)
        self.set_done('')

    def set_default_path(self, path: str) -> None:
        """Set what the dialog for a stack proposes."""
        self._path = path

    def set_planes(self, count: int) -> None:
        """Tell how many planes the image has."""
        several = count > 1
        self.stack.setEnabled(several)
        text = f'All {count} planes…' if several else 'All planes…'
        self.stack.setText(text)
        tip = 'Compress every plane into one file' if several else ONE_PLANE
        self.stack.setToolTip(tip)
        self.note.setText('' if several else f'{ONE_PLANE}.')
        self.note.setVisible(not several)

    def set_progress(self, done: int, total: int, text: str = '') -> None:
        """Show how far the stack is."""
        self._show_running(True)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self._say(text or f'{done} of {total} planes')

    def set_done(self, text: str) -> None:
        """Show that the stack is finished, or stopped."""
        self._show_running(False)
        self._say(text)

    def _show_running(self, running: bool) -> None:
        self.bar.setVisible(running)
        self.cancel.setVisible(running)
        self.folder.setVisible(not running)
        self.stack.setVisible(not running)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _choose(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, 'Save all planes', self._path, 'napari-sft (*.sft)'
        )
        if path:
            suffix = '' if path.lower().endswith('.sft') else '.sft'
            self.stack_requested.emit(path + suffix)

    def _open_dialog(self) -> None:
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()
