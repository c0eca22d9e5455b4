"""What JPEG makes of a picture in a file of the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sft.codec.errors import ImageError
from napari_sft.codec.image import denormalise, normalise
from napari_sft.codec.metrics import ErrorTally, ms_ssim
from napari_sft.codec.records import Statistics
from napari_sft.codec.windows import Window
from napari_sft.other_codecs import OtherCodec, RateCurve, other_codec

if TYPE_CHECKING:
    from napari_sft.preview.previewer import Preview


@dataclass(frozen=True, eq=False)
class Comparison:
    """A picture through another codec, beside a preview of about its size.

    Attributes
    ----------
    codec : str
        The other codec's name.
    quality : int
        Its own, in its own range.
    data : bytes
        The whole file.
    picture : ndarray, (Y, X) or (Y, X, 3)
        Decoded, in the image's dtype and values.
    bpp : float
        Real bits per pixel.
    statistics : Statistics
        As those of an `.sft` file: over all and for each quality of the
        preview's map.
    """

    codec: str
    quality: int
    data: bytes
    picture: NDArray[Any]
    bpp: float
    statistics: Statistics

    def figures(self) -> dict[str, Any]:
        """Plain values, named as `napari_sft.info` names them.

        `regions` holds the PSNR of each region of the preview; None stands
        for no error at all.
        """
        whole = self.statistics
        return {
            'bytes': len(self.data),
            'bpp': self.bpp,
            'psnr': whole.psnr if whole.mse else None,
            'ms_ssim': whole.ms_ssim,
            'largest_error': whole.largest_error,
            'regions': [r.psnr if r.mse else None for r in whole.regions],
        }


def compare(
    original: ArrayLike, preview: Preview, codec: str = 'jpeg'
) -> Comparison:
    """Encode a picture by another codec to about the size of a preview.

    The other codecs know 8 bits: pixels are taken through the value window
    first, and errors counted on 0..1 with all the original's bits.

    Parameters
    ----------
    original : array (Y, X) or (Y, X, 3)
        What the preview is of.
    preview : Preview
        The size to meet, the window, and the map whose regions are measured.
    codec : str
        One of `napari_sft.other_codecs.CODECS`.

    Returns
    -------
    Comparison
        Of the closest size that the codec reaches.

    Raises
    ------
    SftError
        The codec is not available.
    """
    pixels = np.asarray(original)
    if pixels.shape != preview.reconstruction.shape:
        raise ImageError(
            f'an image of shape {pixels.shape} is not what a preview of '
            f'shape {preview.reconstruction.shape} was made of'
        )
    (window,) = (Window(*pair) for pair in preview.info['windows'])
    values = normalise(pixels, window)
    other = other_codec(codec)
    quality, data, decoded = file_of_size(
        other, eight_bits(values), len(preview.data)
    )
    reached = from_eight_bits(decoded)
    tally = ErrorTally()
    tally.add(values, reached, preview.quality)
    return Comparison(
        codec=codec,
        quality=quality,
        data=data,
        picture=denormalise(reached, window, pixels.dtype),
        bpp=8 * len(data) / (pixels.shape[0] * pixels.shape[1]),
        statistics=tally.statistics(ms_ssim(values, reached, 1.0)),
    )


def file_of_size(
    codec: OtherCodec, picture: NDArray[np.uint8], size: int
) -> tuple[int, bytes, NDArray[np.uint8]]:
    """The file of another codec whose size is closest, and its picture.

    Parameters
    ----------
    codec : OtherCodec
        The codec.
    picture : ndarray of uint8, (Y, X) or (Y, X, 3)
    size : int
        In bytes.

    Returns
    -------
    quality, data, decoded
        The codec's quality, the file, and what it decodes to.
    """
    quality = RateCurve(codec, picture).closest(size).quality
    data = codec.encode(picture, quality)
    return quality, data, codec.decode(data)


def eight_bits(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values of 0..1 as other codecs take them: 0..255."""
    return np.rint(values * 255).astype(np.uint8)


def from_eight_bits(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Values of 0..1 again."""
    return picture.astype(np.float32) / np.float32(255)
