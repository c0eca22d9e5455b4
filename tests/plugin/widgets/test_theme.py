"""Colours come from napari's themes."""

from __future__ import annotations

import re

import pytest

from napari_sft.plugin.widgets.theme import colours_of, qcolor, style_sheet


@pytest.mark.parametrize('theme', ['dark', 'light', 'system'])
def test_text_can_be_read_upon_the_background(theme):
    colours = colours_of(theme)
    ground = qcolor(colours.background).lightness()
    for colour in (colours.text, colours.dim):
        assert abs(qcolor(colour).lightness() - ground) > 90


@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_the_style_sheet_holds_the_theme_and_balanced_rules(theme):
    colours = colours_of(theme)
    sheet = style_sheet(colours)
    assert colours.current in sheet
    assert sheet.count('{') == sheet.count('}')
    assert not re.search('colours|None', sheet)


def test_dark_and_light_themes_differ():
    assert colours_of('dark').dark
    assert not colours_of('light').dark
