"""The image's layer, and the views that say how it is compressed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sft.plugin import choices, image_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_sft.plugin.widgets.main_widget import MainWidget


class ImageBinding:
    """Keeps one image layer and its views alike.

    Parameters
    ----------
    viewer : ViewerModel
        Where the image's layer is.
    main : MainWidget
        Its `image`, `model`, `target`, `save` and `empty` are bound.
    device : str
        Where to compute at first.
    on_change : callable
        Called when the settings of the image may have changed.
    on_other : callable
        Called with the image that is to be compressed instead; it then has to
        be shown.

    Attributes
    ----------
    image : Image or None
        The image that is compressed.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        main: MainWidget,
        device: str,
        on_change: Callable[..., None],
        on_other: Callable[[Image | None], None],
    ) -> None:
        self._viewer, self._main = viewer, main
        self._on_change, self._on_other = on_change, on_other
        self._model, self._device, self._window = 'compact', device, ''
        self.image: Image | None = None
        main.model.set_models(choices.models(), self._model)
        main.model.set_devices(choices.DEVICES, self._device)
        main.image.image_chosen.connect(self._choose_by_name)
        main.image.window_chosen.connect(partial(self._set, '_window'))
        main.model.model_chosen.connect(self._choose_model)
        main.model.device_chosen.connect(partial(self._set, '_device'))

    def refresh(self) -> None:
        """Offer the images that are in the viewer now."""
        images = list(filter(image_layer.usable, self._viewer.layers))
        if self.image not in images:
            self._on_other(images[-1] if images else None)
        name = '' if self.image is None else self.image.name
        self._main.image.set_images([layer.name for layer in images], name)

    def show(self, image: Image | None) -> None:
        """Bind another image, or none, and let the views say what it is."""
        self._listen(False)
        self.image = image
        self._listen(True)
        if image is None:
            self._main.show_empty()
            return
        height, width = image_layer.size(image)
        samples = 3 if image_layer.is_rgb(image) else 1
        offered, self._window = choices.windows(image)
        self._main.image.set_description(image_layer.describe(image))
        self._main.image.set_windows(offered, self._window)
        self._main.target.set_picture(
            height * width,
            height
            * width
            * samples
            * image_layer.finest(image).dtype.itemsize,
            image_layer.source_bytes(image),
        )
        self._main.save.set_default_path(choices.file_for(image))
        self.show_plane()
        self._show_kind()
        self._main.show_work()

    def show_plane(self) -> None:
        """Let the view say which plane of a stack is in view."""
        self._main.image.set_plane(
            image_layer.describe_plane(self.image, self.plane().index)
        )

    def plane(self) -> image_layer.Plane:
        """The image's plane in view."""
        return image_layer.current_plane(self.image, self._viewer.dims.point)

    def codec(self) -> dict[str, str]:
        """Model and device, as `imwrite` takes them."""
        return {'model': self._model, 'device': self._device}

    def settings(self, *, plane: bool) -> dict[str, Any]:
        """Where the image or its plane lies, its name, model and device."""
        path = self.image.source.path
        return {
            **image_layer.calibration(self.image, plane=plane),
            'name': self.image.name,
            'source': Path(path).name if path else '',
            **self.codec(),
        }

    def window(self) -> str | tuple[float, float]:
        """Values that count as black and white, as `imwrite` takes them."""
        if self._window == 'contrast':
            low, high = self.image.contrast_limits
            return float(low), float(high)
        return self._window or 'auto'

    def close(self) -> None:
        """Listen to the layer no more."""
        self._listen(False)
        self.image = None

    def _listen(self, on: bool) -> None:
        """Notice when the image's pixels or its display change."""
        if self.image is not None:
            limits = ['contrast_limits']
            image_layer.listen(self.image, ['data'], self._on_data, on)
            image_layer.listen(self.image, limits, self._on_limits, on)

    def _on_data(self, event: object) -> None:
        """The image has other pixels, perhaps of another size: begin anew."""
        self._on_other(self.image)

    def _on_limits(self, event: object) -> None:
        self._on_change()

    def _choose_by_name(self, name: str) -> None:
        if self._viewer.layers[name] is not self.image:
            self._on_other(self._viewer.layers[name])

    def _choose_model(self, name: str) -> None:
        self._set('_model', name)
        self._show_kind()

    def _show_kind(self) -> None:
        """Let the sliders expect what the model does to such pictures."""
        if self.image is not None:
            self._main.set_picture_kind(
                gray=not image_layer.is_rgb(self.image),
                known_model=self._model == 'compact',
            )

    def _set(self, name: str, value: str) -> None:
        setattr(self, name, value)
        self._on_change()
