"""Which model compresses, and where it runs."""

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

MODEL_TIP = 'The network that compresses; whoever opens the file needs it too'
DEVICE_TIP = 'Where the network runs; auto takes the fastest there is'


class ModelView(View):
    """Model and device.

    Signals
    -------
    model_chosen(str), device_chosen(str)
        The chosen name.
    """

    model_chosen = Signal(str)
    device_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.models = combo_box(MODEL_TIP, 'Model')
        self.devices = combo_box(DEVICE_TIP, 'Device')
        self.note = hint()
        grid = form(self.body)
        add_row(grid, 'Model', self.models, MODEL_TIP)
        add_row(grid, 'Device', self.devices, DEVICE_TIP)
        grid.addWidget(self.note, grid.rowCount(), 1)
        self.models.activated.connect(
            lambda _: self.model_chosen.emit(self.models.currentData())
        )
        self.devices.activated.connect(
            lambda _: self.device_chosen.emit(self.devices.currentData())
        )
        self.set_note('')

    def set_models(self, names: Sequence[str], current: str) -> None:
        """Set the models there are and the chosen one."""
        fill(self.models, same(names), current)

    def set_devices(self, names: Sequence[str], current: str) -> None:
        """Set the devices there are and the chosen one."""
        fill(self.devices, same(names), current)

    def set_note(self, text: str) -> None:
        """Set a line about them; '' hides it."""
        self.note.setText(text)
        self.note.setVisible(bool(text))
