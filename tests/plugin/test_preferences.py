"""Preferences come from napari's, and start as the manifest says."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace

import pytest
from npe2 import PluginManifest

from napari_sft.plugin.preferences import DEVICES, Preferences, preferences


def test_manifest_offers_every_preference_with_the_same_default():
    manifest = PluginManifest.from_distribution('napari-sft')
    offered = manifest.contributions.configurations['widget'].properties
    assert {key: p.default for key, p in offered.items()} == asdict(
        Preferences()
    )
    assert tuple(offered['device'].enum) == DEVICES


def test_users_choice_counts(monkeypatch):
    settings = pytest.importorskip('napari.settings')
    chosen = Preferences('cpu', base_quality=1, brush_quality=2, live=False)
    monkeypatch.setattr(
        settings,
        'get_plugin_settings',
        lambda name: SimpleNamespace(widget=SimpleNamespace(**asdict(chosen))),
        raising=False,
    )
    assert preferences() == chosen


def test_defaults_hold_in_a_napari_without_such_settings(monkeypatch):
    settings = pytest.importorskip('napari.settings')
    monkeypatch.delattr(settings, 'get_plugin_settings', raising=False)
    assert preferences() == Preferences()
