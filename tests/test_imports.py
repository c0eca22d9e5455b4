"""Importing stays cheap, and imports point downwards only."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import napari_sft
import napari_sft_training

# A module may import from its own layer and from those below it.
LAYERS = {
    'napari_sft.codec': 0,
    'napari_sft.models': 1,
    'napari_sft.api': 2,
    'napari_sft.expected': 2,
    'napari_sft.file_info': 2,
    'napari_sft.image_files': 2,
    'napari_sft.picture': 2,
    'napari_sft.console': 2,
    'napari_sft.other_codecs': 2,
    'napari_sft.sft_image': 2,
    'napari_sft.sft_level': 2,
    'napari_sft.test1_maps': 2,
    'napari_sft.regions': 2,
    'napari_sft.tiff_calibration': 2,
    'napari_sft.tiff_files': 2,
    'napari_sft.verification': 2,
    'napari_sft.ngff': 2,
    'napari_sft.cores': 2,
    'napari_sft.dask_cluster': 3,
    'napari_sft.encoding_tasks': 3,
    'napari_sft.parallel_encoding': 3,
    'napari_sft.demo': 3,
    'napari_sft.demo_picture': 3,
    'napari_sft.evaluation': 3,
    'napari_sft.evaluation_results': 3,
    'napari_sft.preview': 3,
    'napari_sft.tasks': 3,
    'napari_sft.cli': 4,
    'napari_sft.plugin': 4,
    'napari_sft_training': 4,
}
GUI = {'napari', 'qtpy', 'magicgui', 'superqt', 'vispy', 'PyQt6', 'PySide6'}
HEAVY = {'torch', 'compressai', 'numpy', 'scipy', 'skimage', 'PIL', *GUI}


def modules() -> dict[str, Path]:
    """Every module of both packages by its dotted name."""
    found = {}
    for package in (napari_sft, napari_sft_training):
        root = Path(package.__file__).parent
        for path in root.rglob('*.py'):
            parts = path.relative_to(root).with_suffix('').parts
            if parts[-1] == '__init__':
                parts = parts[:-1]
            found['.'.join((package.__name__, *parts))] = path
    return found


def imported(module: str, path: Path, *, at_import: bool) -> set[str]:
    """Dotted names that a module imports, those for type checkers aside.

    With `at_import`, only the statements that run when it is imported.
    """
    names: set[str] = set()
    base = module.split('.')
    if path.name != '__init__.py':
        base.pop()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else []
            start = '.'.join([*above, *filter(None, [node.module])])
            names.add(start)
            names.update(f'{start}.{alias.name}' for alias in node.names)
        function = isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        checking = (
            isinstance(node, ast.If)
            and ast.unparse(node.test) == 'TYPE_CHECKING'
        )
        if not checking and not (function and at_import):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(path.read_text(encoding='utf-8')))
    return names


def layer(name: str) -> int | None:
    """The layer that a dotted name belongs to; None outside our packages."""
    for prefix, rank in LAYERS.items():
        if name == prefix or name.startswith(f'{prefix}.'):
            return rank
    return None


MODULES = modules()


def test_every_module_belongs_to_a_layer():
    outside = {name for name in MODULES if layer(name) is None}
    assert outside <= {'napari_sft', 'napari_sft.__main__'}


@pytest.mark.parametrize(
    'name', sorted(n for n in MODULES if layer(n) is not None)
)
def test_imports_point_downwards_only(name):
    rank = layer(name)
    upwards = {
        other
        for other in imported(name, MODULES[name], at_import=False)
        if (layer(other) or 0) > rank
    }
    assert not upwards


def test_cli_plugin_and_training_do_not_import_each_other():
    tops = [name for name, rank in LAYERS.items() if rank == 4]
    for name, path in MODULES.items():
        own = [top for top in tops if name.startswith(top)]
        for other in imported(name, path, at_import=False):
            reached = [top for top in tops if other.startswith(f'{top}.')]
            assert not own or reached in ([], own), (name, other)


def test_imports_make_no_cycle():
    graph = {
        name: imported(name, path, at_import=True) & (MODULES.keys() - {name})
        for name, path in MODULES.items()
    }
    # A package re-exporting its modules is no cycle for them: they are
    # imported by their full names.
    packages = {n for n, p in MODULES.items() if p.name == '__init__.py'}
    graph = {name: others - packages for name, others in graph.items()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    'name', sorted(n for n in MODULES if layer(n) in (0, 1))
)
def test_codec_and_models_know_neither_napari_nor_qt(name):
    names = imported(name, MODULES[name], at_import=False)
    assert not {other.split('.')[0] for other in names} & GUI


def loaded_after(fresh_python, code: str) -> set[str]:
    """Top-level packages loaded in a new interpreter after `code`."""
    report = 'print(*{name.split(".")[0] for name in sys.modules})'
    return set(fresh_python(f'import sys\n{code}\n{report}').split())


def test_importing_the_package_loads_nothing_heavy(fresh_python):
    assert not loaded_after(fresh_python, 'import napari_sft') & HEAVY


def test_errors_load_nothing_heavy(fresh_python):
    code = 'import napari_sft; napari_sft.SftError'
    assert not loaded_after(fresh_python, code) & HEAVY


@pytest.mark.parametrize('module', ['container', 'rans'])
def test_container_and_rans_load_no_torch(fresh_python, module):
    code = f'import napari_sft.codec.{module}'
    loaded = loaded_after(fresh_python, code)
    assert not loaded & {'torch', 'compressai', *GUI}


@pytest.mark.parametrize('module', ['_reader', '_writer', '_sample_data'])
def test_plugin_discovery_loads_no_torch(fresh_python, module):
    code = f'import napari_sft.plugin.{module}'
    loaded = loaded_after(fresh_python, code)
    assert not loaded & {'torch', 'compressai', *GUI}


@pytest.mark.parametrize('name', napari_sft.__all__)
def test_every_public_name_resolves(name):
    assert getattr(napari_sft, name) is not None
    assert name in dir(napari_sft)


def test_unknown_names_are_refused_as_python_does():
    with pytest.raises(AttributeError, match='no attribute .nothing.'):
        napari_sft.nothing  # noqa: B018
