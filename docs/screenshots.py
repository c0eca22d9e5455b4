"""Take the README's pictures of the widget at work.

    xvfb-run -a -s "-screen 0 1400x1200x24" python docs/screenshots.py [FOLDER]

Opens the sample photograph in a real napari window, paints, compresses, and
writes small PNGs into FOLDER (default: docs/screenshots).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

# The user's own settings shall neither show nor change.
os.environ['NAPARI_CONFIG'] = os.path.join(tempfile.mkdtemp(), 'napari.yaml')

import napari
import numpy as np
from napari.layers import Labels
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_sft.plugin.map_layer import ramp_colours

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sft.plugin._widget import SftWidget

FOLDER = Path(__file__).parent / 'screenshots'
WINDOW = (1280, 900)
DOCK = 350
# Colours of a PNG's palette besides the sliders' ramp.
FOR_DOCK, FOR_CANVAS = 56, 149
PATIENCE = 180  # seconds for the slowest machine
ZOOM = 3.0  # from where both pictures fit in whole
SETTLED = 1.0  # seconds after which napari has drawn
# A stroke around the rocket of the sample, in shares of height and width.
STROKE = ((0.12, 0.80), (0.62, 0.80))


def main(folder: Path) -> None:
    """Write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer()
    window = viewer.window._qt_window
    window.resize(*WINDOW)
    dock, widget = viewer.window.add_plugin_dock_widget('napari-sft')
    window.resizeDocks([dock], [DOCK], _horizontal())
    settle()

    def window_picture(name: str) -> None:
        settle()
        write(viewer.screenshot(canvas_only=False, flash=False), folder, name)

    def dock_picture(name: str, height: int) -> None:
        """High enough for what else would have to be scrolled to."""
        window.resize(WINDOW[0], height)
        settle()
        write(grabbed(widget), folder, name)
        window.resize(*WINDOW)
        settle()

    settle()
    dock_picture('start', 520)
    widget.empty.samples['photograph'].click()
    wait(lambda: previewed(widget))
    paint(viewer, widget)
    window_picture('painted')

    widget.results.compare.click()
    wait(lambda: not widget.results.others['psnr'].isHidden())
    for name in ('paint', 'make'):
        widget.open_section(name, False)
    dock_picture('result', 1060)

    viewer.theme = 'light'
    viewer.layers.selection.clear()
    the_map(viewer).visible = False
    widget.open_section('results', False)
    widget.open_section('curve')
    widget.curve.draw.click()
    wait(lambda: widget.curve.draw.isVisible())
    widget.show_layers.side_by_side.click()
    look_at_the_best(viewer)
    window_picture('side_by_side')
    viewer.close()


def paint(viewer: napari.Viewer, widget: SftWidget) -> None:
    """Draw a stroke with the brush, as the mouse would."""
    layer = the_map(viewer)
    viewer.layers.selection = {layer}
    widget.brush.tools['paint'].click()
    widget.brush.diameter.number.setValue(70)
    widget.brush.brush.number.setValue(70)
    start, end = (np.array(point) * layer.data.shape for point in STROKE)
    for share in np.linspace(0, 1, 40):
        layer.paint(start + share * (end - start), layer.selected_label)
    wait(lambda: previewed(widget))


def look_at_the_best(viewer: napari.Viewer) -> None:
    """Zoom to the columns where the quality is highest."""
    settle()
    labels = np.asarray(the_map(viewer).data)
    _, x = np.argwhere(labels == labels.max()).mean(axis=0)
    viewer.scene.camera.center = (labels.shape[0] / 2, x)
    viewer.scene.camera.zoom *= ZOOM


def the_map(viewer: napari.Viewer) -> Labels:
    """The sample's quality map."""
    return next(each for each in viewer.layers if isinstance(each, Labels))


def previewed(widget: SftWidget) -> bool:
    """Whether the preview shows the map as it is."""
    outcome = widget.coordinator.outcome
    request = widget.coordinator.request()
    return outcome is not None and request.same(outcome.request)


def wait(done: Callable[[], bool]) -> None:
    """Let napari work until something is done."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise SystemExit('napari took too long; see what it shows')
        settle(0.05)


def settle(seconds: float = SETTLED) -> None:
    """Let napari draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def grabbed(widget: QWidget) -> np.ndarray:
    """Picture of a widget."""
    image = widget.grab().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    bits = image.constBits().asarray(image.sizeInBytes())
    rows = np.array(bits, np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), -1, 3)


def write(picture: np.ndarray, folder: Path, name: str) -> None:
    """Write a picture, a wide one with a palette that makes it small."""
    path = folder / f'{name}.png'
    image = Image.fromarray(picture[..., :3])
    if image.width > DOCK:
        palette = palette_of(image)
        image = image.quantize(palette=palette, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    print(f'{path}: {path.stat().st_size / 1000:.0f} kB')


def palette_of(image: Image.Image) -> Image.Image:
    """A palette with colours set apart for the ramp and for the dock.

    Photographs would else leave none to them.
    """
    edge = image.width - DOCK
    dock = image.crop((edge, 0, *image.size))
    canvas = image.crop((0, 0, edge, image.height))
    ramp = np.rint(255 * ramp_colours()[::2, :3]).astype(int)
    colours: list[int] = ramp.ravel().tolist()
    for part, count in ((dock, FOR_DOCK), (canvas, FOR_CANVAS)):
        colours += part.quantize(count, kmeans=1).getpalette()[: 3 * count]
    palette = Image.new('P', (1, 1))
    palette.putpalette(colours)
    return palette


def _horizontal() -> object:
    from qtpy.QtCore import Qt

    return Qt.Orientation.Horizontal


if __name__ == '__main__':
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
