"""Wires napari's viewer, the views, the previews and the layers together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_sft.plugin import choices, image_layer
from napari_sft.plugin.live import Live
from napari_sft.plugin.many import Many
from napari_sft.plugin.map_binding import MapBinding
from napari_sft.plugin.map_making import MapMaking
from napari_sft.plugin.measuring import Measuring
from napari_sft.plugin.opening import Opening
from napari_sft.plugin.previewing import Outcome, Request
from napari_sft.plugin.result_layers import EXTRAS, ResultLayers
from napari_sft.plugin.saving import Saving

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_sft.plugin.part import Part
    from napari_sft.plugin.preferences import Preferences
    from napari_sft.plugin.widgets.main_widget import MainWidget

LIVE_PIXELS = 1 << 22  # above, the preview does not follow by itself
TOGGLE_KEY = 'T'


class Coordinator(QObject):
    """Turns what users do in the viewer and the views into previews.

    Parameters
    ----------
    viewer : ViewerModel
        napari's viewer, or the part of it that needs no window.
    main : MainWidget
        The views.
    preferences : Preferences
        Where to start.

    Attributes
    ----------
    image : Image or None
        The image that is compressed.
    live : Live
        Makes its previews.
    map : MapBinding
        Its quality map.
    results : ResultLayers
        The layers of the last preview.
    """

    def __init__(
        self, viewer: ViewerModel, main: MainWidget, preferences: Preferences
    ) -> None:
        super().__init__(main)
        self.viewer, self.main = viewer, main
        self._live_wanted = preferences.live
        self._model, self._device = 'compact', preferences.device
        self._window = ''
        self._closed = False
        self.image: Image | None = None
        self.live = Live(self)
        self.results = ResultLayers(viewer, self._show_layers)
        self.map = MapBinding(
            viewer,
            main,
            preferences.base_quality,
            preferences.brush_quality,
            self.live.changed,
        )
        self._parts: list[Part] = [
            part(self)
            for part in (Opening, Saving, Measuring, MapMaking, Many)
        ]
        self._connect()
        main.model.set_models(choices.models(), self._model)
        main.model.set_devices(choices.DEVICES, self._device)
        main.show_layers.set_key(TOGGLE_KEY)
        main.run.set_live(self._live_wanted)
        self._offer_result('Compress first')
        self._on_theme()
        self._refresh()

    @property
    def outcome(self) -> Outcome | None:
        """The last preview of the image."""
        return self.live.outcome

    def plane(self) -> image_layer.Plane:
        """The image's plane in view."""
        return image_layer.current_plane(self.image, self.viewer.dims.point)

    def codec(self) -> dict[str, str]:
        """Model and device, as `imwrite` takes them."""
        return {'model': self._model, 'device': self._device}

    def settings(self, *, plane: bool) -> dict[str, Any]:
        """Where the image or its plane lies, its name, model and device."""
        image = self.image
        path = image.source.path
        return {
            **image_layer.calibration(image, plane=plane),
            'name': image.name,
            'source': Path(path).name if path else '',
            **self.codec(),
        }

    def window(self) -> str | tuple[float, float]:
        """Values that count as black and white, as `imwrite` takes them."""
        if self._window == 'contrast':
            low, high = self.image.contrast_limits
            return float(low), float(high)
        return self._window or 'auto'

    def request(self) -> Request | None:
        """What a preview would be asked for now; None if it can't be."""
        if self.image is None or self.map.problem:
            return None
        plane = self.plane()
        return Request(
            plane=plane,
            settings={
                **self.settings(plane=True),
                'window': self.window(),
                'source_bytes': image_layer.source_bytes(self.image),
            },
            labels=self.map.labels(plane.index),
            base=self.map.base,
            feather=self.map.feather,
            target_bytes=self.main.target.target_bytes(),
        )

    def pause(self) -> None:
        """End all work and threads; new requests start them again."""
        self.live.stop()
        for part in self._parts:
            part.stop()

    def close(self) -> None:
        """End all work and threads, and listen to the viewer no more."""
        if self._closed:
            return
        self._closed = True
        self.pause()
        self.map.close()
        for emitter, callback in self._connections():
            emitter.disconnect(callback)
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._refresh)
        self.viewer.bind_key(TOGGLE_KEY, None)
        self.results.release()
        self._listen(False)
        self.image = None

    def _connect(self) -> None:
        main, show = self.main, self.main.show_layers
        main.image.image_chosen.connect(self._choose_by_name)
        main.image.window_chosen.connect(partial(self._set, '_window'))
        main.model.model_chosen.connect(self._choose_model)
        main.model.device_chosen.connect(partial(self._set, '_device'))
        main.target.target_changed.connect(self.live.changed)
        main.run.live_toggled.connect(partial(self._set, '_live_wanted'))
        show.original_toggled.connect(self.results.set_original_in_front)
        show.side_by_side_toggled.connect(self._side_by_side)
        show.layer_toggled.connect(self.results.set_shown)
        main.closing.connect(self.close)
        self.live.made.connect(self._on_preview)
        self.live.missed.connect(self._on_no_preview)
        for emitter, callback in self._connections():
            emitter.connect(callback)
        for layer in self.viewer.layers:
            layer.events.name.connect(self._refresh)
        self.viewer.bind_key(TOGGLE_KEY, self._toggle, overwrite=True)

    def _connections(self) -> list[tuple[Any, Any]]:
        layers = self.viewer.layers.events
        return [
            (layers.inserted, self._on_inserted),
            (layers.removed, self._refresh),
            (layers.reordered, self._refresh),
            (self.viewer.dims.events.point, self._on_dims),
            (self.viewer.events.theme, self._on_theme),
        ]

    # What happens in the viewer.

    def _on_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._refresh)
        self._refresh()

    def _refresh(self, event: Any = None) -> None:
        """Offer the layers that are there now; leave those that are not."""
        images = list(filter(image_layer.usable, self.viewer.layers))
        if self.image not in images:
            self._choose(images[-1] if images else None)
        name = '' if self.image is None else self.image.name
        self.main.image.set_images([layer.name for layer in images], name)
        self.map.refresh()
        for part in self._parts:
            part.layers_changed()

    def _on_dims(self, event: Any = None) -> None:
        if self.image is not None and image_layer.stack_shape(self.image):
            self._show_plane()
            self.live.changed()

    def _on_theme(self, event: Any = None) -> None:
        self.main.set_theme(self.viewer.theme)

    def _toggle(self, viewer: ViewerModel) -> None:
        self.results.set_original_in_front(not self.results.original_in_front)

    # What users do in the views.

    def _choose_by_name(self, name: str) -> None:
        self._choose(self.viewer.layers[name])

    def _choose(self, image: Image | None) -> None:
        """Compress another image, or none."""
        if image is self.image:
            return
        self.live.reset()
        for part in self._parts:
            part.leave_image()
        self._listen(False)
        self.image = image
        self._listen(True)
        self.results.clear()
        self.main.message.clear()
        self._offer_result('Compress first')
        if image is None:
            self.main.show_empty()
        else:
            self._show_image(image)
            self.main.show_work()
        self.map.set_image(image)
        self.live.changed()

    def _listen(self, on: bool) -> None:
        """Notice when the image's pixels or its display change."""
        if self.image is not None:
            image_layer.listen(self.image, ['data'], self._on_data, on)
            image_layer.listen(
                self.image, ['contrast_limits'], self.live.changed, on
            )

    def _on_data(self, event: Any) -> None:
        """The image has other pixels, perhaps of another size: begin anew."""
        image = self.image
        self._listen(False)
        self.image = None
        self._choose(image)

    def _show_image(self, image: Image) -> None:
        """Let the views say what the image is."""
        main = self.main
        height, width = image_layer.size(image)
        dtype = image_layer.finest(image).dtype
        samples = 3 if image_layer.is_rgb(image) else 1
        main.image.set_description(image_layer.describe(image))
        offered, self._window = choices.windows(image)
        main.image.set_windows(offered, self._window)
        self._show_plane()
        self._show_kind()
        main.target.set_picture(
            height * width,
            height * width * samples * dtype.itemsize,
            image_layer.source_bytes(image),
        )
        main.save.set_default_path(choices.file_for(image))
        large = height * width > LIVE_PIXELS
        main.run.set_live(self._live_wanted and not large)
        for part in self._parts:
            part.enter_image(image)

    def _show_plane(self) -> None:
        index = self.plane().index
        self.main.image.set_plane(
            image_layer.describe_plane(self.image, index)
        )

    def _choose_model(self, name: str) -> None:
        self._set('_model', name)
        self._show_kind()

    def _show_kind(self) -> None:
        """Let the sliders expect what the model does to such pictures."""
        if self.image is not None:
            self.main.set_picture_kind(
                gray=not image_layer.is_rgb(self.image),
                known_model=self._model == 'compact',
            )

    def _set(self, name: str, value: Any) -> None:
        setattr(self, name, value)
        self.live.changed()

    def _side_by_side(self, on: bool) -> None:
        self.results.set_side_by_side(on, self.map.layer)
        self.viewer.reset_view()

    # Previews.

    def _on_preview(self, outcome: Outcome) -> None:
        self._offer_result('')
        self.results.show(self.image, outcome.pictures)
        for part in self._parts:
            part.preview_made(outcome)

    def _offer_result(self, missing: str) -> None:
        """Let what needs a preview be used, or say what is missing."""
        self.main.save.set_unavailable(missing)
        self.main.show_layers.set_unavailable(missing)

    def _on_no_preview(self) -> None:
        for part in self._parts:
            part.preview_missed()

    def _show_layers(self) -> None:
        view = self.main.show_layers
        view.set_original(self.results.original_in_front)
        view.set_side_by_side(self.results.side_by_side)
        for kind in EXTRAS:
            view.set_layer(kind, self.results.shown(kind))
