"""All planes of the image, or all pictures of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sft.plugin import batch, choices, image_layer
from napari_sft.plugin.part import Part
from napari_sft.plugin.previewing import quality_of
from napari_sft.plugin.widgets.words import size_words

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sft.plugin.coordinator import Coordinator
    from napari_sft.plugin.engine import Task
    from napari_sft.plugin.widgets.batch_dialog import BatchRequest


class Many(Part):
    """Runs the batches that the batch view and its dialog ask for."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(coordinator)
        view, dialog = self._main.batch, self._main.batch.dialog
        self._stack = self.engine()
        self._stack.progressed.connect(view.set_progress)
        self._stack.finished.connect(self._on_stack)
        self._stack.failed.connect(lambda _: view.set_done('Failed'))
        self._stack.cancelled.connect(lambda: view.set_done('Cancelled'))
        view.stack_requested.connect(self._start_stack)
        view.cancel_requested.connect(self._stack.cancel)
        self._folder = self.engine()
        self._folder.progressed.connect(dialog.set_progress)
        self._folder.reported.connect(self._on_file)
        self._folder.finished.connect(dialog.set_done)
        self._folder.failed.connect(self._on_folder_failed)
        self._folder.cancelled.connect(lambda: dialog.set_done('Cancelled'))
        dialog.start_requested.connect(self._start_folder)
        dialog.cancel_requested.connect(self._folder.cancel)

    def enter_image(self, image: Image) -> None:
        """Offer its planes."""
        planes = int(np.prod(image_layer.stack_shape(image), dtype=int))
        self._main.batch.set_planes(planes)
        self._main.save.set_stack(planes > 1)
        self._main.batch.set_default_path(choices.file_for(image))
        self._main.batch.dialog.set_quality(round(self._whole.map.base))

    def _start_stack(self, path: str) -> None:
        whole = self._whole
        if whole.image is None or whole.map.problem:
            self._main.batch.set_done('')
            self._main.message.show_error(whole.map.problem)
            return
        layer, image = whole.map.layer, whole.image
        labels = None if layer is None else np.array(image_layer.finest(layer))
        base, feather = whole.map.base, whole.map.feather
        settings: dict[str, Any] = {
            **whole.picture.settings(plane=False),
            'rgb': image_layer.is_rgb(image),
            'alpha': 'drop',
            'windows': whole.picture.window(),
            'target_bytes': self._main.target.target_bytes(),
        }
        data = image_layer.finest(image)

        def job(task: Task) -> dict[str, Any]:
            quality = quality_of(labels, base, feather)
            name = 'quality' if np.ndim(quality) == 0 else 'quality_map'
            return batch.compress_stack(
                Path(path), data, {**settings, name: quality}, task.progress
            ) | {'path': path}

        self._stack.request(job)

    def _on_stack(self, about: dict[str, Any]) -> None:
        name = Path(about['path']).name
        self._main.batch.set_done(
            f'Saved and verified: {name}, {size_words(about["bytes"])}'
        )

    def _start_folder(self, request: BatchRequest) -> None:
        about = self._whole.picture.codec()
        settings = {
            'quality': request.quality,
            'target_bytes': request.target_bytes,
            **about,
        }

        def job(task: Task) -> str:
            done = 0
            files = batch.pictures(request.source, request.patterns)
            task.report([path.name for path in files])
            for result in batch.compress_folder(
                files,
                request.target,
                settings,
                overwrite=request.overwrite,
                progress=task.progress,
                check=task.check,
            ):
                task.report(result)
                done += isinstance(result, batch.FileDone)
            return (
                f'Compressed {done} of {len(files)} pictures into '
                f'{request.target}'
            )

        self._main.batch.dialog.set_running(())  # until they are listed
        self._folder.request(job)

    def _on_file(
        self, result: list[str] | batch.FileDone | batch.FileFailed
    ) -> None:
        dialog = self._main.batch.dialog
        if isinstance(result, list):
            dialog.set_running(result)
        elif isinstance(result, batch.FileFailed):
            dialog.set_file_failed(result.name, result.reason)
        else:
            dialog.set_file_done(
                result.name, result.size, result.bpp, result.psnr
            )

    def _on_folder_failed(self, error: Exception) -> None:
        dialog = self._main.batch.dialog
        dialog.set_done('Failed')
        dialog.show_error(str(error))
