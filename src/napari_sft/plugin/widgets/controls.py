"""A quality and a number, each by slider and box."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QLabel,
    QSlider,
    QWidget,
)

from napari_sft.plugin.widgets.parts import (
    WheelGuard,
    add_row,
    column,
    form,
    hint,
    row,
    silent,
    spin_box,
)
from napari_sft.plugin.widgets.quality_slider import QualitySlider
from napari_sft.plugin.widgets.words import (
    QualityWords,
    expected_tooltip,
    expected_words,
)


class QualityControl(QWidget):
    """A quality by slider and number, with what it is expected to give."""

    changed = Signal(int)
    committed = Signal(int)

    def __init__(
        self, title: str, tooltip: str, value: int, *, legend: bool = False
    ) -> None:
        super().__init__()
        self._words: QualityWords | None = expected_words
        self.title = QLabel()
        self.slider = QualitySlider()
        WheelGuard(self.slider)
        self.number = spin_box(0, 100)
        self.expected = hint()
        for widget in (self.slider, self.number):
            widget.setToolTip(tooltip)
        self.set_title(title)
        self.title.setToolTip(tooltip)
        self.title.setBuddy(self.number)
        self.title.setWordWrap(True)
        self.title.setMinimumWidth(1)
        head = row(self.title, self.number)
        head.setStretch(0, 1)
        layout = column(self)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.slider)
        if legend:
            ends = [hint('smallest file'), hint('closest to the original')]
            ends[1].setAlignment(Qt.AlignmentFlag.AlignRight)
            layout.addLayout(row(*ends))
        layout.addWidget(self.expected)
        self.set_value(value)
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self._commit)
        self.number.valueChanged.connect(self._on_number)

    def set_title(self, title: str) -> None:
        """Set what the quality is of."""
        self.title.setText(title)
        for widget in (self.slider, self.number):
            widget.setAccessibleName(title)

    def value(self) -> int:
        """The quality, 0..100."""
        return self.slider.value()

    def set_value(self, value: int) -> None:
        """Set the quality."""
        with silent(self.slider, self.number):
            self.slider.setValue(value)
            self.number.setValue(value)
        self.slider.update()
        self._tell()

    def set_expected(self, words: QualityWords | None) -> None:
        """Set what turns a quality into words; None says nothing."""
        self._words = words
        self._tell()

    def _on_slider(self, value: int) -> None:
        with silent(self.number):
            self.number.setValue(value)
        self._tell()
        self.changed.emit(value)
        if not self.slider.isSliderDown():
            self._commit()

    def _on_number(self, value: int) -> None:
        with silent(self.slider):
            self.slider.setValue(value)
        self.slider.update()
        self._tell()
        self.changed.emit(value)
        self._commit()

    def _commit(self) -> None:
        self.committed.emit(self.value())

    def _tell(self) -> None:
        words = self._words
        self.expected.setVisible(words is not None)
        if words is not None:
            self.expected.setText(words(self.value()))
            self.expected.setToolTip(expected_tooltip(self.value()))


class NumberControl(QWidget):
    """A number by slider and box, label to the left."""

    changed = Signal(int)

    def __init__(
        self, title: str, tooltip: str, span: tuple[int, int], unit: str
    ) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(*span)
        WheelGuard(self.slider)
        self.slider.setMinimumWidth(50)
        self.number = spin_box(*span, unit)
        for widget in (self.slider, self.number):
            widget.setToolTip(tooltip)
            widget.setAccessibleName(title)
        grid = form(self)
        add_row(grid, title, row(self.slider, self.number), tooltip)
        self.slider.valueChanged.connect(self._on_change)
        self.number.valueChanged.connect(self._on_change)

    def value(self) -> int:
        """The number."""
        return self.number.value()

    def set_value(self, value: int) -> None:
        """Set the number."""
        with silent(self.slider, self.number):
            self.slider.setValue(value)
            self.number.setValue(value)

    def _on_change(self, value: int) -> None:
        self.set_value(value)
        self.changed.emit(value)
