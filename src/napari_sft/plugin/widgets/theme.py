"""napari's colours for what its style sheet leaves to a plugin."""

from __future__ import annotations

from dataclasses import dataclass

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtGui import QColor


@dataclass(frozen=True)
class Colours:
    """A theme's colours as Qt and style sheets read them: 'rgb(…)'.

    Attributes
    ----------
    theme : str
        The theme's id, for `icon_path`.
    dark : bool
        Whether text is light upon dark.
    background, foreground, primary, secondary, highlight, current : str
        As napari names them; `current` is the accent.
    text, dim : str
        Text and less important text.
    error, warning : str
        Signal colours.
    font : int
        Size of plain text in points.
    """

    theme: str
    dark: bool
    background: str
    foreground: str
    primary: str
    secondary: str
    highlight: str
    current: str
    text: str
    dim: str
    error: str
    warning: str
    font: int

    def icon_path(self, name: str) -> str:
        """Path of one of napari's icons in this theme."""
        return f'theme_{self.theme}:/{name}.svg'


def colours_of(theme_id: str) -> Colours:
    """Colours of a napari theme; 'system' resolves as napari does."""
    theme = get_theme(theme_id)
    rgb = theme.to_rgb_dict()
    names = (
        'background',
        'foreground',
        'primary',
        'secondary',
        'highlight',
        'current',
        'text',
        'error',
        'warning',
    )
    return Colours(
        theme=theme.id,
        dark=qcolor(rgb['background']).lightness() < 128,
        font=get_settings().appearance.font_size,
        dim=_mixed(rgb['text'], rgb['background'], 0.68),
        **{name: rgb[name] for name in names},
    )


def style_sheet(colours: Colours) -> str:
    """Rules for the widget, upon napari's own."""
    return f"""
QLabel[role="hint"] {{ color: {colours.dim}; font-size: {colours.font}pt; }}
QLabel {{ qproperty-indent: 0; }}
QLabel[role="headline"] {{
    font-size: {colours.font + 7}pt; font-weight: 600;
}}
QLabel[role="title"] {{ font-size: {colours.font + 5}pt; font-weight: 600; }}
QLabel[role="stale"] {{ color: {colours.dim}; }}
QFrame[role="line"] {{ background: {colours.primary}; max-height: 1px; }}
QPushButton, QToolButton, QComboBox {{ border: 1px solid transparent; }}
QPushButton:focus, QToolButton:focus, QComboBox:focus,
QAbstractSpinBox:focus, QLineEdit:focus, QCheckBox:focus {{
    border: 1px solid {colours.secondary};
}}
QPushButton[role="primary"] {{
    background-color: {colours.current}; padding: 6px; font-weight: 600;
}}
QPushButton[role="primary"]:hover {{
    background-color: {_mixed(colours.current, colours.text, 0.88)};
}}
QPushButton[role="primary"]:disabled {{
    background-color: {colours.foreground}; color: {colours.dim};
}}
QToolButton[role="tool"] {{
    background-color: {colours.primary}; border-radius: 2px; padding: 3px 0px;
}}
QToolButton[role="tool"]:hover {{ background-color: {colours.highlight}; }}
QToolButton[role="tool"]:checked {{ background-color: {colours.current}; }}
QToolButton[role="tool"]:disabled {{
    background-color: {colours.foreground}; color: {colours.dim};
}}
QPushButton[role="section"] {{
    text-align: left; padding: 7px 2px; background: transparent;
    font-weight: 600; border: none; border-radius: 0px;
    border-top: 1px solid {colours.primary};
}}
QPushButton[role="section"]:hover {{ background: {colours.foreground}; }}
QPushButton[role="section"]:focus {{
    border-top: 1px solid {colours.current};
}}
QFrame[role="message"] {{
    background-color: {colours.foreground}; border-radius: 2px;
}}
QFrame[role="message"][kind="error"] {{
    border-left: 4px solid {_mixed(colours.error, colours.text, 0.8)};
}}
QFrame[role="message"][kind="info"] {{
    border-left: 4px solid {colours.current};
}}
QFrame[role="message"] QToolButton {{ background: transparent; }}
QStackedWidget, QScrollArea {{ padding: 0px; }}
QDialog QPushButton {{ min-width: 72px; }}
QProgressBar {{ border: none; background: {colours.primary}; }}
QProgressBar::chunk {{ background: {colours.current}; }}
QProgressBar[role="thin"] {{ min-height: 4px; max-height: 4px; }}
QTableWidget {{
    background-color: {colours.background};
    alternate-background-color: {colours.foreground};
    border: none; gridline-color: transparent;
}}
QTableWidget::item {{ padding: 2px 4px; }}
QHeaderView::section {{
    background-color: {colours.background}; color: {colours.dim};
    border: none; border-bottom: 1px solid {colours.primary};
    padding: 2px 4px;
}}
"""


def qcolor(colour: str) -> QColor:
    """A QColor of a theme's 'rgb(…)'."""
    return QColor(*_channels(colour))


def _mixed(first: str, second: str, share: float) -> str:
    """`share` of the first colour and the rest of the second."""
    pairs = zip(_channels(first), _channels(second), strict=True)
    mixed = (round(share * a + (1 - share) * b) for a, b in pairs)
    return 'rgb({}, {}, {})'.format(*mixed)


def _channels(colour: str) -> list[int]:
    inside = colour[colour.index('(') + 1 : colour.index(')')]
    return [int(part) for part in inside.split(',')[:3]]
