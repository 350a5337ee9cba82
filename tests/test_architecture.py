"""The rules of docs/architecture.md that import-linter does not cover."""

import ast
import re
import sys

import pytest

from tests.support import ROOT

PACKAGE = ROOT / 'ssd_plugin'
MODULES = sorted(path for path in PACKAGE.rglob('*.py') if '.mim' not in path.parts)
TOOLS = sorted((ROOT / 'tools').glob('*.py'))
HOST = ('mmengine', 'mmcv', 'mmdet')
# Public methods, whose underscore keeps them apart from the fields.
NAMED_TUPLE_METHODS = ('_asdict', '_replace')


def imported_names(source: str) -> list[str]:
    """Return the dotted names that a module imports, `from a import b` as `a.b`."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [f'{node.module}.{alias.name}' for alias in node.names]
    return names


def first_foreign_import(source: str) -> str | None:
    """Return the package that a module imports first, other than those of the standard library."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                root = name.split('.')[0]
                if root not in sys.stdlib_module_names:
                    return root
    return None


def private_host_names(source: str) -> list[str]:
    """Return the names from MMEngine, MMCV and MMDetection that a module imports and that have a private part."""
    return [
        name
        for name in imported_names(source)
        if name.split('.')[0] in HOST and any(part.startswith('_') for part in name.split('.'))
    ]


def private_attributes(source: str) -> list[str]:
    """Return the private attributes of other objects that a module uses, such as `runner._seed`.

    Types are not known here, so all objects count but those of PyTorch and the standard library: MMEngine's are reached
    through parameters as often as through imports.
    """
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and re.match('_(?!_)', node.attr)
        and node.attr not in NAMED_TUPLE_METHODS
        and ast.unparse(node.value) not in ('self', 'cls', 'super()')
        and ast.unparse(node).split('.')[0] not in ('torch', 'os')
    ]


def test_a_private_attribute_is_found_on_any_object_of_the_host():
    assert private_attributes('runner._seed = Config._get_base_files(self.hook._x())') == [
        'runner._seed',
        'Config._get_base_files',
        'self.hook._x',
    ]
    assert private_attributes('super()._save(self._x, cls._y, f.__name__, _z.a)') == []
    assert private_attributes('pairs._replace(a=torch._foreach_norm(b))') == []


def test_private_attributes_of_other_objects_are_used_by_compat_only():
    others = [path for path in [*MODULES, *TOOLS] if path != PACKAGE / 'compat.py']
    found = {str(path.relative_to(ROOT)): private_attributes(path.read_text()) for path in others}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_private_name_is_found_wherever_it_stands():
    assert private_host_names('from mmengine.runner import _x, Runner') == ['mmengine.runner._x']
    assert private_host_names('def f():\n    import mmcv._ext') == ['mmcv._ext']
    assert private_host_names('from torch import _C\nfrom mmdet.registry import MODELS') == []


def test_private_names_of_the_host_are_imported_by_compat_only():
    others = [path for path in [*MODULES, *TOOLS] if path != PACKAGE / 'compat.py']
    found = {str(path.relative_to(ROOT)): private_host_names(path.read_text()) for path in others}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_module_or_tool_imports_a_tool_or_a_test():
    tools = {path.stem for path in TOOLS}
    for path in [*MODULES, *TOOLS]:
        roots = {name.split('.')[0] for name in imported_names(path.read_text())}
        # `test` and `train` would be tools/test.py and tools/train.py, which are on sys.path of a script beside them.
        assert not roots & (tools | {'tools', 'tests'}), path


@pytest.mark.parametrize('path', TOOLS, ids=lambda path: path.name)
def test_tools_import_the_package_before_any_other_so_that_mmdetection_is_importable(path):
    # It starts the ranks and needs torch alone.
    expected = 'torch' if path.name == 'dist_run.py' else 'ssd_plugin'
    assert first_foreign_import(path.read_text()) == expected
