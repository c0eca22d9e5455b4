"""JPEG and its successors, to compare with at equal size."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sft.codec.errors import SftError
from napari_sft.codec.metrics import ms_ssim, psnr

Encode = Callable[[np.ndarray, int], bytes]
Decode = Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class OtherCodec:
    """A codec whose files grow with a quality.

    Attributes
    ----------
    name : str
        As users write it.
    settings : str
        How it is run.
    lowest, highest : int
        Range of the quality.
    encode, decode : callable
        8-bit picture and quality to a whole file, and back.
    """

    name: str
    settings: str
    lowest: int
    highest: int
    encode: Encode
    decode: Decode


@dataclass(frozen=True)
class Trial:
    """A picture at one quality: size of the file and PSNR in dB."""

    quality: int
    size: int
    psnr: float


@dataclass
class RateCurve:
    """Sizes and PSNR of one picture through one codec, found as needed.

    Parameters
    ----------
    codec : OtherCodec
        The codec.
    picture : ndarray of uint8 or uint16, (Y, X) or (Y, X, 3)
        What to encode.
    """

    codec: OtherCodec
    picture: np.ndarray
    _trials: dict[int, Trial] = field(default_factory=dict)

    def at(self, quality: int) -> Trial:
        """Encode and decode at a quality; the results are remembered."""
        if quality not in self._trials:
            data = self.codec.encode(self.picture, quality)
            decoded = _like(self.codec.decode(data), self.picture)
            value = psnr(self.picture, decoded, peak(self.picture))
            self._trials[quality] = Trial(quality, len(data), value)
        return self._trials[quality]

    def around(self, size: int) -> tuple[Trial, Trial]:
        """Neighbouring qualities with files not above and above a size.

        At the ends of the range both are the same.
        """
        low, high = self.codec.lowest, self.codec.highest
        if self.at(low).size > size:
            return self.at(low), self.at(low)
        if self.at(high).size <= size:
            return self.at(high), self.at(high)
        while high - low > 1:
            middle = (low + high) // 2
            if self.at(middle).size <= size:
                low = middle
            else:
                high = middle
        return self.at(low), self.at(high)

    def closest(self, size: int) -> Trial:
        """The quality whose file's size is closest."""
        return min(self.around(size), key=lambda t: abs(t.size - size))

    def psnr_at(self, size: float) -> tuple[float, bool]:
        """PSNR at a size, and whether the codec reaches that size.

        Linear in the logarithm of the size between the two neighbouring
        qualities. Out of reach, it is the PSNR at the end of the codec's
        range: of its smallest file, though that is larger, or of its largest.
        """
        below, above = self.around(int(size))
        if above.size <= below.size:
            return below.psnr, abs(below.size - size) < 1
        share = math.log(size / below.size) / math.log(above.size / below.size)
        return below.psnr + share * (above.psnr - below.psnr), True


@dataclass(frozen=True)
class MeanCurve:
    """Means over pictures, a value for each of a codec's qualities.

    Attributes
    ----------
    quality : list of int
        The codec's own, from its lowest to its highest.
    bpp : list of float
        Bits per pixel of whole files.
    psnr : list of float
        In dB, mean of the pictures' own.
    ms_ssim : list of float or None
        None where a picture is too small for it.
    """

    quality: list[int]
    bpp: list[float]
    psnr: list[float]
    ms_ssim: list[float | None]


def mean_curve(
    codec: OtherCodec, pictures: Iterable[np.ndarray], points: int = 16
) -> MeanCurve:
    """Encode and decode pictures at qualities over the codec's whole range.

    Parameters
    ----------
    codec : OtherCodec
        The codec.
    pictures : iterable of ndarray of uint8, (Y, X) or (Y, X, 3)
        At least one.
    points : int
        Number of qualities, at least 2.
    """
    grid = np.linspace(codec.lowest, codec.highest, points)
    quality = sorted({int(q) for q in np.rint(grid)})
    measured = np.array([_measure(codec, p, quality) for p in pictures])
    bpp, values, similar = measured.mean(0).T.tolist()
    return MeanCurve(
        quality, bpp, values, [None if math.isnan(s) else s for s in similar]
    )


