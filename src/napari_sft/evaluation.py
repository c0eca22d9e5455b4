"""What the codec costs and gives on a folder of pictures, by real files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_sft
from napari_sft.codec.container import Reader
from napari_sft.codec.effort import DEFAULT_EFFORT
from napari_sft.codec.errors import ImageError
from napari_sft.codec.file_decoder import FileDecoder
from napari_sft.codec.metrics import ms_ssim, psnr
from napari_sft.codec.model import CodecModel
from napari_sft.codec.quality import lambda_of
from napari_sft.codec.tiles import Box
from napari_sft.evaluation_results import (
    Evaluation,
    Figures,
    Level,
    Rival,
    mean_figures,
)
from napari_sft.image_files import find_pictures
from napari_sft.models.registry import load_model
from napari_sft.other_codecs import (
    MeanCurve,
    OtherCodec,
    RateCurve,
    mean_curve,
)
from napari_sft.test1_maps import nonuniform_map

CELL = 16


@dataclass
class Evaluator:
    """Evaluates a model on a folder.

    Parameters
    ----------
    folder : Path
        Pictures, taken in the order of their paths.
    model, device : str
        As for `napari_sft.encode`.
    limit : int, optional
        Take only the first so many.
    gray : bool
        Whether to turn colour pictures to gray.
    rivals : sequence of OtherCodec
        Codecs to compare with.
    effort : int
        As for `napari_sft.encode`.
    shift : float
        What to add to the qualities of Test-1, which stay within 0 to 100.

    Raises
    ------
    ImageError
        The folder has no pictures.
    """

    folder: Path
    model: str = 'compact'
    device: str = 'auto'
    limit: int | None = None
    gray: bool = False
    rivals: Sequence[OtherCodec] = ()
    effort: int = DEFAULT_EFFORT
    shift: float = 0.0
    on_picture: Callable[[str], None] = lambda _: None
    on_level: Callable[[Level], None] = lambda _: None
    on_curve: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ImageError(f'{self.folder} is no folder')
        self.paths = find_pictures(self.folder)[: self.limit]
        if not self.paths:
            raise ImageError(f'{self.folder} has no pictures')
        self._curves: dict[tuple[str, str], RateCurve] = {}

    def run(self, levels: int = 11) -> Evaluation:
        """Encode and decode everything.

        Parameters
        ----------
        levels : int
            Uniform qualities, at least 2, evenly from 0 to 100.
        """
        # The first run of a model takes longer than those after it.
        self._measure(self._read(self.paths[0]), 50.0)
        results = [
            self._level(str(n), 100 * n / (levels - 1)) for n in range(levels)
        ]
        about = {
            'folder': str(self.folder),
            'pictures': len(self.paths),
            'gray': self.gray,
            'effort': self.effort,
            'test1_shift': self.shift,
            'model': self.model,
            'weights': load_model(self.model, self.device).weights_hash.hex(),
            'rivals': {codec.name: codec.settings for codec in self.rivals},
        }
        test1 = self._level('-1', None)
        return Evaluation(results, test1, about, self._mean_curves())

    def _level(self, name: str, quality: float | None) -> Level:
        images: dict[str, Figures] = {}
        rivals: dict[str, dict[str, Rival]] = {
            codec.name: {} for codec in self.rivals
        }
        for index, path in enumerate(self.paths):
            picture = self._read(path)
            wanted: float | np.ndarray
            if quality is None:
                size = (picture.shape[0], picture.shape[1])
                wanted = nonuniform_map(index, len(self.paths), size)
                wanted = np.clip(wanted + self.shift, 0, 100)
            else:
                wanted = quality
            figures = self._measure(picture, wanted)
            images[path.name] = figures
            for codec in self.rivals:
                rivals[codec.name][path.name] = self._rival(
                    codec, path, picture, figures.bpp
                )
            self.on_picture(path.name)
        level = Level(name, quality, mean_figures(images), images, rivals)
        self.on_level(level)
        return level

    def _mean_curves(self) -> dict[str, MeanCurve]:
        curves = {}
        for codec in self.rivals:
            curves[codec.name] = mean_curve(codec, map(self._read, self.paths))
            self.on_curve(codec.name)
        return curves

    def _read(self, path: Path) -> np.ndarray:
        from PIL import Image

        try:
            with Image.open(path) as picture:
                gray = self.gray or picture.mode == 'L'
                return np.asarray(picture.convert('L' if gray else 'RGB'))
        except OSError as error:
            raise ImageError(f"can't read {path}: {error}") from error

    def _measure(
        self, picture: np.ndarray, quality: float | np.ndarray
    ) -> Figures:
        uniform = isinstance(quality, float)
        start = time.perf_counter()
        data = napari_sft.encode(
            picture,
            quality=quality if uniform else 0,
            quality_map=None if uniform else quality,
            model=self.model,
            device=self.device,
            effort=self.effort,
            rgb=picture.ndim == 3,
            statistics=False,
            provenance=False,
        )
        encoded = time.perf_counter()
        model = load_model(self.model, self.device)
        decoded = decode_with(model, data)
        pixels = picture.shape[0] * picture.shape[1]
        squares = (picture / 255.0 - decoded.picture / 255.0) ** 2
        squares = squares.reshape(*picture.shape[:2], -1).mean(2)
        distortion = 255**2 * float((lambda_of(quality) * squares).mean())
        return Figures(
            bpp=8 * len(data) / pixels,
            estimated_bpp=decoded.ideal_bits / pixels,
            psnr=psnr(picture, decoded.picture, 255),
            ms_ssim=ms_ssim(picture, decoded.picture, 255),
            loss=8 * len(data) / pixels + distortion,
            encode_seconds=encoded - start,
            decode_seconds=decoded.seconds,
        )

    def _rival(
        self, codec: OtherCodec, path: Path, picture: np.ndarray, bpp: float
    ) -> Rival:
        key = codec.name, path.name
        if key not in self._curves:
            self._curves[key] = RateCurve(codec, picture)
        size = bpp * picture.shape[0] * picture.shape[1] / 8
        value, reached = self._curves[key].psnr_at(size)
        return {'psnr': value, 'reached': reached}


@dataclass(frozen=True)
class DecodedFile:
    """A decoded file of one plane.

    Attributes
    ----------
    picture : ndarray
        In the file's dtype.
    seconds : float
        Time that decoding took.
    ideal_bits : float
        Ideal code length of the symbols.
    """

    picture: np.ndarray
    seconds: float
    ideal_bits: float


def decode_with(model: CodecModel, data: bytes) -> DecodedFile:
    """Decode a file of one plane by a model, installed or not."""
    start = time.perf_counter()
    with Reader(data) as reader:
        decoder = FileDecoder(reader, lambda: model)
        layout = decoder.layout(0)
        picture = np.empty(layout.plane_shape, layout.dtype)
        whole = Box(0, picture.shape[0], 0, picture.shape[1])
        for box in decoder.boxes(0, whole):
            picture[box.inside(whole)] = decoder.pixels(0, 0, box)
        seconds = time.perf_counter() - start
        return DecodedFile(picture, seconds, decoder.symbol_bits(0, 0))
