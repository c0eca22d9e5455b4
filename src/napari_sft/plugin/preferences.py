"""What users set for the plugin in napari's preferences."""

from __future__ import annotations

from dataclasses import dataclass, fields

DEVICES = ('auto', 'cpu', 'cuda', 'mps')


@dataclass(frozen=True)
class Preferences:
    """Where the widget starts; the manifest's `configurations` say the same.

    Attributes
    ----------
    device : str
        Where to compute: 'auto', 'cpu', 'cuda' or 'mps'.
    base_quality : int
        Quality 0..100 of what is not painted.
    brush_quality : int
        Quality 0..100 that the brush paints at first.
    live : bool
        Whether the preview follows each stroke from the start.
    """

    device: str = 'auto'
    base_quality: int = 30
    brush_quality: int = 85
    live: bool = True


def preferences() -> Preferences:
    """The user's preferences; the defaults before napari 0.9."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return Preferences()
    try:
        chosen = get_plugin_settings('napari-sft').widget
    except KeyError:  # run from sources that are not installed
        return Preferences()
    return Preferences(
        **{f.name: getattr(chosen, f.name) for f in fields(Preferences)}
    )