def _measure(
    codec: OtherCodec, picture: np.ndarray, quality: Sequence[int]
) -> list[tuple[float, float, float]]:
    """Bpp, PSNR and MS-SSIM, NaN if it has none, at each quality."""
    figures = []
    for step in quality:
        data = codec.encode(picture, step)
        decoded = _like(codec.decode(data), picture)
        similar = ms_ssim(picture, decoded, 255)
        figures.append(
            (
                8 * len(data) / (picture.shape[0] * picture.shape[1]),
                psnr(picture, decoded, 255),
                math.nan if similar is None else similar,
            )
        )
    return figures


def peak(picture: np.ndarray) -> float:
    """The highest value that an integer picture can have."""
    return float(np.iinfo(picture.dtype).max)


def other_codec(name: str) -> OtherCodec:
    """A codec by name.

    Raises
    ------
    SftError
        It is unknown, or this machine lacks it.
    """
    if name not in CODECS:
        raise SftError(
            f'no codec {name!r} to compare with; there are '
            f'{", ".join(sorted(CODECS))}'
        )
    codec = CODECS[name]
    try:
        codec.decode(codec.encode(np.zeros((16, 16, 3), np.uint8), 50))
    # What a missing library raises differs from one to the next.
    except Exception as error:
        raise SftError(
            f'{name} is not available here ({error}); install a pillow that '
            'has it, or imagecodecs'
        ) from error
    return codec


def _pillow(kind: str, **settings: Any) -> Encode:
    def encode(picture: np.ndarray, quality: int) -> bytes:
        from PIL import Image

        buffer = io.BytesIO()
        image = Image.fromarray(picture)
        image.save(buffer, kind, quality=quality, **settings)
        return buffer.getvalue()

    return encode


def _encode_jpeg2000(picture: np.ndarray, quality: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    # Compression from 1000:1 to 1:1, even in its logarithm.
    Image.fromarray(picture).save(
        buffer,
        'JPEG2000',
        no_jp2=True,
        irreversible=True,
        mct=int(picture.ndim == 3),  # colours decorrelated, not by default
        quality_mode='rates',
        quality_layers=[1000 ** (1 - quality / 200)],
    )
    return buffer.getvalue()


def _open(data: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _encode_jpegxl(picture: np.ndarray, quality: int) -> bytes:
    import imagecodecs

    # Butteraugli distance from 25, the largest, to 0.1, even in its
    # logarithm.
    distance = 25 * 250 ** (-quality / 100)
    data = imagecodecs.jpegxl_encode(picture, distance=distance, effort=7)
    return bytes(data)


def _decode_jpegxl(data: bytes) -> np.ndarray:
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data))


def _like(decoded: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Gray again where the codec made colour of it."""
    if decoded.ndim == 3 and picture.ndim == 2:
        from PIL import Image

        return np.asarray(Image.fromarray(decoded).convert('L'))
    return decoded


CODECS = {
    codec.name: codec
    for codec in (
        OtherCodec(
            'jpeg',
            'libjpeg-turbo, 4:2:0, optimised Huffman tables, quality 1..100',
            1,
            100,
            _pillow('JPEG', optimize=True, subsampling='4:2:0'),
            _open,
        ),
        OtherCodec(
            'webp',
            'libwebp, lossy, method 6, quality 0..100',
            0,
            100,
            _pillow('WEBP', method=6),
            _open,
        ),
        OtherCodec(
            'jpeg2000',
            'OpenJPEG, 9/7 wavelet, YCbCr, bare codestream, 201 rates',
            0,
            200,
            _encode_jpeg2000,
            _open,
        ),
        OtherCodec(
            'avif',
            'libavif, 4:2:0, speed 6, quality 0..100',
            0,
            100,
            _pillow('AVIF', speed=6, subsampling='4:2:0'),
            _open,
        ),
        OtherCodec(
            'jpegxl',
            'libjxl, effort 7, 101 distances from 25 to 0.1',
            0,
            100,
            _encode_jpegxl,
            _decode_jpegxl,
        ),
    )
}
