"""Tools in an interpreter that has imported ``ssd_plugin`` alone; other tests run them where everything is imported."""

import json
import subprocess
import sys

import pytest

from tests.support import ROOT

TOOLS = sorted((ROOT / 'tools').glob('*.py'))
# `ssd_plugin` is what every tool imports first (tests/test_architecture.py), so that a fork after this import is in the
# state of an interpreter of its own. What takes long to import from other packages is imported once for all of them.
SHOW_USAGES = """
import json, os, runpy, sys
import ssd_plugin
import matplotlib.pyplot, mmdet.apis
# What imports print is not the tools'.
sys.stdout.flush()
usages = {}
for tool in sys.argv[1:]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        sys.argv, sys.path[0] = [tool, '--help'], os.path.dirname(tool)
        status = 0
        try:
            runpy.run_path(tool, run_name='__main__')
        except SystemExit as ending:
            status = ending.code
        sys.stdout.flush()
        # Without taking apart what has been imported, which takes a second.
        os._exit(status or 0)
    os.close(writer)
    with open(reader) as output:
        usage = output.read()
    usages[tool] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), usage
print(json.dumps(usages))
"""


@pytest.mark.slow
def test_each_tool_starts_and_shows_its_usage(tmp_path):
    command = [sys.executable, '-c', SHOW_USAGES, *map(str, TOOLS)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    usages = json.loads(result.stdout.splitlines()[-1])
    for tool in TOOLS:
        status, usage = usages[str(tool)]
        assert status == 0 and usage.startswith(f'usage: {tool.name}'), (tool.name, result.stderr)
