"""What an `.sft` file says about itself, as plain values."""

from __future__ import annotations

from typing import Any

from napari_sft.codec.container import Measure, Reader
from napari_sft.codec.windows import mapping_error


def describe(reader: Reader, bpp: float) -> dict[str, Any]:
    """Describe an open file.

    Parameters
    ----------
    reader : Reader
        The open file.
    bpp : float
        Its real bits per pixel.

    Returns
    -------
    dict
        Numbers, texts, lists and dicts that JSON can hold. Statistics are in
        parts of the value window; `mapping_error` is what taking values
        through the window and back can cost on top, in values of the image;
        `colours_turned` tells by how many degrees, before coding.
    """
    header = reader.header
    height, width = header.size()
    samples = 3 if header.layout.rgb else 1
    raw = (
        height
        * width
        * samples
        * header.planes()
        * header.layout.dtype.itemsize
    )
    result: dict[str, Any] = {
        'shape': list(header.shape),
        'axes': header.axes,
        'dtype': header.dtype,
        'bytes': reader.nbytes,
        'bpp': bpp,
        'ratio': raw / reader.nbytes,
        'model': header.model,
        'weights': header.weights.hex(),
        'windows': [[w.lo, w.hi] for w in header.windows],
        'mapping_error': max(
            mapping_error(w, header.dtype) for w in header.windows
        ),
        'colours_turned': header.colours.angle if header.colours else 0.0,
        'map': header.map_scope,
        'tile': header.tile,
        'levels': [list(shape) for shape in (header.shape, *header.pyramid)],
    }
    if reader.statistics is not None:
        statistics = reader.statistics
        result['statistics'] = _measure(statistics) | {
            'regions': [
                {
                    'quality': list(region.quality),
                    'pixels': region.pixels,
                    **_measure(region),
                }
                for region in statistics.regions
            ]
        }
    if reader.calibration is not None:
        calibration = reader.calibration
        result['calibration'] = {
            'name': calibration.name,
            'scale': list(calibration.scale),
            'translate': list(calibration.translate),
            'units': list(calibration.units),
            'labels': list(calibration.labels),
        }
    if reader.provenance is not None:
        provenance = reader.provenance
        date = provenance.date
        result['provenance'] = {
            'software': list(provenance.software),
            'source': provenance.source,
            'date': date.isoformat() if date else None,
        }
    return result


def _measure(measure: Measure) -> dict[str, Any]:
    psnr = measure.psnr if measure.mse else None  # JSON has no infinity
    result = {'psnr': psnr, 'largest_error': measure.largest_error}
    if measure.ms_ssim is not None:
        result['ms_ssim'] = measure.ms_ssim
    return result
