"""A photograph with a painted map: encoded, decoded, beside a JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_sft
from napari_sft.codec.errors import SftError
from napari_sft.codec.metrics import psnr
from napari_sft.codec.quality import feather, from_shapes, to_gray
from napari_sft.demo_picture import Panel, compose, map_over
from napari_sft.image_files import write_picture
from napari_sft.other_codecs import CODECS
from napari_sft.preview.comparison import file_of_size

NAMES = (
    'original.png',
    'map.png',
    'demo.sft',
    'reconstruction.png',
    'comparison.png',
)
BACKGROUND = 12
FEATHER = 24  # pixels
# (centre y, centre x, radius y, radius x), quality
ELLIPSES = (
    ((112, 222, 98, 86), 85),  # head
    ((385, 171, 44, 44), 70),  # mission patch
    ((358, 303, 24, 32), 70),  # name tag
)
# (top, left, height, width)
FACE = (62, 146, 120, 150)
ROCKET = (150, 340, 120, 150)


@dataclass(frozen=True)
class DemoResult:
    """What the demo wrote, and its numbers.

    Attributes
    ----------
    files : tuple of Path
        The files written.
    size, jpeg_size : int
        Bytes of the .sft file and of the JPEG beside it.
    bpp : float
        Real bits per pixel of the .sft file.
    psnr, jpeg_psnr : dict of str to float
        In dB over the 'picture' picture, the 'face' and the 'rocket'.
    """

    files: tuple[Path, ...]
    size: int
    bpp: float
    psnr: dict[str, float]
    jpeg_size: int
    jpeg_psnr: dict[str, float]

    def lines(self) -> list[str]:
        """The numbers as text."""
        sizes = (
            f'demo.sft: {self.size} bytes, {self.bpp:.4f} bpp; '
            f'JPEG: {self.jpeg_size} bytes'
        )
        return [sizes] + [
            f'PSNR of the {place}: {value:.2f} dB; '
            f'JPEG: {self.jpeg_psnr[place]:.2f} dB'
            for place, value in self.psnr.items()
        ]


def painted_map(shape: tuple[int, int]) -> np.ndarray:
    """The demo's quality map: ellipses over what matters, soft edges."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    shapes = []
    for (y, x, radius_y, radius_x), quality in reversed(ELLIPSES):
        corners = np.stack(
            [y + radius_y * np.sin(angles), x + radius_x * np.cos(angles)], 1
        )
        shapes.append((corners, float(quality)))
    return feather(from_shapes(shape, shapes, BACKGROUND), FEATHER)


def run_demo(
    folder: Path,
    *,
    model: str = 'compact',
    device: str = 'auto',
    force: bool = False,
) -> DemoResult:
    """Write the demo's files.

    Parameters
    ----------
    folder : Path
        Where to; made if new.
    model, device : str
        As for `napari_sft.encode`.
    force : bool
        Whether to overwrite files.

    Raises
    ------
    SftError
        A file exists, or the model is missing.
    """
    import skimage.data

    files = tuple(folder / name for name in NAMES)
    for path in files:
        if path.exists() and not force:
            raise SftError(f'{path} exists; give --force to overwrite it')
    folder.mkdir(parents=True, exist_ok=True)
    original = skimage.data.astronaut()
    quality = painted_map(original.shape[:2])
    napari_sft.imwrite(
        files[2],
        original,
        quality_map=quality,
        model=model,
        device=device,
        name='astronaut',
        source='skimage.data.astronaut',
    )
    about = napari_sft.info(files[2])
    decoded = napari_sft.imread(files[2], device=device)
    _, data, jpeg = file_of_size(CODECS['jpeg'], original, about['bytes'])
    result = DemoResult(
        files,
        about['bytes'],
        about['bpp'],
        _psnr_by_place(original, decoded),
        len(data),
        _psnr_by_place(original, jpeg),
    )
    write_picture(files[0], original, 'YXS')
    write_picture(files[1], to_gray(quality), 'YX')
    write_picture(files[3], decoded, 'YXS')
    comparison = compose(_panels(result, original, quality, decoded, jpeg))
    write_picture(files[4], comparison, 'YXS')
    return result


def _psnr_by_place(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    places = {
        'picture': (0, 0, *a.shape[:2]),
        'face': FACE,
        'rocket': ROCKET,
    }
    return {
        place: psnr(_crop(a, *box), _crop(b, *box), 255)
        for place, box in places.items()
    }


def _crop(
    image: np.ndarray, top: int, left: int, height: int, width: int
) -> np.ndarray:
    return image[top : top + height, left : left + width]


def _panels(
    result: DemoResult,
    original: np.ndarray,
    quality: np.ndarray,
    decoded: np.ndarray,
    jpeg: np.ndarray,
) -> list[Panel]:
    pixels = original.shape[0] * original.shape[1]
    alike = result.jpeg_size < 1.1 * result.size

    def panel(
        title: str, figures: str, image: np.ndarray, captions: list[str]
    ) -> Panel:
        crops = [_crop(image, *FACE), _crop(image, *ROCKET)]
        return Panel(title, figures, image, crops, captions)

    def captions(values: dict[str, float]) -> list[str]:
        return [
            f'Face: {values["face"]:.1f} dB',
            f'Rocket: {values["rocket"]:.1f} dB',
        ]

    def figures(size: int, value: float) -> str:
        bpp = 8 * size / pixels
        return f'{size / 1000:.1f} kB, {bpp:.2f} bpp, PSNR {value:.1f} dB'

    mean = [
        f'Quality {_crop(quality, *box).mean():.0f} on average'
        for box in (FACE, ROCKET)
    ]
    return [
        panel(
            'Original',
            f'{original.nbytes / 1000:.0f} kB of pixels, 24 bpp',
            original,
            ['Face', 'Rocket'],
        ),
        panel('Painted quality map', '', map_over(original, quality), mean),
        panel(
            'napari-sft with this map',
            figures(result.size, result.psnr['picture']),
            decoded,
            captions(result.psnr),
        ),
        panel(
            'JPEG of the same size' if alike else 'JPEG, its smallest file',
            figures(result.jpeg_size, result.jpeg_psnr['picture']),
            jpeg,
            captions(result.jpeg_psnr),
        ),
    ]
