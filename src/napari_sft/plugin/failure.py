"""Errors told to users: one line of ours, or more of what is unexpected."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_sft.codec.errors import SftError

if TYPE_CHECKING:
    from napari_sft.plugin.widgets.message_line import MessageLine


def tell(line: MessageLine, error: Exception) -> None:
    """Show an error; what is not ours also goes to napari and the log."""
    if isinstance(error, SftError):
        line.show_error(str(error))
        return
    from napari.utils.notifications import show_error

    reason = str(error).partition('\n')[0] or type(error).__name__
    line.show_error(f'{reason} ({type(error).__name__})')
    show_error(f'napari-sft: {reason} ({type(error).__name__})')
    logging.getLogger(__name__).error('unexpected error', exc_info=error)
