"""Run a tool from wherever the package is installed: ``python -m ssd_plugin train ssd_plugin::ssd300_voc.py``.

``python -m ssd_plugin mmdet TOOL`` runs one of MMDetection's own.
"""

import os
import runpy
import sys
from pathlib import Path

from ssd_plugin.cli import mmdet_tools
from ssd_plugin.cli.error_messages import exit_on_user_error

TOOLS = Path(__file__).parent / '.mim' / 'tools'
SUFFIXES = ('.py', '.sh')
# Scripts that work on a clone and are not packaged, and those that only other scripts call.
NOT_OFFERED = {'demo', 'dist_run', 'lint', 'setup_env', 'signals', 'test.sh'}


def find_tools() -> dict[str, Path]:
    """Return the tools by name, in alphabetical order."""
    return {
        path.stem: path
        for path in sorted(TOOLS.iterdir())
        if path.suffix in SUFFIXES and not {path.stem, path.name} & NOT_OFFERED
    }


def main() -> None:
    """Run the tool that the first argument names with the remaining arguments."""
    tools = find_tools()
    usage = (
        f'usage: python -m ssd_plugin TOOL [arguments of the tool]\ntools: {", ".join(tools)}\n'
        "MMDetection's own tools: python -m ssd_plugin mmdet TOOL"
    )
    if sys.argv[1:] in ([], ['-h'], ['--help']):
        print(usage)
        return
    if sys.argv[1] == 'mmdet':
        exit_on_user_error(lambda: mmdet_tools.run(sys.argv[2:]))
        return
    tool = tools.get(sys.argv[1])
    if tool is None:
        sys.exit(f'error: there is no tool {sys.argv[1]!r}\n{usage}')
    arguments = [str(tool), *sys.argv[2:]]
    if tool.suffix == '.sh':
        # The scripts start Python themselves; by default this interpreter, even where it is not the first in PATH.
        os.environ.setdefault('PYTHON', sys.executable)
        os.execvp('bash', ['bash', *arguments])
    sys.argv = arguments
    runpy.run_path(str(tool), run_name='__main__')


if __name__ == '__main__':
    main()
