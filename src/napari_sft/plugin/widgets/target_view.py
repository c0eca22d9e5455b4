"""A size that the file is to fit into."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_sft.plugin.widgets.parts import (
    View,
    column,
    combo_box,
    decimal_box,
    fill,
    hint,
    row,
    silent,
)
from napari_sft.plugin.widgets.words import size_words

TIP = (
    'All qualities are shifted together until the file fits; the differences '
    'you painted stay'
)
LARGEST = 999_999  # of any unit
KB, MB, BITS, SOURCE = 'kB', 'MB', 'bpp', 'source'


class TargetView(View):
    """A target size by number and unit.

    Signals
    -------
    target_changed(int or None)
        Bytes that the file may have; None when it may have any size.
    """

    target_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixels = 0
        self._source: int | None = None
        self.on = QCheckBox('Fit into')
        self.number = decimal_box(0, LARGEST)
        self.number.setAccessibleName('Size of the file')
        self.unit = combo_box(TIP, 'Unit of the size')
        self.unit.setMinimumContentsLength(3)
        self.meaning = hint()
        for widget in (self.on, self.number):
            widget.setToolTip(TIP)
        layout = column(self.body)
        layout.setSpacing(2)
        layout.addLayout(row(self.on, self.number, self.unit))
        layout.addWidget(self.meaning)
        self._offer_units(KB)
        self._set_bytes(50_000)
        self._update()
        self.on.toggled.connect(self._on_change)
        self.number.valueChanged.connect(self._on_change)
        self.unit.activated.connect(self._on_unit)

    def set_picture(
        self, pixels: int, raw_bytes: int, source_bytes: int | None
    ) -> None:
        """Tell what the units mean for the image, without a signal.

        Parameters
        ----------
        pixels : int
            Height times width, times the number of planes.
        raw_bytes : int
            Size of the pixels' values.
        source_bytes : int or None
            Size of the file that the image came from.
        """
        size = self._bytes()
        self._pixels, self._source = pixels, source_bytes
        self._offer_units(self.unit.currentData())
        if not self.on.isChecked():
            size = raw_bytes // 20  # a start that most images can meet
            # Small images are told in kB, large ones in MB.
            unit = MB if size >= 1_000_000 else KB
            self.unit.setCurrentIndex(self.unit.findData(unit))
        self._set_bytes(size)
        self._update()

    def target_bytes(self) -> int | None:
        """Bytes that the file may have, or None."""
        return self._bytes() if self.on.isChecked() else None

    def set_target(self, size: int | None) -> None:
        """Set the bytes that the file may have; None switches it off."""
        with silent(self.on):
            self.on.setChecked(size is not None)
        if size is not None:
            self._set_bytes(size)
        self._update()

    def _offer_units(self, current: str) -> None:
        units = [(KB, 'kB'), (MB, 'MB')]
        if self._pixels:
            units.append((BITS, 'bits/pixel'))
        if self._source:
            units.append((SOURCE, '% of source'))
        if current not in dict(units):
            current = KB
        fill(self.unit, units, current)

    def _factor(self) -> float:
        """Bytes of one unit."""
        return {
            KB: 1e3,
            MB: 1e6,
            BITS: self._pixels / 8,
            SOURCE: (self._source or 0) / 100,
        }[self.unit.currentData()]

    def _bytes(self) -> int:
        return max(round(self.number.value() * self._factor()), 1)

    def _set_bytes(self, size: int) -> None:
        unit = self.unit.currentData()
        with silent(self.number):
            self.number.setDecimals({KB: 1, MB: 3, BITS: 3, SOURCE: 1}[unit])
            # The smallest step of the unit is the smallest size.
            self.number.setRange(10 ** -self.number.decimals(), LARGEST)
            self.number.setSingleStep(0.05 if unit == BITS else 1)
            self.number.setValue(size / self._factor())

    def _on_unit(self) -> None:
        size = self._size_before
        self._set_bytes(size)
        self._on_change()

    def _on_change(self) -> None:
        self._update()
        self.target_changed.emit(self.target_bytes())

    def _update(self) -> None:
        """Follow the switch, and say in bytes what other units mean."""
        on = self.on.isChecked()
        self._size_before = self._bytes()
        self.number.setEnabled(on)
        self.unit.setEnabled(on)
        told = on and self.unit.currentData() in (BITS, SOURCE)
        self.meaning.setVisible(told)
        self.meaning.setText(f'{size_words(self._bytes())} at most')
