"""`napari-sft`, the command line: one module for each command.

Nothing heavy is imported before a command runs, so that help comes at once.
"""

from __future__ import annotations

from napari_sft.cli.app import app, main

__all__ = ['app', 'main']
