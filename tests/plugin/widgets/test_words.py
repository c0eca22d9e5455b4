"""Numbers as people read them."""

from __future__ import annotations

import pytest

from napari_sft.plugin.widgets import words


@pytest.mark.parametrize(
    ('size', 'text'),
    [
        (1, '1 byte'),
        (640, '640 bytes'),
        (999, '999 bytes'),
        (1000, '1.00 kB'),
        (23412, '23.4 kB'),
        (999_499, '999 kB'),
        (999_500, '1.00 MB'),
        (1_200_000_000, '1.20 GB'),
        (5e15, '5000 TB'),
    ],
)
def test_sizes_have_three_digits_and_a_unit(size, text):
    assert words.size_words(size) == text


@pytest.mark.parametrize(
    ('ratio', 'text'), [(1.5, '1.50'), (33.61, '33.6'), (1234.5, '1,234')]
)
def test_ratios_have_three_digits(ratio, text):
    assert words.times_words(ratio) == text


@pytest.mark.parametrize(
    ('share', 'text'),
    [
        (0, '0 %'),
        (0.0001, 'under 1 %'),
        (0.14, '14 %'),
        (0.9999, 'over 99 %'),
        (1, '100 %'),
    ],
)
def test_a_small_share_is_not_called_none_nor_a_large_one_all(share, text):
    assert words.share_words(share) == text


def test_no_error_at_all_is_called_exact():
    assert words.decibel_words(None) == 'exact'
    assert words.decibel_words(33.61) == '33.6 dB'


def test_a_region_of_one_quality_has_one_number():
    assert words.quality_range_words(84.8, 85.2) == '85'
    assert words.quality_range_words(60, 70) == '60–70'


@pytest.mark.parametrize('quality', [0, 12, 100])
def test_expectations_name_bits_decibels_and_lambda(quality):
    text = words.expected_words(quality)
    assert 'bits a pixel' in text
    assert 'dB' in text
    assert 'λ' in text


def test_the_tooltip_explains_lambda():
    assert 'lambda' in words.expected_tooltip(0)
    assert '0.0010 here' in words.expected_tooltip(0)
