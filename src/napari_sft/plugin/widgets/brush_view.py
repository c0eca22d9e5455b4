"""What the brush paints with."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QButtonGroup, QToolButton, QWidget

from napari_sft.plugin.widgets.controls import NumberControl, QualityControl
from napari_sft.plugin.widgets.parts import (
    View,
    column,
    icon_size,
    row,
)
from napari_sft.plugin.widgets.theme import Colours
from napari_sft.plugin.widgets.words import QualityWords

# key, word, napari's icon, what it does
TOOLS = (
    ('paint', 'Paint', 'paint', 'Paint with the brush quality'),
    ('fill', 'Fill', 'fill', 'Fill a connected region by a click'),
    (
        'polygon',
        'Outline',
        'polygon_lasso',
        'Draw an outline by clicks; a double click closes and fills it',
    ),
    (
        'erase',
        'Erase',
        'erase',
        'Take the paint away: back to the quality where you did not paint',
    ),
    ('pick', 'Pick', 'picker', 'Take the brush quality from a painted place'),
    ('pan', 'Move', 'pan_arrows', 'Move and zoom the image'),
)
QUALITY_TIP = 'How good the places you paint will be'
SIZE_TIP = 'Diameter of the brush in pixels of the image'
LARGEST = 512


class BrushView(View):
    """Tools, the brush's quality and its size.

    Signals
    -------
    quality_changed(int)
        Quality that is painted from now on.
    size_changed(int)
        Diameter in pixels.
    tool_chosen(str)
        A key of `TOOLS`.
    """

    quality_changed = Signal(int)
    size_changed = Signal(int)
    tool_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tools: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        for key, word, _, tip in TOOLS:
            tool = QToolButton()
            tool.setText(word)
            tool.setToolTip(tip)
            tool.setCheckable(True)
            tool.setProperty('role', 'tool')
            style = Qt.ToolButtonStyle.ToolButtonTextUnderIcon
            tool.setToolButtonStyle(style)
            tool.setIconSize(icon_size())
            tool.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            policy = tool.sizePolicy()
            policy.setHorizontalPolicy(policy.Policy.Expanding)
            tool.setSizePolicy(policy)
            tool.setMinimumWidth(30)
            tool.clicked.connect(lambda _, key=key: self.tool_chosen.emit(key))
            self._group.addButton(tool)
            self.tools[key] = tool
        tools = row(*self.tools.values())
        tools.setSpacing(3)
        self.brush = QualityControl('Brush quality', QUALITY_TIP, 90)
        self.diameter = NumberControl(
            'Brush size', SIZE_TIP, (1, LARGEST), 'px'
        )
        layout = column(self.body)
        layout.setSpacing(10)
        layout.addLayout(tools)
        layout.addWidget(self.brush)
        layout.addWidget(self.diameter)
        self.set_size(40)
        self.brush.changed.connect(self.quality_changed)
        self.diameter.changed.connect(self.size_changed)

    def quality(self) -> int:
        """Quality that the brush paints, 0..100."""
        return self.brush.value()

    def set_quality(self, quality: int) -> None:
        """Set the quality that the brush paints."""
        self.brush.set_value(quality)

    def size_(self) -> int:
        """Diameter of the brush in pixels."""
        return self.diameter.value()

    def set_size(self, pixels: int) -> None:
        """Set the diameter of the brush."""
        self.diameter.set_value(pixels)

    def set_tool(self, key: str) -> None:
        """Show a tool as the present one; '' shows none."""
        self._group.setExclusive(False)
        for name, tool in self.tools.items():
            tool.setChecked(name == key)
        self._group.setExclusive(True)

    def set_expected(self, words: QualityWords | None) -> None:
        """Set what turns a quality into words; None says nothing."""
        self.brush.set_expected(words)

    def set_colours(self, colours: Colours) -> None:
        """Take the tools' icons from napari's theme."""
        for key, _, icon, _ in TOOLS:
            self.tools[key].setIcon(QIcon(colours.icon_path(icon)))
