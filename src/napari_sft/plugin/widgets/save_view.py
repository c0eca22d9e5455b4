"""Save the compressed image, and say when it is safely written."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_sft.plugin.widgets.parts import View, button, column, hint
from napari_sft.plugin.widgets.words import size_words

TIP = 'Write the compressed image, read it back and compare it'
SUFFIX = '.sft'
SAVE, SAVE_PLANE = 'Save .sft…', 'Save this plane…'
ALL_PLANES = 'All planes together: see Many pictures'


class SaveView(View):
    """The Save button and what became of it.

    Signals
    -------
    save_requested(str)
        A path that ends in .sft.
    """

    says_why = False  # the button itself does
    save_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path = 'image.sft'
        self._words = SAVE
        self.save = button(SAVE, TIP)
        self.status = hint()
        self.status.hide()
        layout = column(self.body)
        layout.setSpacing(4)
        layout.addWidget(self.save)
        layout.addWidget(self.status)
        self.save.clicked.connect(self._choose)

    def set_unavailable(self, reason: str) -> None:
        """See `View.set_unavailable`."""
        super().set_unavailable(reason)
        self._update()

    def set_stack(self, several: bool) -> None:
        """Tell whether the image has more planes than what is saved here."""
        self._words = SAVE_PLANE if several else SAVE
        self.save.setToolTip(f'{TIP}. {ALL_PLANES}' if several else TIP)
        self._update()

    def set_default_path(self, path: str) -> None:
        """Set what the dialog proposes."""
        self._path = path

    def set_saving(self, text: str = 'Saving…') -> None:
        """Show that the file is being written."""
        self.save.setEnabled(False)
        self._say(text)

    def set_saved(self, path: str, size: int) -> None:
        """Show that the file is written and was read back unchanged."""
        self.save.setEnabled(True)
        name = Path(path).name
        self._say(f'✓ Saved and verified: {name}, {size_words(size)}', path)

    def set_failed(self) -> None:
        """Show that the file could not be written."""
        self.save.setEnabled(True)
        self._say('')

    def _update(self) -> None:
        reason = self.reason()
        said = f' ({reason[0].lower()}{reason[1:]})' if reason else ''
        self.save.setText(f'{self._words}{said}')

    def _say(self, text: str, tooltip: str = '') -> None:
        self.status.setText(text)
        self.status.setToolTip(tooltip)
        self.status.setVisible(bool(text))

    def _choose(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, 'Save the compressed image', self._path, 'napari-sft (*.sft)'
        )
        if path:
            if not path.lower().endswith(SUFFIX):
                path += SUFFIX
            self.save_requested.emit(path)
