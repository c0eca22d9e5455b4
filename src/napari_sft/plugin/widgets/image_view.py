"""Which image is compressed, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_sft.plugin.widgets.parts import (
    View,
    add_row,
    combo_box,
    fill,
    form,
    hint,
    same,
)

IMAGE_TIP = 'The image layer that is compressed'
VALUES_TIP = (
    'Values outside are cut off. What the display contrast shows is used '
    'only if you choose it.'
)


class ImageView(View):
    """The image, its plane and the range of values that is kept.

    Signals
    -------
    image_chosen(str)
        Name of the chosen layer.
    window_chosen(str)
        Key of the chosen range of values.
    """

    image_chosen = Signal(str)
    window_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.images = combo_box(IMAGE_TIP, 'Image')
        self.windows = combo_box(VALUES_TIP, 'Values')
        self.description = hint()
        self.plane = hint()
        grid = form(self.body)
        add_row(grid, 'Image', self.images, IMAGE_TIP)
        grid.addWidget(self.description, grid.rowCount(), 1)
        grid.addWidget(self.plane, grid.rowCount(), 1)
        self._windows_label = add_row(grid, 'Values', self.windows, VALUES_TIP)
        self.images.activated.connect(
            lambda _: self.image_chosen.emit(self.images.currentData())
        )
        self.windows.activated.connect(
            lambda _: self.window_chosen.emit(self.windows.currentData())
        )
        self.set_windows([], '')
        self.set_plane('')
        self.set_description('')

    def set_images(self, names: Sequence[str], current: str = '') -> None:
        """Set the image layers and the chosen one."""
        fill(self.images, same(names), current)
        self.images.setToolTip(current or IMAGE_TIP)

    def set_description(self, text: str) -> None:
        """Set what is said of the image: size, colours, bits."""
        self.description.setText(text)
        self.description.setVisible(bool(text))

    def set_windows(
        self, choices: Sequence[tuple[str, str]], current: str
    ) -> None:
        """Set the ranges of values as (key, text); none hides the row."""
        fill(self.windows, choices, current)
        self.windows.setVisible(bool(choices))
        self._windows_label.setVisible(bool(choices))

    def set_plane(self, text: str) -> None:
        """Set which plane of a stack is looked at; '' hides the line."""
        self.plane.setText(text)
        self.plane.setVisible(bool(text))
