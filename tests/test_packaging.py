"""Wheel and source distribution hold both packages and their data."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_sft

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist of the checkout and a wheel made from it."""
    pytest.importorskip('setuptools', minversion='77')
    pytest.importorskip('build')
    folder = tmp_path_factory.mktemp('dist')
    result = subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', '-o', folder, ROOT],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def source_files() -> set[str]:
    """Modules and data of the checkout, by their names when installed."""
    names = set()
    for folder, package in (
        ('src/napari_sft', 'napari_sft'),
        ('training', 'napari_sft_training'),
    ):
        for path in (ROOT / folder).rglob('*'):
            inside = path.relative_to(ROOT / folder).as_posix()
            data = inside.startswith(('models/weights/', 'configs/'))
            wanted = path.suffix in ('.json', '.py', '.typed') or data
            if wanted and path.is_file() and '__pycache__' not in inside:
                names.add(f'{package}/{inside}')
    return names | {'napari_sft/napari.yaml'}


def test_wheel_holds_every_module_and_data_file_and_nothing_else(built):
    (wheel,) = built.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        names = {
            name
            for name in archive.namelist()
            if '.dist-info/' not in name and not name.endswith('/')
        }
    assert names == source_files()


def test_sdist_holds_the_sources_the_tests_and_the_manifest_at_the_top(built):
    (sdist,) = built.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    assert {
        'LICENSE',
        'tox.ini',
        'napari.yaml',
        'src/napari_sft/napari.yaml',
        'training/__init__.py',
        'tests/conftest.py',
        'tests/run.sh',
    } <= names


def test_manifest_is_found_from_the_installed_distribution():
    manifest = PluginManifest.from_distribution('napari-sft')
    assert manifest.name == 'napari-sft'
    assert manifest.package_version == napari_sft.__version__


def test_manifest_at_the_top_is_the_one_in_the_package():
    top = PluginManifest.from_file(ROOT / 'napari.yaml')
    inside = PluginManifest.from_file(ROOT / 'src/napari_sft/napari.yaml')
    assert top.contributions == inside.contributions


def test_every_command_of_the_manifest_resolves():
    manifest = PluginManifest.from_distribution('napari-sft')
    manifest.validate_imports()


def test_manifest_reads_and_writes_sft():
    contributions = PluginManifest.from_distribution(
        'napari-sft'
    ).contributions
    (reader,) = contributions.readers
    assert reader.filename_patterns == ['*.sft']
    assert not reader.accepts_directories
    (writer,) = contributions.writers
    assert writer.layer_types == ['image{1}', 'labels?']
    assert writer.filename_extensions == ['.sft']


def test_scripts_point_at_functions():
    scripts = [
        entry
        for entry in metadata.distribution('napari-sft').entry_points
        if entry.group == 'console_scripts'
    ]
    assert 'napari-sft' in {entry.name for entry in scripts}
    for entry in scripts:
        assert callable(entry.load())


def test_version_of_package_and_distribution_agree():
    assert metadata.version('napari-sft') == napari_sft.__version__


def test_core_needs_neither_napari_nor_qt():
    core = [
        line.lower()
        for line in metadata.requires('napari-sft')
        if 'extra ==' not in line
    ]
    for package in ('napari', 'pyqt', 'pyside', 'qtpy', 'magicgui', 'superqt'):
        assert not any(line.startswith(package) for line in core)
