"""How OpenMP's threads wait, chosen before PyTorch is loaded."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssd_plugin import openmp


class Stat:
    """A /proc/stat of two cores, of which a given number is in use."""

    def __init__(self, cores):
        self.cores, self.begin = cores, time.monotonic()

    def read_text(self):
        ticks = os.sysconf('SC_CLK_TCK') * (time.monotonic() - self.begin)
        own, *others = sorted(os.sched_getaffinity(0))
        # All of it on one of the cores that this process may use; another machine's core is always busy.
        lines = {own: round(self.cores * ticks), **dict.fromkeys(others, 0), own + 1000: round(ticks)}
        return 'cpu  1 2 3 4 5 6 7 8 9 10\n' + ''.join(
            f'cpu{n} {used} 0 0 9 70 0 0 0 0 0\n' for n, used in lines.items()
        )


@pytest.fixture
def unloaded(monkeypatch):
    """As if PyTorch had not been loaded."""
    monkeypatch.delitem(sys.modules, 'torch')


@pytest.mark.parametrize('cores', [0.7, 2])
def test_threads_sleep_beside_other_programs(cores, unloaded):
    environ = {}
    openmp.choose_waiting(environ, Stat(cores))
    assert environ == {'OMP_WAIT_POLICY': 'PASSIVE'}


@pytest.mark.parametrize('cores', [0, 0.3])
def test_threads_spin_for_a_while_on_an_idle_machine(cores, unloaded):
    environ = {}
    openmp.choose_waiting(environ, Stat(cores))
    assert environ == {'GOMP_SPINCOUNT': '20000'}


@pytest.mark.parametrize('name', openmp.CHOSEN_BY_USER)
def test_what_the_user_has_set_stays(name, unloaded):
    environ = {name: '1'}
    openmp.choose_waiting(environ, Stat(2))
    assert environ == {name: '1'}


def test_nothing_is_set_when_it_would_be_too_late():
    environ = {}
    openmp.choose_waiting(environ, Stat(2))
    assert environ == {}


def test_nothing_is_set_where_the_load_is_unknown(unloaded, tmp_path):
    environ = {}
    openmp.choose_waiting(environ, tmp_path / 'missing')
    assert environ == {}


def test_a_busy_process_counts_as_a_core():
    busy = subprocess.Popen([sys.executable, '-c', 'print(flush=True)\nwhile True: pass'], stdout=subprocess.PIPE)
    try:
        busy.stdout.readline()
        assert openmp.busy_cores(Path('/proc/stat'), 0.5) >= 0.5
    finally:
        busy.kill()
        busy.communicate()


def test_importing_the_package_sets_it_before_pytorch_is_loaded():
    script = (
        'import os, ssd_plugin.openmp\n'
        'print(*(name for name in ssd_plugin.openmp.CHOSEN_BY_USER if name in os.environ))'
    )
    environ = {name: value for name, value in os.environ.items() if name not in openmp.CHOSEN_BY_USER}
    result = subprocess.run([sys.executable, '-c', script], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout.strip() in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')
