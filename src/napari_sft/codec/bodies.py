"""The bodies of chunks: dataclasses to bytes and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import numpy as np

from napari_sft.codec.colours import ColourTurn
from napari_sft.codec.errors import FormatError, ImageError, VersionError
from napari_sft.codec.fields import Cursor, text, varint
from napari_sft.codec.header import MAP_SCOPES, Header
from napari_sft.codec.layout import Layout
from napari_sft.codec.records import (
    MAX_SECONDS,
    Calibration,
    Measure,
    Provenance,
    Region,
    Statistics,
)
from napari_sft.codec.windows import Window

VERSION = 1
MODELS = {'song2021': 1, 'compact': 2}  # 0: the name is spelled out
MODEL_NAMES = {code: name for name, code in MODELS.items()}
# The place of a name is its code in the file: append only.
DTYPES = (
    'uint8',
    'uint16',
    'uint32',
    'int8',
    'int16',
    'int32',
    'float16',
    'float32',
    'float64',
)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn whatever is wrong with a body into a FormatError."""
    try:
        yield
    except VersionError:
        raise
    except (FormatError, ImageError) as error:
        raise FormatError(
            f'{what} makes no sense: {error}; get the file again'
        ) from None


def pack_header(header: Header) -> bytes:
    """Return the body of chunk SHDR."""
    code = MODELS.get(header.model, 0)
    layout = header.layout
    stacked = len(layout.stack_axes)
    samples = layout.shape[-1] if layout.rgb else 0
    scope = MAP_SCOPES.index(header.map_scope)
    parts = [
        bytes((VERSION, code)),
        b'' if code else text(header.model, 'model name'),
        header.weights,
        bytes((DTYPES.index(header.dtype), stacked | samples << 3)),
        layout.stack_axes.encode('ascii'),
        varint(header.tile),
        varint(header.halo) if header.tile else b'',
        bytes((scope | len(header.pyramid) << 2,)),
    ]
    for shape in (header.shape, *header.pyramid):
        parts += [varint(size) for size in shape[: stacked + 2]]
    for data in header.maps:
        parts += [varint(len(data)), data]
    return b''.join(parts)


def check_version(body: bytes) -> None:
    """Raise VersionError if the body of SHDR asks for a newer reader."""
    with _reading('the header'):
        version = Cursor(body).u8()
        if version > VERSION:
            raise VersionError(
                f'the file is in version {version} of the .sft format, this '
                f'reader knows {VERSION}; update napari-sft'
            )
        if version < VERSION:
            raise FormatError(f'version {version} does not exist')


def unpack_header(
    body: bytes,
    windows: tuple[Window, ...],
    colours: ColourTurn | None = None,
) -> Header:
    """Return the header in the body of SHDR."""
    with _reading('the header'):
        cursor = Cursor(body)
        cursor.take(1)  # the version, see check_version
        code = cursor.u8()
        model = cursor.text() if code == 0 else MODEL_NAMES.get(code)
        weights = cursor.take(8)
        dtype, pixels = cursor.u8(), cursor.u8()
        if model is None or dtype >= len(DTYPES) or pixels >> 3 not in (0, 3):
            raise _unknown(f'model {code}, type {dtype}, pixels {pixels}')
        stacked, samples = pixels & 7, (3,) if pixels >> 3 else ()
        axes = cursor.take(stacked).decode('latin-1') + 'YX'
        tile = cursor.varint()
        halo = cursor.varint() if tile else 0
        flags = cursor.u8()
        if flags >= 128:
            raise _unknown(f'header flags {flags}')
        shapes = [
            (*(cursor.varint() for _ in range(stacked + 2)), *samples)
            for _ in range((flags >> 2) + 1)
        ]
        scope = MAP_SCOPES[flags & 3]
        count = len(shapes) if scope == 'shared' else 0
        maps = tuple(cursor.take(cursor.varint()) for _ in range(count))
        cursor.finish()
        axes += 'S' * len(samples)
        return Header(
            model=model,
            weights=weights,
            layout=Layout(axes, shapes[0], np.dtype(DTYPES[dtype])),
            windows=windows,
            tile=tile,
            halo=halo,
            pyramid=tuple(shapes[1:]),
            map_scope=scope,
            maps=maps,
            colours=colours,
        )


def _unknown(what: str) -> VersionError:
    return VersionError(
        f'{what}: not all known to version {VERSION} of the .sft format, a '
        'later version is needed; update napari-sft'
    )


def pack_windows(windows: tuple[Window, ...]) -> bytes:
    """Return the body of chunk WNDW."""
    return b''.join(struct.pack('<2d', w.lo, w.hi) for w in windows)


def unpack_windows(body: bytes) -> tuple[Window, ...]:
    """Return the value windows in the body of WNDW."""
    with _reading('the list of value windows'):
        if not body or len(body) % 16:
            raise FormatError(f'{len(body)} bytes')
        return tuple(Window(*pair) for pair in struct.iter_unpack('<2d', body))


