"""What is shown of the result in the viewer."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_sft.plugin.widgets.parts import (
    View,
    add_row,
    button,
    form,
    row,
    silent,
)

LAYERS = (
    ('error', 'Errors', 'How far each pixel is from the original'),
    ('rate', 'Bits', 'Where the bits go: how many each place takes'),
    ('quality', 'Quality', 'The quality map as the file keeps it'),
)
ORIGINAL_TIP = 'Look at the original instead of the compressed image'


class ShowLayersView(View):
    """Switches of the layers that a result has.

    Signals
    -------
    original_toggled(bool)
        Whether the original is to be in front.
    side_by_side_toggled(bool)
        Whether both are to be seen beside each other.
    layer_toggled(str, bool)
        'error', 'rate' or 'quality', and whether it is to be seen.
    """

    says_why = False  # the empty result above says it
    original_toggled = Signal(bool)
    side_by_side_toggled = Signal(bool)
    layer_toggled = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.original = _switch('Original', ORIGINAL_TIP)
        self.side_by_side = _switch(
            'Side by side', 'Original and compressed image beside each other'
        )
        self.layers = {key: _switch(text, tip) for key, text, tip in LAYERS}
        grid = form(self.body)
        add_row(grid, 'Look at', row(self.original, self.side_by_side))
        add_row(grid, 'Overlay', row(*self.layers.values()))
        self.original.toggled.connect(self.original_toggled)
        self.side_by_side.toggled.connect(self.side_by_side_toggled)
        for key, switch in self.layers.items():
            switch.toggled.connect(
                lambda on, key=key: self.layer_toggled.emit(key, on)
            )

    def set_original(self, on: bool) -> None:
        """Tell whether the original is in front."""
        with silent(self.original):
            self.original.setChecked(on)

    def set_side_by_side(self, on: bool) -> None:
        """Tell whether both are seen beside each other."""
        with silent(self.side_by_side):
            self.side_by_side.setChecked(on)

    def set_layer(self, kind: str, on: bool) -> None:
        """Tell whether 'error', 'rate' or 'quality' is seen."""
        with silent(self.layers[kind]):
            self.layers[kind].setChecked(on)

    def set_key(self, text: str) -> None:
        """Tell which key does the same as the Original button."""
        self.original.setText(f'Original ({text})' if text else 'Original')
        tip = f'{ORIGINAL_TIP}; key {text}' if text else ORIGINAL_TIP
        self.original.setToolTip(tip)


def _switch(text: str, tooltip: str) -> QPushButton:
    made = button(text, tooltip)
    made.setCheckable(True)
    made.setMinimumWidth(1)
    return made
