"""One line of what went wrong, or well, inside the dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget


class MessageLine(QFrame):
    """A message that stays until it is closed or the next one comes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty('role', 'message')
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setMinimumWidth(1)
        self._label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.close_button = QToolButton()
        self.close_button.setText('×')
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip('Close this message')
        self.close_button.setAccessibleName('Close this message')
        self.close_button.clicked.connect(lambda _: self.clear())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 2, 4)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_error(self, text: str) -> None:
        """Show what went wrong and what to do."""
        self._show(text, 'error')

    def show_info(self, text: str) -> None:
        """Show what is good to know."""
        self._show(text, 'info')

    def clear(self) -> None:
        """Take the message away."""
        self._label.clear()
        self.hide()

    def text(self) -> str:
        """The message; '' when there is none."""
        return self._label.text()

    def kind(self) -> str:
        """'error' or 'info', of the last message."""
        return str(self.property('kind'))

    def _show(self, text: str, kind: str) -> None:
        # Paths and names are shown as they are, never read as rich text.
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setText(text)
        self.setProperty('kind', kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self.show()