def pack_colours(colours: ColourTurn) -> bytes:
    """Return the body of chunk COLR."""
    return struct.pack('<3h3B', *colours.rotation, *colours.pivot)


def unpack_colours(body: bytes) -> ColourTurn:
    """Return how colours are turned, in the body of COLR."""
    with _reading('the turn of colours'):
        if len(body) != 9:
            raise FormatError(f'{len(body)} bytes')
        x, y, z, r, g, b = struct.unpack('<3h3B', body)
        return ColourTurn((x, y, z), (r, g, b))


def pack_calibration(calibration: Calibration) -> bytes:
    """Return the body of chunk cALb."""
    c = calibration
    fields = (*c.per_axis, c.name)
    flags = sum(1 << bit for bit, field in enumerate(fields) if field)
    numbers = (*c.scale, *c.translate)
    parts = [
        bytes((c.ndim, flags)),
        struct.pack(f'<{len(numbers)}d', *numbers),
    ]
    parts += [
        text(word, 'a unit or axis label') for word in c.units + c.labels
    ]
    parts += [text(c.name, 'the name')] if c.name else []
    return b''.join(parts)


def unpack_calibration(body: bytes, ndim: int) -> Calibration:
    """Return the calibration in the body of cALb; `ndim` axes are allowed."""
    with _reading('the calibration'):
        cursor = Cursor(body)
        count, flags = cursor.u8(), cursor.u8()
        if count not in (0, ndim):
            raise FormatError(f'{count} axes where the image has {ndim}')

        def words(bit: int) -> tuple[str, ...]:
            present = count if flags >> bit & 1 else 0
            return tuple(cursor.text() for _ in range(present))

        return Calibration(
            scale=cursor.floats('d', count if flags & 1 else 0),
            translate=cursor.floats('d', count if flags & 2 else 0),
            units=words(2),
            labels=words(3),
            name=cursor.text() if flags & 16 else '',
        )


def pack_provenance(provenance: Provenance) -> bytes:
    """Return the body of chunk pROv."""
    date = provenance.date
    return b''.join(
        (
            varint(len(provenance.software)),
            *(text(word, 'a software name') for word in provenance.software),
            text(provenance.source, "the source's name"),
            varint(int(date.timestamp()) + 1 if date else 0),
        )
    )


def unpack_provenance(body: bytes) -> Provenance:
    """Return the provenance in the body of pROv."""
    with _reading('the provenance'):
        cursor = Cursor(body)
        count = cursor.varint()
        if count > 64:
            raise FormatError(f'{count} software names')
        software = tuple(cursor.text() for _ in range(count))
        source = cursor.text()
        seconds = cursor.varint() - 1
        if seconds > MAX_SECONDS:
            raise FormatError(f'a date {seconds} seconds after 1970')
        date = (
            datetime.fromtimestamp(seconds, timezone.utc)
            if seconds >= 0
            else None
        )
        return Provenance(software, source, date)


def _pack_measure(measure: Measure) -> bytes:
    ms_ssim = math.nan if measure.ms_ssim is None else measure.ms_ssim
    return struct.pack('<3f', measure.mse, measure.largest_error, ms_ssim)


def _unpack_measure(cursor: Cursor) -> tuple[float, float, float | None]:
    mse, largest_error, ms_ssim = cursor.floats('f', 3)
    return mse, largest_error, None if math.isnan(ms_ssim) else ms_ssim


def pack_statistics(statistics: Statistics) -> bytes:
    """Return the body of chunk sTAT."""
    parts = [_pack_measure(statistics), varint(len(statistics.regions))]
    for region in statistics.regions:
        lo, hi = (round(100 * quality) for quality in region.quality)
        parts += [
            struct.pack('<2H', lo, hi),
            varint(region.pixels),
            _pack_measure(region),
        ]
    return b''.join(parts)


def unpack_statistics(body: bytes) -> Statistics:
    """Return the statistics in the body of sTAT."""
    with _reading('the statistics'):
        cursor = Cursor(body)
        mse, largest_error, ms_ssim = _unpack_measure(cursor)
        count = cursor.varint()
        if count > 64:
            raise FormatError(f'{count} regions')
        regions = []
        for _ in range(count):
            lo, hi = struct.unpack('<2H', cursor.take(4))
            pixels = cursor.varint()
            one = _unpack_measure(cursor)
            regions.append(
                Region(
                    quality=(lo / 100, hi / 100),
                    pixels=pixels,
                    mse=one[0],
                    largest_error=one[1],
                    ms_ssim=one[2],
                )
            )
        return Statistics(
            mse=mse,
            largest_error=largest_error,
            ms_ssim=ms_ssim,
            regions=tuple(regions),
        )
