"""Layers side by side in napari's grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.components.grid import GridCanvas
    from napari.layers import Layer
    from napari.utils.events import Event


def grid_of(viewer: ViewerModel) -> GridCanvas:
    """The viewer's grid, which is the canvas's since napari 0.9."""
    return getattr(viewer, 'canvas', viewer).grid


class SideBySide:
    """Puts a stack of layers beside others, and all on one another again.

    Parameters
    ----------
    viewer : ViewerModel
        Whose grid it is.
    on_change : callable
        Called when that happens, also by napari's own grid button.
    """

    def __init__(
        self, viewer: ViewerModel, on_change: Callable[[], None]
    ) -> None:
        self._viewer = viewer
        self._on_change = on_change
        self._before: dict[str, Any] = {}  # napari's settings
        self._top: Layer | None = None
        grid_of(viewer).events.enabled.connect(self._on_grid)

    @property
    def on(self) -> bool:
        """Whether layers lie side by side by our doing."""
        return bool(self._before)

    def start(self, left: Sequence[Layer], right: Sequence[Layer]) -> None:
        """Show layers on one another at the left, and others at their right.

        Parameters
        ----------
        left, right : sequence of Layer
            From the lowest to the uppermost; so many to a place in the grid
            as lie at the left.
        """
        grid = grid_of(self._viewer)
        self._before = {'stride': grid.stride, 'shape': grid.shape}
        self._top = left[-1] if len(left) > 1 else None
        for at, layer in enumerate([*left, *right]):
            self._move(layer, at)
        grid.stride = len(left)
        grid.shape = (1, -1)
        grid.enabled = True
        self._on_change()

    def stop(self) -> None:
        """Show them on one another, the left's uppermost above all."""
        if self.on:
            grid_of(self._viewer).enabled = False  # see `_on_grid`

    def release(self) -> None:
        """Listen to napari's grid button no more."""
        grid_of(self._viewer).events.enabled.disconnect(self._on_grid)

    def _on_grid(self, event: Event) -> None:
        grid = grid_of(self._viewer)
        if grid.enabled or not self.on:
            return
        before, self._before = self._before, {}
        grid.stride, grid.shape = before['stride'], before['shape']
        if self._top in self._viewer.layers:
            self._move(self._top, len(self._viewer.layers))
        self._on_change()

    def _move(self, layer: Layer, to: int) -> None:
        self._viewer.layers.move(self._viewer.layers.index(layer), to)
