"""The preview: made with care when asked for, or live after each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sft.codec.effort import DEFAULT_EFFORT, FASTEST_EFFORT
from napari_sft.plugin.engine import Engine, Task
from napari_sft.plugin.failure import tell
from napari_sft.plugin.previewing import Maker, Outcome, Request

if TYPE_CHECKING:
    import numpy as np

    from napari_sft.plugin.coordinator import Coordinator

SETTLE_MS = 30  # without a change before the map is looked at
# That pass before a live preview says that it works: redrawing the window
# takes time from a quick one.
PATIENCE_MS = 500


class Live(QObject):
    """Keeps the preview in step with what the coordinator would ask for.

    Parameters
    ----------
    coordinator : Coordinator
        Knows what a preview would be asked for now.

    Attributes
    ----------
    outcome : Outcome or None
        The last preview of the image.
    engine : Engine
        Makes them.
    """

    made = Signal(object)  # Outcome
    missed = Signal()

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        self._whole, self._main = coordinator, coordinator.main
        self._maker = Maker()
        self._asked: Request | None = None
        self.outcome: Outcome | None = None
        self.engine = Engine(self)
        self._settle = _timer(self, SETTLE_MS, self.look)
        self._patience = _timer(self, PATIENCE_MS, self._show_work)
        run = self._main.run
        run.compress_requested.connect(self.compress)
        run.cancel_requested.connect(self.engine.cancel)
        self.engine.progressed.connect(run.set_progress)
        self.engine.reported.connect(self._on_picture)
        self.engine.finished.connect(self._on_finished)
        self.engine.failed.connect(self._on_failed)
        self.engine.cancelled.connect(self._on_cancelled)

    def changed(self, *_: Any) -> None:
        """Something may have changed: look at it once it has settled."""
        self._settle.start()

    def look(self) -> None:
        """See what changed, and compress if the preview is to follow."""
        request = self._whole.request()
        self._main.run.set_unavailable(self._whole.map.problem)
        self._whole.map.show_painted()
        if request is None:
            self.engine.cancel()
            return
        stale = not request.same(self.outcome and self.outcome.request)
        follows = stale and self._main.run.live()
        if not follows:
            self._show_stale(stale)
        if not stale:
            if not request.same(self._asked):  # it may be made with more care
                self.engine.cancel()
        elif follows and not request.same(self._asked):
            self._patience.start()
            self._ask(request, FASTEST_EFFORT)

    def compress(self) -> None:
        """Make the file of what is there now, its pixels read anew."""
        self._settle.stop()
        request = self._whole.request()
        if request is not None:
            self._maker.forget()
            self._main.run.set_busy('Compressing…')
            self._ask(request, DEFAULT_EFFORT)

    def reset(self) -> None:
        """Forget the image."""
        self.engine.cancel()
        self._maker.forget()
        self.outcome, self._asked = None, None
        self._main.results.clear()

    def stop(self) -> None:
        """End all work and its thread."""
        self._settle.stop()
        self._patience.stop()
        self.engine.stop()
        self._asked = None

    def _ask(self, request: Request, effort: int) -> None:
        def job(task: Task) -> Outcome:
            return self._maker.make(
                request,
                effort,
                task.progress,
                lambda picture: task.report((request, picture)),
            )

        self._asked = request
        self.engine.request(job)

    def _on_picture(self, shown: tuple[Request, np.ndarray]) -> None:
        """Show the next picture of an image before it is measured."""
        request, picture = shown
        if self.outcome and request.same_image(self.outcome.request):
            self._whole.results.renew(picture)

    def _on_finished(self, outcome: Outcome) -> None:
        self._asked = None
        text = f'Preview in {outcome.preview.seconds:.2f} s'
        if outcome.effort < DEFAULT_EFFORT:
            text += ', quick: saving takes more care'
        self._idle(text)
        self._main.message.clear()
        self.outcome = outcome
        preview = outcome.preview
        self._main.results.set_result(
            preview.info,
            ratio_to_raw=preview.ratio_to_raw,
            ratio_to_source=preview.ratio_to_source,
            seconds=preview.seconds,
        )
        self.made.emit(outcome)
        self.look()

    def _on_failed(self, error: Exception) -> None:
        self._idle('')
        self._show_last()
        tell(self._main.message, error)
        self.missed.emit()

    def _on_cancelled(self) -> None:
        self._asked = None
        self._idle('')
        self._show_last()
        self.missed.emit()

    def _show_last(self) -> None:
        """Take back a picture whose preview was not finished."""
        if self.outcome is not None:
            self._whole.results.renew(self.outcome.preview.reconstruction)

    def _show_work(self) -> None:
        self._show_stale(True)
        self._main.run.set_busy('Compressing…')

    def _show_stale(self, stale: bool) -> None:
        self._main.run.set_stale(stale)
        self._main.results.set_stale(stale and self.outcome is not None)

    def _idle(self, text: str) -> None:
        self._patience.stop()
        self._main.run.set_idle(text)


def _timer(parent: QObject, milliseconds: int, slot: Any) -> QTimer:
    """A timer that fires once, so long after it was last started."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(slot)
    return timer
