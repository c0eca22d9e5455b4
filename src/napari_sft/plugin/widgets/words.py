"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable

from napari_sft.codec.quality import lambda_of
from napari_sft.expected import expected

QualityWords = Callable[[int], str]

# Decimal units, as file managers and `ls --si` count them.
_UNITS = ('bytes', 'kB', 'MB', 'GB', 'TB')


def size_words(count: float) -> str:
    """Bytes with a unit: '640 bytes', '23.4 kB', '1.20 GB'."""
    unit = 0
    value = float(count)
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    if unit == 0:
        return f'{value:.0f} {"byte" if value == 1 else "bytes"}'
    return f'{_three(value)} {_UNITS[unit]}'


def times_words(ratio: float) -> str:
    """How many times smaller: '33.6'; one digit is left out above 100."""
    return f'{ratio:,.0f}' if ratio >= 99.95 else _three(ratio)


def decibel_words(psnr: float | None) -> str:
    """PSNR in dB; None is a picture without any error."""
    return 'exact' if psnr is None else f'{psnr:.1f} dB'


def share_words(share: float) -> str:
    """A share in per cent, never 0 % of something nor 100 % of a part."""
    if 0 < share < 0.01:
        return 'under 1 %'
    if 0.99 < share < 1:
        return 'over 99 %'
    return f'{100 * share:.0f} %'


def error_words(error: float | None) -> str:
    """The largest error as a share of the range of values, 0..1."""
    return '–' if error is None else f'{100 * error:.1f} %'


def quality_range_words(low: float, high: float) -> str:
    """The qualities of a region: '85', or '60–70'."""
    low_text, high_text = f'{low:.0f}', f'{high:.0f}'
    return low_text if low_text == high_text else f'{low_text}–{high_text}'


def expected_words(quality: int, *, gray: bool = False) -> str:
    """What a quality gives on most photographs, in one line."""
    found = expected(quality, gray=gray)
    bits = _span(*(f'{value:.2f}' for value in found.bpp), ' to ')
    decibels = _span(*(f'{value:.0f}' for value in found.psnr), '–')
    weight = f'{float(lambda_of(quality)):.2g}'
    text = f'About {bits} bits a pixel, {decibels}~dB (λ~{weight})'
    return text.replace('~', '\N{NO-BREAK SPACE}')


def expected_tooltip(quality: int) -> str:
    """What stands behind `expected_words`, lambda included."""
    return (
        f'Half of the photographs measured at quality {quality} lie within '
        'these figures. Fewer bits make a smaller file; more dB (PSNR) are '
        'closer to the original: 30 shows, 40 hardly does.\n'
        'λ (lambda) is the weight of an error against the bits that would '
        f'avoid it: {float(lambda_of(quality)):.4f} here, 0.001 at quality 0, '
        '0.08 at quality 100.'
    )


def _three(value: float) -> str:
    """Three significant digits without an exponent."""
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f'{value:.{digits}f}'


def _span(low: str, high: str, between: str) -> str:
    return low if low == high else f'{low}{between}{high}'
