"""Pieces that the views are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from math import floor, log10

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPaintEvent, QPixmap
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

LABELS = 86  # width of the column of labels, the same in every view
GAP = 6
QWIDGETSIZE_MAX = 16777215


@contextmanager
def silent(*widgets: QObject):
    """Change widgets without their signals."""
    blockers = [QSignalBlocker(widget) for widget in widgets]
    try:
        yield
    finally:
        for blocker in blockers:
            blocker.unblock()


class View(QWidget):
    """A view: `body` for its widgets, and a line that says why it is off."""

    says_why = True  # in words of its own, besides the tooltip

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.body = QWidget()
        self._reason = hint()
        self._reason.hide()
        layout = column(self)
        layout.addWidget(self._reason)
        layout.addWidget(self.body)

    def set_unavailable(self, reason: str) -> None:
        """Switch the view off and say why; '' switches it on."""
        self.body.setEnabled(not reason)
        self.body.setToolTip(reason)
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason) and self.says_why)

    def reason(self) -> str:
        """Why the view is off; '' when it is on."""
        return self._reason.text()


class ComboBox(QComboBox):
    """A combo box that shortens what is too long for it, with an ellipsis."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as any combo box, the text shortened."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = QStyle.ComplexControl.CC_ComboBox
        painter.drawComplexControl(style, option)
        field = self.style().subControlRect(
            style, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText,
            Qt.TextElideMode.ElideRight,
            field.width() - 4,
        )
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class WheelGuard(QObject):
    """Lets the wheel scroll the widget, not the value under the mouse.

    A control turns with the wheel only while it has the focus.
    """

    def __init__(self, control: QWidget) -> None:
        super().__init__(control)
        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        control.installEventFilter(self)

    def eventFilter(self, target: QObject, event: QEvent) -> bool:
        """Leave the wheel to what lies behind a control without focus."""
        if event.type() == QEvent.Type.Wheel and not target.hasFocus():
            event.ignore()
            return True
        return False


class _Fitting:
    """Makes a box wide enough for its longest number in a theme's font."""

    least = 96  # pixels
    arrows = 60  # napari's, one on each side, with their gaps

    def fit(self) -> None:
        """Take the width that the text needs."""
        texts = map(self.textFromValue, (self.minimum(), self.maximum()))
        metrics = self.fontMetrics()
        text = max(
            metrics.horizontalAdvance(f'{n}{self.suffix()}') for n in texts
        )
        self.setFixedWidth(max(self.least, text + self.arrows))

    def changeEvent(self, event: QEvent) -> None:
        """Notice other fonts."""
        super().changeEvent(event)
        kinds = QEvent.Type.FontChange, QEvent.Type.StyleChange
        if event.type() in kinds:
            self.fit()


class SpinBox(_Fitting, QSpinBox):
    """A box of whole numbers that fits its text."""


class DecimalBox(_Fitting, QDoubleSpinBox):
    """A box of numbers that fits its text and shows no idle zeros."""

    def textFromValue(self, value: float) -> str:
        """Up to four digits, or more if they are needed."""
        return self.locale().toString(value, 'g', 6)


def swatch(rgba: Sequence[float]) -> QIcon:
    """A small square of a colour, RGBA in 0..1."""
    pixmap = QPixmap(10, 10)
    pixmap.fill(QColor.fromRgbF(*rgba))
    return QIcon(pixmap)


def hint(text: str = '') -> QLabel:
    """A small line of explanation that wraps."""
    label = QLabel(text)
    label.setProperty('role', 'hint')
    label.setWordWrap(True)
    # A label that wraps asks for the width of a whole line otherwise.
    label.setMinimumWidth(1)
    return label


def line() -> QFrame:
    """A thin horizontal line."""
    frame = QFrame()
    frame.setProperty('role', 'line')
    frame.setFixedHeight(1)
    return frame


def button(text: str, tooltip: str = '', *, role: str = '') -> QPushButton:
    """A push button that may be narrower than its text."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    if role:
        made.setProperty('role', role)
    return made


def thin_bar() -> QProgressBar:
    """A progress bar without words, for the line that says them."""
    bar = QProgressBar()
    bar.setProperty('role', 'thin')
    bar.setTextVisible(False)
    bar.setFixedHeight(4)
    return bar


def spin_box(low: int, high: int, unit: str = '') -> QSpinBox:
    """A box of whole numbers that tells of finished entries only."""
    box = SpinBox()
    box.setRange(low, high)
    box.setSuffix(f' {unit}' if unit else '')
    _prepare(box)
    return box


def decimal_box(
    low: float, high: float, *, logarithmic: bool = False
) -> QDoubleSpinBox:
    """A box of numbers; logarithmic ones step by a tenth of themselves."""
    box = DecimalBox()
    # As many decimals as the smallest number takes.
    box.setDecimals(max(1, -floor(log10(low))) if low > 0 else 1)
    box.setRange(low, high)
    if logarithmic:
        box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
    _prepare(box)
    return box


def _prepare(box: QAbstractSpinBox) -> None:
    box.setAlignment(Qt.AlignmentFlag.AlignCenter)
    box.setKeyboardTracking(False)
    box.fit()
    WheelGuard(box)


def combo_box(tooltip: str = '', name: str = '') -> QComboBox:
    """A combo box that never widens the dock."""
    box = ComboBox()
    policy = QComboBox.SizeAdjustPolicy
    box.setSizeAdjustPolicy(policy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setToolTip(tooltip)
    box.setAccessibleName(name)
    WheelGuard(box)
    return box


def fill(
    box: QComboBox, items: Sequence[tuple[str, str]], current: str
) -> None:
    """Give a combo box its (key, text) items without a signal."""
    with silent(box):
        box.clear()
        for key, text in items:
            box.addItem(text, key)
        box.setCurrentIndex(box.findData(current))


def same(names: Iterable[str]) -> list[tuple[str, str]]:
    """Items whose text is their key."""
    return [(name, name) for name in names]


def column(parent: QWidget | None = None) -> QVBoxLayout:
    """A column without margins."""
    layout = QVBoxLayout(parent) if parent is not None else QVBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    return layout


def row(*widgets: QWidget | None) -> QHBoxLayout:
    """Widgets side by side; None takes the space that is left."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)
    return layout


def form(parent: QWidget | None = None) -> QGridLayout:
    """A grid of labels, all as wide, and what they name."""
    grid = QGridLayout(parent) if parent is not None else QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(GAP)
    grid.setVerticalSpacing(GAP)
    grid.setColumnMinimumWidth(0, LABELS)
    grid.setColumnStretch(1, 1)
    return grid


def add_row(
    grid: QGridLayout, title: str, content: object, tooltip: str = ''
) -> QLabel:
    """Add a labelled row: a widget or a layout; returns the label."""
    at = grid.rowCount()
    label = QLabel(title)
    label.setToolTip(tooltip)
    grid.addWidget(label, at, 0)
    if isinstance(content, QWidget):
        grid.addWidget(content, at, 1)
        label.setBuddy(content)
    else:
        grid.addLayout(content, at, 1)
    return label


def icon_size() -> QSize:
    """Size of the icons on tool buttons."""
    return QSize(18, 18)
