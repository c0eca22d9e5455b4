"""What the widget shows while there is no image."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QWidget

from napari_sft.plugin.widgets.map_picture import MapPicture
from napari_sft.plugin.widgets.parts import View, button, column, hint

TITLE = 'Paint where it matters'
TEXT = 'What you paint stays close to the original; the rest is kept small.'
STEPS = (
    ('Open an image', 'or drag one into napari.'),
    ('Paint', 'the places that must stay good.'),
    ('Compress', 'and compare with the original.'),
    ('Save', 'a small .sft file that opens in napari.'),
)
SAMPLES = (
    ('photograph', 'Try the sample photograph'),
    ('microscopy', 'Try the sample microscopy image'),
)
WIDEST = 360


class EmptyPage(View):
    """Says what to do first.

    Signals
    -------
    open_requested(str)
        Path of the chosen image.
    sample_requested(str)
        Key of a sample: 'photograph' or 'microscopy'.
    """

    open_requested = Signal(str)
    sample_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = QLabel(TITLE)
        title.setProperty('role', 'title')
        title.setWordWrap(True)
        title.setMinimumWidth(1)
        text = QLabel(TEXT)
        text.setWordWrap(True)
        text.setMinimumWidth(1)
        self.open = button(
            'Open an image…', 'Any image that napari can open', role='primary'
        )
        self.samples = {key: button(words) for key, words in SAMPLES}
        layout = column(self.body)
        layout.setContentsMargins(8, 16, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(MapPicture())
        layout.addSpacing(4)
        layout.addWidget(title)
        layout.addWidget(text)
        layout.addSpacing(4)
        layout.addLayout(_steps())
        layout.addSpacing(8)
        layout.addWidget(self.open)
        for made in self.samples.values():
            layout.addWidget(made)
        layout.addStretch(1)
        self.body.setMaximumWidth(WIDEST)
        self.layout().setAlignment(self.body, Qt.AlignmentFlag.AlignLeft)
        self.open.clicked.connect(self._choose)
        for key, made in self.samples.items():
            made.clicked.connect(
                lambda _, key=key: self.sample_requested.emit(key)
            )

    def minimumSizeHint(self) -> QSize:
        """As narrow as a dock may be."""
        return QSize(200, super().minimumSizeHint().height())

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, 'Open an image')
        if path:
            self.open_requested.emit(path)


def _steps() -> QGridLayout:
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setColumnStretch(1, 1)
    for number, (what, more) in enumerate(STEPS, 1):
        grid.addWidget(hint(f'{number}'), number, 0, Qt.AlignmentFlag.AlignTop)
        step = QLabel(f'<b>{what}</b> {more}')
        step.setWordWrap(True)
        step.setMinimumWidth(1)
        grid.addWidget(step, number, 1)
    return grid
