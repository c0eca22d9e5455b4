"""The codec for arrays of Zarr format 3, as `serializer=`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec

from napari_sft.codec.errors import FormatError, ImageError, SftError
from napari_sft.ngff.chunks import ChunkCoder

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

NAME = 'napari_sft'


@dataclass(frozen=True, init=False)
class SftCodec(ArrayBytesCodec):
    """Chunks as `.sft` files; also the chunks inside shards.

    Takes the parameters of `napari_sft.ngff.chunks.ChunkCoder`. Zarr finds it
    by the name `napari_sft`.

    Examples
    --------
    >>> import zarr
    >>> from napari_sft.ngff.zarr_v3_codec import SftCodec
    >>> array = zarr.create_array(
    ...     'stack.zarr', data=stack, chunks=(1, 512, 512),
    ...     serializer=SftCodec(quality=60, windows=(0, 4095)),
    ...     compressors=None,
    ... )
    """

    is_fixed_size = False
    coder: ChunkCoder = field(default_factory=ChunkCoder)

    def __init__(self, **settings: Any) -> None:
        object.__setattr__(self, 'coder', ChunkCoder(**settings))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SftCodec:
        """The codec that an array's metadata describe."""
        configuration = data.get('configuration') or {}
        try:
            return cls(**configuration)
        except TypeError:
            raise SftError(
                f'the codec {NAME!r} does not know all of '
                f'{sorted(configuration)}; install a newer napari-sft'
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """What an array's metadata say about it."""
        return {'name': NAME, 'configuration': self.coder.config()}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> SftCodec:
        """Fix the axes, so that all chunks are read alike."""
        dtype = array_spec.dtype.to_native_dtype()
        axes = self.coder.axes_of(array_spec.shape, dtype)
        settings = replace(self.coder, axes=axes).config()
        return SftCodec(**settings)

    def validate(self, *, shape: Any, dtype: Any, chunk_grid: Any) -> None:
        """Refuse chunks that cut through a pixel."""
        axes = self.coder.axes_of(shape, dtype.to_native_dtype())
        chunk = chunk_grid.chunk_shape
        if 'S' in axes and chunk[axes.index('S')] != 3:
            raise ImageError(
                f'chunks of {chunk} do not hold all 3 samples of a pixel '
                f'(axes {axes}); give such chunks, or name the axis C'
            )

    def compute_encoded_size(
        self, input_byte_length: int, _chunk_spec: ArraySpec
    ) -> int:
        """Unknown before a chunk is coded."""
        raise NotImplementedError

    async def _encode_single(
        self, chunk_data: NDBuffer, chunk_spec: ArraySpec
    ) -> Buffer:
        chunk = chunk_data.as_numpy_array()
        data = await asyncio.to_thread(self.coder.encode, chunk)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(
        self, chunk_data: Buffer, chunk_spec: ArraySpec
    ) -> NDBuffer:
        chunk = await asyncio.to_thread(
            self.coder.decode, chunk_data.to_bytes(), chunk_spec.shape
        )
        dtype = chunk_spec.dtype.to_native_dtype()
        if chunk.dtype != dtype.newbyteorder('='):
            raise FormatError(
                f'a chunk holds {chunk.dtype}, the array {dtype}'
            )
        buffer = chunk_spec.prototype.nd_buffer
        return buffer.from_numpy_array(np.ascontiguousarray(chunk, dtype))
