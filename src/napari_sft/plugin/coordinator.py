"""Wires napari's viewer, the views, the previews and the layers together."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_sft.plugin import image_layer
from napari_sft.plugin.image_binding import ImageBinding
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
    picture : ImageBinding
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
        self._closed = False
        self.live = Live(self)
        self.results = ResultLayers(viewer, self._show_layers)
        self.picture = ImageBinding(
            viewer, main, preferences.device, self.live.changed, self._choose
        )
        self.map = MapBinding(
            viewer,
            main,
            preferences.base_quality,
            preferences.brush_quality,
            self.live.changed,
            self.live.look,
        )
        self._parts: list[Part] = [
            part(self)
            for part in (Opening, Saving, Measuring, MapMaking, Many)
        ]
        self._connect()
        main.show_layers.set_key(TOGGLE_KEY)
        main.run.set_live(self._live_wanted)
        self._offer_result('Compress first')
        self._on_theme()
        self._refresh()

    @property
    def image(self) -> Image | None:
        """The image that is compressed."""
        return self.picture.image

    @property
    def outcome(self) -> Outcome | None:
        """The last preview of the image."""
        return self.live.outcome

    def request(self) -> Request | None:
        """What a preview would be asked for now; None if it can't be."""
        if self.image is None or self.map.problem:
            return None
        plane = self.picture.plane()
        return Request(
            plane=plane,
            settings={
                **self.picture.settings(plane=True),
                'window': self.picture.window(),
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
        self.picture.close()

    def _connect(self) -> None:
        main, show = self.main, self.main.show_layers
        main.target.target_changed.connect(self.live.changed)
        main.run.live_toggled.connect(self._on_live)
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
            (self.viewer.layers.selection.events.active, self._on_active),
            (self.viewer.dims.events.point, self._on_dims),
            (self.viewer.events.theme, self._on_theme),
        ]

    # What happens in the viewer.

    def _on_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._refresh)
        self._refresh()

    def _refresh(self, event: Any = None) -> None:
        """Offer the layers that are there now; leave those that are not."""
        self.picture.refresh()
        self.map.refresh()
        for part in self._parts:
            part.layers_changed()

    def _on_active(self, event: Any) -> None:
        """The map that is painted is the one that counts."""
        self.map.prefer(event.value)

    def _on_dims(self, event: Any = None) -> None:
        if self.image is not None and image_layer.stack_shape(self.image):
            self.picture.show_plane()
            self.live.changed()

    def _on_theme(self, event: Any = None) -> None:
        self.main.set_theme(self.viewer.theme)

    def _toggle(self, viewer: ViewerModel) -> None:
        self.results.set_original_in_front(not self.results.original_in_front)

    # What users do in the views.

    def _choose(self, image: Image | None) -> None:
        """Compress another image, or none; or begin anew with the same."""
        self.live.reset()
        for part in self._parts:
            part.leave_image()
        self.results.clear()
        self.main.message.clear()
        self._offer_result('Compress first')
        self.picture.show(image)
        self._set_live()
        self.map.set_image(image)
        if image is not None:
            for part in self._parts:
                part.enter_image(image)
        self.live.changed()

    def _on_live(self, on: bool) -> None:
        self._live_wanted = on
        self.live.changed()

    def _set_live(self) -> None:
        """Let large images wait for the Compress button."""
        pixels = (
            0 if self.image is None else prod(image_layer.size(self.image))
        )
        self.main.run.set_live(self._live_wanted and pixels <= LIVE_PIXELS)

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
