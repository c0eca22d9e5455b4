"""What tests of views share: signals that are heard, dialogs that answer."""

from __future__ import annotations

import pytest

# Without napari and Qt there are no views to test.
try:
    import napari  # noqa: F401
    import pytestqt  # noqa: F401
    from qtpy.QtWidgets import QFileDialog
except ImportError:
    collect_ignore_glob = ['test_*.py']


@pytest.fixture
def heard():
    """Collects a view's signals: `said = heard(view, 'a', 'b')`."""

    def listen(view, *names):
        said = []
        for name in names:
            getattr(view, name).connect(
                lambda *values, name=name: said.append((name, *values))
            )
        return said

    return listen


@pytest.fixture
def answer(monkeypatch):
    """Lets every file dialog answer a path, and a filter."""

    def set_answer(path, chosen=''):
        for name in ('getSaveFileName', 'getOpenFileName'):
            monkeypatch.setattr(
                QFileDialog, name, lambda *args: (str(path), chosen)
            )
        monkeypatch.setattr(
            QFileDialog, 'getExistingDirectory', lambda *args: str(path)
        )

    return set_answer
