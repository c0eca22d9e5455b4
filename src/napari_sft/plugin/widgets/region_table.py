"""The exactness of each painted region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_sft.plugin.map_layer import ramp_colours
from napari_sft.plugin.widgets.parts import swatch
from napari_sft.plugin.widgets.words import (
    error_words,
    quality_range_words,
    share_words,
)

HEADINGS = ('Quality', 'Area', 'PSNR dB', 'Worst', 'JPEG dB')
WIDTH = 76  # of the column of qualities
TIPS = (
    'Quality of the region as it was compressed, edges included',
    'Share of the image',
    'Closeness to the original in the region',
    'The worst pixel, as a share of the range of values',
    'PSNR of the JPEG in the region',
)
OTHER = 4
ROW, HEAD = 22, 24  # heights in pixels


class RegionTable(QTableWidget):
    """Regions of one quality, one a row; hidden when there is only one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADINGS), parent)
        self._colours = ramp_colours()
        for at, (heading, tip) in enumerate(zip(HEADINGS, TIPS, strict=True)):
            item = QTableWidgetItem(heading)
            item.setToolTip(tip)
            item.setTextAlignment(_alignment(at))
            self.setHorizontalHeaderItem(at, item)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(0, WIDTH)
        header.setFixedHeight(HEAD)
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setMinimumSectionSize(30)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        never = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setHorizontalScrollBarPolicy(never)
        self.setVerticalScrollBarPolicy(never)
        self.setMinimumWidth(1)
        self.setAccessibleName('Exactness of each painted region')
        self.set_other(None)

    def set_regions(
        self, regions: Sequence[dict[str, Any]], pixels: int
    ) -> None:
        """Show regions.

        Parameters
        ----------
        regions : sequence of dict
            As in `napari_sft.info`: quality (low, high), pixels, psnr,
            largest_error.
        pixels : int
            Of the whole image, all planes together.
        """
        self.setRowCount(len(regions))
        for at, region in enumerate(regions):
            low, high = region['quality']
            middle = self._colours[round((low + high) / 2)].tolist()
            texts = (
                quality_range_words(low, high),
                share_words(region['pixels'] / pixels),
                _number(region['psnr']),
                error_words(region['largest_error']),
                '',
            )
            for place, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(_alignment(place))
                if place == 0:
                    item.setIcon(swatch(middle))
                self.setItem(at, place, item)
        self.setVisible(bool(regions))
        rows = len(regions) * ROW
        self.setFixedHeight(rows + HEAD)

    def set_other(self, psnr: Sequence[float | None] | None) -> None:
        """Show a JPEG's PSNR of each region; None hides the column."""
        self.setColumnHidden(OTHER, psnr is None)
        for at, value in enumerate(psnr or ()):
            item = self.item(at, OTHER)
            if item is not None:
                item.setText(_number(value))


def _number(psnr: float | None) -> str:
    return 'exact' if psnr is None else f'{psnr:.1f}'


def _alignment(place: int) -> Qt.AlignmentFlag:
    flags = Qt.AlignmentFlag
    side = flags.AlignLeft if place == 0 else flags.AlignRight
    return side | flags.AlignVCenter
