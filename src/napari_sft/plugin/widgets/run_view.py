"""Compress, stop, and keep the preview up to date."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_sft.plugin.widgets.parts import (
    View,
    button,
    column,
    hint,
    row,
    silent,
    thin_bar,
)

COMPRESS_TIP = 'Compress the image and show what it will look like'
LIVE_TIP = (
    'Compress again after every stroke and every change of a setting: '
    'quickly, while Compress and Save get more out of every bit'
)


class RunView(View):
    """The widget's main button.

    Signals
    -------
    compress_requested()
    cancel_requested()
    live_toggled(bool)
    """

    compress_requested = Signal()
    cancel_requested = Signal()
    live_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.compress = button('Compress', COMPRESS_TIP, role='primary')
        self.cancel = button('Cancel', 'Stop compressing')
        self.live_box = QCheckBox('Live')
        self.live_box.setToolTip(LIVE_TIP)
        self.bar = thin_bar()
        self.status = hint()
        layout = column(self.body)
        layout.setSpacing(4)
        layout.addLayout(row(self.compress, self.cancel, self.live_box))
        layout.itemAt(0).layout().setStretch(0, 1)
        layout.itemAt(0).layout().setStretch(1, 1)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        self.compress.clicked.connect(lambda _: self.compress_requested.emit())
        self.cancel.clicked.connect(lambda _: self.cancel_requested.emit())
        self.live_box.toggled.connect(self.live_toggled)
        self._stale = True
        self._show_running(False)
        self._say('')

    def set_busy(self, text: str = '') -> None:
        """Show that work is going on; Compress becomes Cancel."""
        self._show_running(True)
        self.set_progress(0, 0)
        self._say(text)

    def set_progress(self, done: int, total: int) -> None:
        """Show how far it is; a total of 0 is not known."""
        if not self.bar.isHidden():  # drawing takes time from the work
            self.bar.setRange(0, total)
            self.bar.setValue(done)

    def set_idle(self, text: str = '') -> None:
        """Show that nothing is going on."""
        if not self.bar.isHidden():
            self._show_running(False)
            self.bar.setRange(0, 1)
            self.bar.reset()
        self._say(text)

    def live(self) -> bool:
        """Whether the preview follows every change."""
        return self.live_box.isChecked()

    def set_live(self, on: bool) -> None:
        """Set whether the preview follows every change."""
        with silent(self.live_box):
            self.live_box.setChecked(on)

    def set_stale(self, stale: bool) -> None:
        """Tell whether something changed since the last preview."""
        if stale == self._stale:
            return
        self._stale = stale
        self.compress.setText('Compress' if stale else 'Compress again')
        self.compress.setProperty('role', 'primary' if stale else '')
        self.compress.style().unpolish(self.compress)
        self.compress.style().polish(self.compress)

    def _show_running(self, running: bool) -> None:
        # The focus stays on the button that takes the place of the other.
        focused = self.compress.hasFocus() or self.cancel.hasFocus()
        self.compress.setVisible(not running)
        self.cancel.setVisible(running)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.setVisible(running)
        if focused:
            (self.cancel if running else self.compress).setFocus()

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))
