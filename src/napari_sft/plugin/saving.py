"""Save what is shown in a file, which is verified before it gets its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sft.codec.effort import DEFAULT_EFFORT
from napari_sft.plugin.part import Part

if TYPE_CHECKING:
    from napari_sft.plugin.coordinator import Coordinator
    from napari_sft.plugin.engine import Task
    from napari_sft.plugin.previewing import Outcome
    from napari_sft.verification import Verification


class Saving(Part):
    """Writes what is painted now; compresses it first if need be.

    Quick previews, as they follow a brush, are not for keeping.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        self._path = ''  # to save to once there is a preview
        self._writing = ''
        self._engine = self.engine()
        self._engine.finished.connect(self._on_saved)
        for ended in (self._engine.failed, self._engine.cancelled):
            ended.connect(lambda *_: self._main.save.set_failed())
        self._main.save.save_requested.connect(self._save)

    def leave_image(self) -> None:
        """Forget what was not compressed yet; what is written goes on."""
        self._path = ''
        self._clear()

    def preview_made(self, outcome: Outcome) -> None:
        """Write it if that is what it was made for."""
        path, self._path = self._path, ''
        if not path:
            self._clear()
        elif outcome.effort < DEFAULT_EFFORT:
            self._save(path)  # something changed meanwhile
        else:
            self._write(path, outcome)

    def preview_missed(self) -> None:
        """Tell that nothing was saved, if something was to be."""
        if self._path:
            self._path = ''
            self._main.save.set_failed()

    def _clear(self) -> None:
        """Say no more that something is saved: there is something newer."""
        if not self._engine.busy:
            self._main.save.set_failed()

    def _save(self, path: str) -> None:
        outcome, request = self._whole.outcome, self._whole.request()
        if request is None:
            self._main.message.show_error(self._whole.map.problem)
            self._main.save.set_failed()
            return
        self._main.save.set_saving()
        if (
            outcome is not None
            and outcome.effort >= DEFAULT_EFFORT
            and request.same(outcome.request)
        ):
            self._write(path, outcome)
        else:
            self._path = path
            self._whole.live.compress()

    def _write(self, path: str, outcome: Outcome) -> None:
        device = outcome.request.settings['device']

        def job(task: Task) -> Verification:
            return outcome.preview.save(
                path, device=device, progress=task.progress
            )

        self._writing = path
        self._engine.request(job)

    def _on_saved(self, verification: Verification) -> None:
        self._main.save.set_saved(self._writing, verification.nbytes)
