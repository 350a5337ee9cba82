"""Tools in fresh interpreters, as users start them; other tests run them in forks of the tool server."""

import pytest

from tests.support import ROOT, run_tool_in

# Those that a test of their own starts in this way.
ELSEWHERE = {'train.py', 'test.py'}
TOOLS = sorted({path.name for path in (ROOT / 'tools').glob('*.py')} - ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize('tool', TOOLS)
def test_each_tool_starts_and_shows_its_usage(tool, tmp_path):
    result = run_tool_in(tmp_path, tool, '--help', fresh=True)
    assert result.returncode == 0 and f'usage: {tool}' in result.stdout, result.stderr
