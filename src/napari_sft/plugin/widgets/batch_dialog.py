"""A dialog that compresses all pictures of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QFileDialog,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_sft.plugin.widgets.controls import QualityControl
from napari_sft.plugin.widgets.message_line import MessageLine
from napari_sft.plugin.widgets.parts import (
    add_row,
    button,
    column,
    form,
    hint,
    row,
)
from napari_sft.plugin.widgets.target_view import TargetView
from napari_sft.plugin.widgets.words import decibel_words, size_words

PATTERN = '*.png; *.tif; *.tiff; *.jpg; *.jpeg; *.bmp; *.webp'
WIDTH, HEIGHT, RUNNING_HEIGHT = 560, 360, 620
HEADINGS = ('File', 'Size', 'Bits a pixel', 'PSNR')
ABOUT = (
    'Every picture of a folder becomes an .sft file of the same name, with '
    'one quality everywhere.'
)
QUALITY_TIP = '0 makes the smallest files, 100 the closest to the originals'


@dataclass(frozen=True)
class BatchRequest:
    """What a folder is compressed with.

    Attributes
    ----------
    source, target : Path
        Folders to read from and to write to.
    patterns : tuple of str
        Of file names, such as '*.png'.
    quality : int
        0..100.
    target_bytes : int or None
        Size that each file is to fit into.
    overwrite : bool
        Whether files that are there already are replaced.
    """

    source: Path
    target: Path
    patterns: tuple[str, ...]
    quality: int
    target_bytes: int | None
    overwrite: bool


class BatchDialog(QDialog):
    """Folder, settings, and a row for each file as it is made.

    Signals
    -------
    start_requested(BatchRequest)
    cancel_requested()
        Stop after what is being written; also when closed while running.
    """

    start_requested = Signal(object)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle('Compress a folder')
        self._rows: dict[str, int] = {}
        self._running = False
        self.source, self.target = QLineEdit(), QLineEdit()
        self.pattern = QLineEdit(PATTERN)
        self.quality = QualityControl('Quality', QUALITY_TIP, 75)
        self.fit = TargetView()
        self.overwrite = QCheckBox('Replace files that are there already')
        self.message = MessageLine()
        self.table = _table()
        self.bar = QProgressBar()
        self.start = button('Compress', role='primary')
        self.cancel = button('Cancel', 'Stop after the present picture')
        self.close_button = button('Close')
        self._settings = QWidget()
        self._arrange()
        self.start.clicked.connect(lambda _: self._start())
        self.cancel.clicked.connect(lambda _: self.cancel_requested.emit())
        self.close_button.clicked.connect(lambda _: self.close())
        for edit in (self.source, self.target, self.pattern):
            edit.textChanged.connect(lambda _: self._update())
        self._show_running(False)
        self._update()

    def set_quality(self, quality: int) -> None:
        """Set the quality to begin with."""
        self.quality.set_value(quality)

    def set_running(self, files: Sequence[str]) -> None:
        """Show the files that are going to be made."""
        self.message.clear()
        self._rows = {name: at for at, name in enumerate(files)}
        self.table.setRowCount(len(files))
        for name, at in self._rows.items():
            self._write(at, name, 'waiting', '', '')
        self._show_running(True)
        self.set_progress(0, len(files))
        self.resize(self.width(), max(self.height(), RUNNING_HEIGHT))

    def set_file_done(
        self, name: str, size: int, bpp: float, psnr: float | None
    ) -> None:
        """Show the figures of a file that is made."""
        at = self._rows[name]
        self._write(
            at, name, size_words(size), f'{bpp:.3f}', decibel_words(psnr)
        )
        self.table.scrollToItem(self.table.item(at, 0))

    def set_file_failed(self, name: str, reason: str) -> None:
        """Show that a file could not be made; the tooltip says it whole."""
        at = self._rows[name]
        self._write(at, name, 'failed', '', '')
        for place in range(len(HEADINGS)):
            self.table.item(at, place).setToolTip(reason)
        self.message.show_error(reason)

    def set_progress(self, done: int, total: int) -> None:
        """Show how many files are made."""
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setFormat(f'{done} of {total}')

    def set_done(self, text: str) -> None:
        """Show that the work is finished, or stopped."""
        self._show_running(False)
        if self.message.text() and self.message.kind() == 'error':
            text = f'{text}; last error: {self.message.text()}'
            self.message.show_error(text)
        else:
            self.message.show_info(text)

    def show_error(self, text: str) -> None:
        """Show what is wrong with the request."""
        self._show_running(False)
        self.message.show_error(text)

    def reject(self) -> None:
        """Close, by Escape too, and stop: nothing goes on unseen."""
        if self._running:
            self.cancel_requested.emit()
        super().reject()

    def _arrange(self) -> None:
        grid = form(self._settings)
        for title, edit in (('From', self.source), ('Into', self.target)):
            choose = button('Choose…', 'Choose the folder')
            choose.setAutoDefault(False)
            choose.clicked.connect(lambda _, edit=edit: self._choose(edit))
            edit.setPlaceholderText('Folder')
            add_row(grid, title, row(edit, choose)).setBuddy(edit)
        tip = 'File names to look for, apart by semicolons'
        self.pattern.setToolTip(tip)
        add_row(grid, 'Files', self.pattern, tip)
        for widget in (self.quality, self.fit, self.overwrite):
            grid.addWidget(widget, grid.rowCount(), 0, 1, 2)
        layout = column(self)
        layout.setContentsMargins(14, 14, 14, 14)
        layout.setSpacing(10)
        layout.addWidget(hint(ABOUT))
        layout.addWidget(self._settings)
        layout.addWidget(self.table, 1000)
        layout.addStretch(1)
        layout.addWidget(self.bar)
        layout.addWidget(self.message)
        layout.addLayout(row(None, self.close_button, self.cancel, self.start))
        self.start.setDefault(True)
        self.resize(WIDTH, HEIGHT)

    def _choose(self, edit: QLineEdit) -> None:
        path = QFileDialog.getExistingDirectory(
            self, 'Choose a folder', edit.text()
        )
        if path:
            edit.setText(path)

    def _start(self) -> None:
        parts = self.pattern.text().split(';')
        self.start_requested.emit(
            BatchRequest(
                source=Path(self.source.text()),
                target=Path(self.target.text()),
                patterns=tuple(p.strip() for p in parts if p.strip()),
                quality=self.quality.value(),
                target_bytes=self.fit.target_bytes(),
                overwrite=self.overwrite.isChecked(),
            )
        )

    def _update(self) -> None:
        """Let the work start only once its folders are told."""
        missing = ''
        if not self.pattern.text().strip(' ;'):
            missing = 'Say which files, such as *.png'
        if not self.target.text():
            missing = 'Choose the folder to write to'
        if not self.source.text():
            missing = 'Choose the folder to read from'
        self.start.setEnabled(not missing)
        self.start.setToolTip(missing)

    def _show_running(self, running: bool) -> None:
        self._running = running
        self._settings.setEnabled(not running)
        self.table.setVisible(bool(self._rows))
        self.bar.setVisible(running)
        self.start.setVisible(not running)
        self.close_button.setVisible(not running)
        self.cancel.setVisible(running)

    def _write(self, at: int, *texts: str) -> None:
        for place, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if place:
                flags = Qt.AlignmentFlag
                item.setTextAlignment(flags.AlignRight | flags.AlignVCenter)
            self.table.setItem(at, place, item)


def _table() -> QTableWidget:
    table = QTableWidget(0, len(HEADINGS))
    flags = Qt.AlignmentFlag
    for place, heading in enumerate(HEADINGS):
        item = QTableWidgetItem(heading)
        side = flags.AlignRight if place else flags.AlignLeft
        item.setTextAlignment(side | flags.AlignVCenter)
        table.setHorizontalHeaderItem(place, item)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(22)
    table.setAlternatingRowColors(True)
    table.setShowGrid(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    header.setHighlightSections(False)
    table.setAccessibleName('Files')
    return table
