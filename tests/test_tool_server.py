"""Programs in forks of the tool server behave as in an interpreter of their own."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import run_python_in, tool_server
from tests.tool_client import ForkedProgram


@pytest.fixture
def script(tmp_path):
    """Write a Python program; gives its path."""

    def write(text: str) -> str:
        path = tmp_path / 'script.py'
        path.write_text(text)
        return str(path)

    return write


def wait_for_file(path: Path) -> None:
    end = time.time() + 60
    while not path.exists():
        assert time.time() < end, f'{path} has not been written'
        time.sleep(0.01)


def test_streams_arguments_folder_and_environment_are_the_programs_own(script, tmp_path):
    path = script(
        'import os, sys\n'
        'print(sys.argv[1:], os.getcwd(), os.environ["NAME"], sys.stdin.read() == "", __name__)\n'
        'print("trouble", file=sys.stderr)\n'
    )
    result = run_python_in(tmp_path, path, 'a b', '--c', NAME='value')
    assert result.stdout == f"['a b', '--c'] {tmp_path} value True __main__\n"
    assert result.stderr == 'trouble\n' and result.returncode == 0


def test_modules_beside_the_script_and_on_the_python_path_are_found_and_those_of_the_tests_are_not(script, tmp_path):
    (tmp_path / 'beside.py').write_text('')
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more/elsewhere.py').write_text('')
    path = script('import beside, elsewhere, importlib.util\nassert importlib.util.find_spec("tool_server") is None\n')
    result = run_python_in(Path('/'), path, PYTHONPATH=str(tmp_path / 'more'))
    assert result.returncode == 0, result.stderr


def test_changes_made_by_a_program_do_not_reach_the_next_one(script, tmp_path):
    path = script(
        'import os, ssd_plugin, torch\n'
        'print(hasattr(ssd_plugin, "changed"), torch.is_grad_enabled(), "CHANGED" in os.environ)\n'
        'ssd_plugin.changed = True\ntorch.set_grad_enabled(False)\nos.environ["CHANGED"] = "1"\n'
    )
    for _ in range(2):
        assert run_python_in(tmp_path, path).stdout == 'False True False\n'


def test_numpy_draws_other_numbers_in_each_program(script, tmp_path):
    path = script('import numpy\nprint(numpy.random.rand())\n')
    assert run_python_in(tmp_path, path).stdout != run_python_in(tmp_path, path).stdout


@pytest.mark.parametrize(
    'end, status, error',
    [
        ('pass', 0, ''),
        ('sys.exit(75)', 75, ''),
        ('sys.exit("error: no such thing")', 1, 'error: no such thing\n'),
        ('raise ValueError("bad")', 1, 'ValueError: bad\n'),
        ('sys.stdout.flush(); os.kill(os.getpid(), 9)', -9, ''),
    ],
)
def test_exit_status_and_message_are_those_of_an_interpreter(end, status, error, script, tmp_path):
    result = run_python_in(tmp_path, script(f'import os, sys\nprint("begun")\n{end}\n'))
    assert result.returncode == status and result.stdout == 'begun\n'
    assert result.stderr.endswith(error) and ('Traceback' in result.stderr) == ('ValueError' in error)


def test_exit_handlers_run_and_threads_are_waited_for(script, tmp_path):
    path = script(
        'import atexit, threading, time\n'
        'atexit.register(print, "handler")\n'
        'threading.Thread(target=lambda: time.sleep(0.2) or print("thread")).start()\n'
    )
    assert run_python_in(tmp_path, path).stdout == 'thread\nhandler\n'


def test_a_program_that_takes_too_long_is_killed_with_its_children(script, tmp_path):
    path = script(
        'import os, time\n'
        'child = os.fork()\n'
        'if child: open("child", "w").write(str(child)); os.rename("child", "pid")\n'
        'time.sleep(600)\n'
    )
    with open('/dev/null', 'w+') as nothing:
        program = ForkedProgram(tool_server.address, [path], tmp_path, {}, [nothing.fileno()] * 3)
    wait_for_file(tmp_path / 'pid')
    with pytest.raises(TimeoutError):
        program.wait(0.01)
    child, end = int((tmp_path / 'pid').read_text()), time.time() + 60
    while any(alive(pid) for pid in (program.pid, child)):
        assert time.time() < end
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):  # it can end between opening and reading, too
        return False


def test_the_interpreter_of_scripts_passes_on_signals_streams_and_status(script, tmp_path):
    path = script(
        'import signal, sys, time\n'
        'signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n'
        'print(sys.stdin.readline(), flush=True)\n'
        'open("ready", "w").close()\n'
        'time.sleep(600)\n'
    )
    process = subprocess.Popen(
        [tool_server.interpreter, '-u', path], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write('hello\n')
    process.stdin.flush()
    wait_for_file(tmp_path / 'ready')
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == 'hello\n\n' and process.returncode == 75
