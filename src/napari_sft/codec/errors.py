"""One small tree of exceptions.

Each carries one line that says what is wrong, where, and what to do next.
"""

from __future__ import annotations


class SftError(Exception):
    """Base of every error that napari-sft raises on purpose."""


class FormatError(SftError):
    """The file is damaged, cut short, or not an .sft file."""


class VersionError(FormatError):
    """The file needs a newer reader than this one."""


class StreamError(FormatError):
    """An entropy-coded stream is damaged."""


class ImageError(SftError):
    """The image can't be encoded, or doesn't fit what is asked of it."""


class MapError(SftError):
    """The quality map can't be used."""


class ModelError(SftError):
    """A model or its weights are missing, or don't match the file."""


class TargetError(SftError):
    """A target for the file's size can't be met."""
