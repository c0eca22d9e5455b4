"""What a compression gave, in numbers."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_sft.plugin.widgets.parts import (
    View,
    button,
    column,
    hint,
)
from napari_sft.plugin.widgets.region_table import RegionTable
from napari_sft.plugin.widgets.words import (
    decibel_words,
    error_words,
    size_words,
    times_words,
)

EMPTY = 'Compress to see the size, the exactness and the picture itself.'
STALE = 'Something changed since; these are the numbers from before.'
COMPARE_TIP = 'Compress the same image as a JPEG of the same size'
FIGURES = (
    ('size', 'Size', 'Bytes of the whole file'),
    ('bpp', 'Bits a pixel', 'Bits of the whole file for each pixel'),
    (
        'psnr',
        'PSNR',
        'Closeness to the original; 30 dB shows, 40 dB hardly does',
    ),
    (
        'ms_ssim',
        'MS-SSIM',
        'Likeness of structures, as eyes see them; 1 is the same',
    ),
    (
        'error',
        'Largest error',
        'The worst pixel, as a share of the range of values',
    ),
)


class ResultsView(View):
    """Size, ratios and exactness, over all and by painted region.

    Attributes
    ----------
    summary : QLabel
        The result in a line, for a place that is always in sight.

    Signals
    -------
    comparison_requested()
        A JPEG of the same size is wanted.
    """

    comparison_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = hint(EMPTY)
        self.headline = QLabel()
        self.headline.setProperty('role', 'headline')
        self.ratios = hint()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setMinimumWidth(1)
        self.stale = hint(STALE)
        self.values: dict[str, QLabel] = {}
        self.others: dict[str, QLabel] = {}
        self.regions = RegionTable()
        self.compare = button('Compare with JPEG', COMPARE_TIP)
        self._own_head, self._other_head = hint('This file'), hint('JPEG')
        self._filled = QWidget()
        filled = column(self._filled)
        filled.setSpacing(8)
        head = column()
        head.setSpacing(0)
        head.addWidget(self.headline)
        head.addWidget(self.ratios)
        head.addWidget(self.stale)
        filled.addLayout(head)
        filled.addLayout(self._grid())
        filled.addWidget(self.regions)
        filled.addWidget(self.compare)
        layout = column(self.body)
        layout.addWidget(self.empty)
        layout.addWidget(self._filled)
        self.compare.clicked.connect(
            lambda _: self.comparison_requested.emit()
        )
        self.clear()

    def set_result(
        self,
        info: dict[str, Any],
        *,
        ratio_to_raw: float | None = None,
        ratio_to_source: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Show a result; a comparison with an earlier one goes.

        Parameters
        ----------
        info : dict
            As `napari_sft.info` gives it.
        ratio_to_raw, ratio_to_source : float, optional
            How many times smaller than the pixels' values, and than the file
            that the image came from. Without the former, `info`'s.
        seconds : float, optional
            What it took; a tooltip of the size.
        """
        self.empty.hide()
        self._filled.show()
        self.set_stale(False)
        self.headline.setText(size_words(info['bytes']))
        raw = ratio_to_raw or info['ratio']
        self.summary.setText(_summary(info, raw))
        self.summary.show()
        self.ratios.setText(_ratio_words(raw, ratio_to_source))
        made = '' if seconds is None else f'Made in {seconds:.2g} s'
        self.headline.setToolTip(made)
        statistics = info.get('statistics', {})
        _write(self.values, info | statistics)
        regions = statistics.get('regions', [])
        pixels = math.prod(
            size
            for axis, size in zip(info['axes'], info['shape'], strict=True)
            if axis != 'S'
        )
        self.regions.set_regions(regions, pixels)
        self.set_comparison(None)
        self.set_comparing(False)

    def set_comparison(self, figures: dict[str, Any] | None) -> None:
        """Show a JPEG's figures beside; None takes them away.

        Parameters
        ----------
        figures : dict or None
            bytes, bpp, psnr, ms_ssim, largest_error, and `regions`: the PSNR
            over each region of the result.
        """
        shown = figures is not None
        for label in (self._own_head, self._other_head):
            label.setVisible(shown)
        for label in self.others.values():
            label.setVisible(shown)
        if figures is not None:
            _write(self.others, figures)
        self.regions.set_other((figures or {}).get('regions'))
        self.compare.setVisible(not shown)

    def set_comparing(self, busy: bool) -> None:
        """Show that the comparison is being made."""
        self.compare.setEnabled(not busy)
        text = 'Comparing with JPEG…' if busy else 'Compare with JPEG'
        self.compare.setText(text)

    def set_stale(self, stale: bool) -> None:
        """Tell that the numbers are of settings from before."""
        if stale != self.stale.isHidden():
            return  # styling anew takes time
        self.stale.setVisible(stale)
        role = 'stale' if stale else ''
        for label in (*self.values.values(), self.summary):
            label.setProperty('role', role)
            label.style().unpolish(label)
            label.style().polish(label)

    def clear(self) -> None:
        """Show that there is no result yet."""
        self._filled.hide()
        self.empty.show()
        self.summary.hide()
        self.set_comparison(None)

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(3)
        grid.setColumnMinimumWidth(0, 110)
        for at in (1, 2):
            grid.setColumnStretch(at, 1)
        grid.addWidget(self._own_head, 0, 1)
        grid.addWidget(self._other_head, 0, 2)
        for at, (key, title, tip) in enumerate(FIGURES, 1):
            name = QLabel(title)
            self.values[key], self.others[key] = QLabel(), QLabel()
            for place, label in enumerate(
                (name, self.values[key], self.others[key])
            ):
                label.setToolTip(tip)
                grid.addWidget(label, at, place)
        return grid


def _write(labels: dict[str, QLabel], figures: dict[str, Any]) -> None:
    likeness = figures.get('ms_ssim')
    # A missing PSNR was not measured; None means that nothing differs.
    psnr = decibel_words(figures['psnr']) if 'psnr' in figures else '–'
    texts = {
        'size': size_words(figures['bytes']),
        'bpp': f'{figures["bpp"]:.3f}',
        'psnr': psnr,
        'ms_ssim': '–' if likeness is None else f'{likeness:.4f}',
        'error': error_words(figures.get('largest_error')),
    }
    for key, text in texts.items():
        labels[key].setText(text)


def _summary(info: dict[str, Any], raw: float) -> str:
    parts = [f'<b>{size_words(info["bytes"])}</b>']
    parts.append(f'{times_words(raw)} times smaller')
    statistics = info.get('statistics', {})
    if 'psnr' in statistics:
        parts.append(decibel_words(statistics['psnr']))
    return ' · '.join(parts)


def _ratio_words(raw: float, source: float | None) -> str:
    text = f'{times_words(raw)} times smaller than the raw pixels'
    if source is not None and source >= 1:
        text += f', {times_words(source)} times than the source file'
    elif source is not None:
        text += f', {times_words(1 / source)} times larger than the source'
    return text
