"""MMDetection's own tools with the plugin in place: ``python -m ssd_plugin mmdet TOOL [arguments of the tool]``.

Started by themselves, they import MMDetection before a config can name the plugin (``custom_imports``), which fails
without compiled ops, and do not know ``_base_ = 'ssd_plugin::...'``.
"""

import difflib
import importlib.util
import json
import runpy
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import mmdet

from ssd_plugin.errors import UserError

USAGE = 'usage: python -m ssd_plugin mmdet TOOL [arguments of the tool]'
# Packages without which a tool fails by another error than that of an import.
NEEDS = {'benchmark': 'psutil'}
# Values of a validation that are not metrics.
CLOCKS = ('step', 'time', 'data_time')

# Per epoch, the logged values by name.
LogDict = dict[int, dict[str, list[Any]]]


def tools_folder() -> Path:
    """Return the folder of MMDetection's tools: in a wheel under ``.mim``, in a clone beside the package.

    Raises:
        UserError: The installed MMDetection has no tools.
    """
    package = Path(mmdet.__file__).parent
    for folder in (package / '.mim' / 'tools', package.parent / 'tools'):
        if (folder / 'train.py').is_file():
            return folder
    raise UserError(f'the MMDetection in {package} has no tools; give the path of a tool instead of its name')


def find_tools() -> dict[str, Path]:
    """Return the tools by their path without suffix, such as ``analysis_tools/get_flops``, in alphabetical order."""
    folder = tools_folder()
    return {path.relative_to(folder).with_suffix('').as_posix(): path for path in sorted(folder.rglob('*.py'))}


def find_tool(name: str) -> Path:
    """Return the tool with a name.

    Args:
        name: Path of a Python script, such as a tool of a clone of MMDetection; or the name of one of its tools, with
            or without its folder and its suffix: ``analysis_tools/get_flops.py`` or ``get_flops``.

    Raises:
        UserError: There is no such tool, or it is a shell script.
    """
    if name.endswith('.py') and Path(name).is_file():
        return Path(name)
    tools, wanted = find_tools(), name.removesuffix('.py')
    # Of several tools with the same file name, the one in the upper folder.
    for key in sorted(tools, key=lambda key: key.count('/')):
        if wanted in (key, key.rpartition('/')[2]):
            return tools[key]
    script = wanted.removesuffix('.sh').removesuffix('_train').removesuffix('_test')
    if script in ('dist', 'slurm'):
        raise UserError(
            f"{name} of MMDetection starts Python without the plugin; run 'python -m ssd_plugin dist_train' or another "
            "script of ours, or MMDetection's tool by 'python -m torch.distributed.run --nproc_per_node=GPUS -m "
            "ssd_plugin mmdet train CONFIG --launcher pytorch'"
        )
    files = {key.rpartition('/')[2]: key for key in tools}
    near = [files[match] for match in difflib.get_close_matches(wanted.rpartition('/')[2], files)]
    hint = f'did you mean {" or ".join(near)}? ' if near else ''
    raise UserError(f"MMDetection has no tool {name!r}; {hint}'python -m ssd_plugin mmdet' lists its tools")


def run(arguments: list[str]) -> None:
    """Run the tool that the first argument names with the remaining arguments.

    Raises:
        UserError: There is no such tool, or a package that it needs is not installed.
    """
    if arguments[:1] in ([], ['-h'], ['--help']):
        print(f'{USAGE}\ntools: {", ".join(find_tools())}')
        return
    tool = find_tool(arguments[0])
    needed = NEEDS.get(tool.stem)
    if needed and importlib.util.find_spec(needed) is None:
        raise _missing(tool, needed)
    sys.argv = [str(tool), *arguments[1:]]
    # As Python does for a script, and as MMDetection's scripts do, for tools that import each other.
    sys.path.insert(0, str(tool.resolve().parent))
    sys.path.append(str(tools_folder().parent))
    try:
        if tool.stem == 'analyze_logs' and arguments[1:2] == ['plot_curve']:
            _run_with_validations(tool)
        else:
            runpy.run_path(str(tool), run_name='__main__')
    except ModuleNotFoundError as error:
        if not error.name:
            raise
        raise _missing(tool, error.name.partition('.')[0]) from error


def _missing(tool: Path, package: str) -> UserError:
    return UserError(
        f"MMDetection's {tool.name} needs the package {package}, which is not installed (pip install {package})"
    )


def _run_with_validations(tool: Path) -> None:
    """Run ``analyze_logs.py plot_curve`` so that each validation is an epoch where the log has none.

    The tool takes one value of a metric from each epoch, and a training that counts iterations logs no epochs.
    """
    module = _load(tool)
    read = module.load_json_logs
    module.load_json_logs = lambda paths: [_by_validation(path, epochs) for path, epochs in zip(paths, read(paths))]
    module.main()


def _load(tool: Path) -> Any:
    spec = importlib.util.spec_from_file_location(tool.stem, tool)
    assert spec and spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _by_validation(path: str, epochs: LogDict) -> LogDict:
    """Return the values of a log, those up to the first validation under 1, those up to the second under 2, and so on.

    Args:
        path: Log of a run, one JSON object in a line.
        epochs: The same values by epoch, which are returned if the log has epochs.
    """
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    if any('epoch' in line for line in lines):
        return epochs
    names = {name for line in lines for name in _values(line)}
    found: LogDict = defaultdict(lambda: {name: [] for name in names})
    validations = 0
    for line in lines:
        for name, value in _values(line).items():
            found[validations + 1][name].append(value)
        validations += 'iter' not in line
    return dict(found)


def _values(line: dict[str, Any]) -> dict[str, Any]:
    """Return what a line logs by the names that the tool has for it: metrics without the prefix of their evaluator."""
    if 'iter' in line:
        return line
    return {key.rpartition('/')[2]: value for key, value in line.items() if key not in CLOCKS}
