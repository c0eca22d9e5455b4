"""The demo's comparison picture, drawn with pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageDraw

SIDE = 480  # width of a panel in pixels
MARGIN, GAP = 40, 24
TITLE, TEXT = 26, 20  # sizes of the font
LINE = 34  # height of a line
WHITE, BLACK, GRAY = (255, 255, 255), (20, 20, 20), (95, 95, 95)
# viridis at even steps; matplotlib's default colours, in the public domain.
_VIRIDIS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    float,
)


@dataclass(frozen=True)
class Panel:
    """One column: a picture with title and figures, details under it.

    Attributes
    ----------
    title, figures : str
        Two lines above the picture; without figures, the map's legend.
    image : ndarray of uint8 (Y, X, 3)
        The picture.
    crops : list of ndarray of uint8
        Details of it, enlarged.
    captions : list of str
        A line above each detail.
    """

    title: str
    figures: str
    image: np.ndarray
    crops: list[np.ndarray]
    captions: list[str]


def viridis(share: np.ndarray) -> np.ndarray:
    """Colours, uint8 with a last axis of 3, of values in 0..1."""
    at = np.linspace(0, 1, len(_VIRIDIS))
    samples = [np.interp(share, at, column) for column in _VIRIDIS.T]
    return np.rint(np.stack(samples, -1)).astype(np.uint8)


def map_over(
    image: np.ndarray, quality: np.ndarray, opacity: float = 0.65
) -> np.ndarray:
    """A quality map in viridis over a picture in gray."""
    gray = image.mean(-1, keepdims=True)
    mixed = opacity * viridis(quality / 100) + (1 - opacity) * gray
    return np.rint(mixed).astype(np.uint8)


def compose(panels: list[Panel]) -> np.ndarray:
    """Draw panels side by side.

    Returns
    -------
    ndarray of uint8 (Y, X, 3)
    """
    from PIL import Image, ImageDraw

    heights = [_height(panels[0].image)]
    heights += [_height(crop) for crop in panels[0].crops]
    width = 2 * MARGIN + len(panels) * SIDE + (len(panels) - 1) * GAP
    # Two lines above the picture, one above each detail.
    lines = len(heights) + 1
    height = 2 * MARGIN + sum(heights) + lines * LINE
    height += GAP * (len(heights) - 1)
    canvas = Image.new('RGB', (width, height), WHITE)
    draw = ImageDraw.Draw(canvas)
    for number, panel in enumerate(panels):
        left, top = MARGIN + number * (SIDE + GAP), MARGIN
        _text(draw, (left, top), panel.title, TITLE, BLACK)
        top += LINE
        if panel.figures:
            _text(draw, (left, top), panel.figures, TEXT, GRAY)
        else:
            _legend(canvas, draw, (left, top))
        top += LINE
        pictures = [panel.image, *panel.crops]
        captions = [*panel.captions, '']
        for picture, size, caption in zip(
            pictures, heights, captions, strict=True
        ):
            enlarged = Image.fromarray(picture).resize(
                (SIDE, size), Image.Resampling.BICUBIC
            )
            canvas.paste(enlarged, (left, top))
            top += size + GAP
            _text(draw, (left, top), caption, TEXT, GRAY)
            top += LINE
    return np.asarray(canvas)


def _height(picture: np.ndarray) -> int:
    return round(SIDE * picture.shape[0] / picture.shape[1])


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
) -> None:
    from PIL import ImageFont

    # Upwards from the line's lower end, so that lines of both sizes stand
    # evenly above what they describe.
    left, top = at
    font = ImageFont.load_default(size)
    draw.text((left, top + LINE - 12), text, colour, font, anchor='ls')


def _legend(
    canvas: object, draw: ImageDraw.ImageDraw, at: tuple[int, int]
) -> None:
    from PIL import Image

    left, top = at
    _text(draw, at, 'quality 0', TEXT, GRAY)
    start, length, thickness = left + 100, SIDE - 150, 14
    ramp = viridis(np.linspace(0, 1, length))
    bar = Image.fromarray(np.tile(ramp, (thickness, 1, 1)))
    canvas.paste(bar, (start, top + LINE - 12 - thickness))  # type: ignore[attr-defined]
    _text(draw, (start + length + 10, top), '100', TEXT, GRAY)
