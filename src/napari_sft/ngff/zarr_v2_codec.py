"""The codec for arrays of Zarr format 2, as `compressor=`: of numcodecs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes

from napari_sft.codec.errors import ImageError
from napari_sft.ngff.chunks import ChunkCoder

NAME = 'napari_sft'


class SftCodec(Codec):
    """Chunks as `.sft` files.

    Takes the parameters of `napari_sft.ngff.chunks.ChunkCoder`. numcodecs
    finds it by the id `napari_sft`.

    Examples
    --------
    >>> import zarr
    >>> from napari_sft.ngff.zarr_v2_codec import SftCodec
    >>> array = zarr.create_array(
    ...     'stack.zarr', data=stack, chunks=(1, 512, 512), zarr_format=2,
    ...     compressors=SftCodec(quality=60, windows=(0, 4095)),
    ... )
    """

    codec_id = NAME

    def __init__(self, **settings: Any) -> None:
        self.coder = ChunkCoder(**settings)

    def encode(self, buf: Any) -> bytes:
        """The bytes of a chunk, an array of at least two axes in C order."""
        chunk = np.asarray(buf)
        if not chunk.flags.c_contiguous:
            raise ImageError('chunks must be in order C; create such an array')
        return self.coder.encode(chunk)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The chunk, in C order; written into `out` if that is given."""
        chunk = np.ascontiguousarray(self.coder.decode(ensure_bytes(buf)))
        if out is None:
            return chunk
        target = np.asarray(out).view(chunk.dtype)
        target.reshape(chunk.shape)[...] = chunk
        return out

    def get_config(self) -> dict[str, Any]:
        """Parameters and id, as JSON has them."""
        return {'id': NAME, **self.coder.config()}

    def __repr__(self) -> str:
        settings = self.coder.config().items()
        return f'SftCodec({", ".join(f"{k}={v!r}" for k, v in settings)})'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SftCodec) and self.coder == other.coder

    def __hash__(self) -> int:
        return hash(self.coder)
