"""How OpenMP's threads wait for each other on a CPU: PyTorch's operators end at barriers.

By default, the threads of libgomp, which PyTorch's wheels contain, spin at a barrier for a while before they sleep.
That is fast on an idle machine. Beside other programs, threads that spin take the cores from the thread that they wait
for, and training becomes several times slower. docs/benchmarks.md has the measurements.
"""

import os
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path

# With any of these, the user has chosen how threads wait, or how many there are.
CHOSEN_BY_USER = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME', 'OMP_NUM_THREADS')
# Cores that other programs use, from which on threads sleep at once.
BUSY = 0.5
# Rounds of spinning before a thread sleeps, where libgomp's default is 300,000: as fast on an idle machine, and less is
# lost if other programs start later.
SPIN_COUNT = 20000
# Seconds, of which the kernel counts hundredths.
SAMPLE = 0.1


def choose_waiting(environ: MutableMapping[str, str] = os.environ, stat: Path = Path('/proc/stat')) -> None:
    """Set the environment variable that makes OpenMP's threads wait in the way that suits the load of the machine.

    It takes effect in this process and in those that it starts. Once PyTorch is loaded, it is too late.

    Args:
        environ: Environment to change. It stays as it is if it has a variable of :data:`CHOSEN_BY_USER`.
        stat: The file in which Linux counts the time that the cores spend. Without it, nothing is set.
    """
    if 'torch' in sys.modules or any(name in environ for name in CHOSEN_BY_USER):
        return
    try:
        cores = busy_cores(stat)
    except OSError:
        return
    if cores >= BUSY:
        environ['OMP_WAIT_POLICY'] = 'PASSIVE'
    else:
        environ['GOMP_SPINCOUNT'] = str(SPIN_COUNT)


def busy_cores(stat: Path, seconds: float = SAMPLE) -> float:
    """Return how many of this process's cores other programs use at the moment, while it sleeps.

    Args:
        stat: The file in which Linux counts the time that the cores spend (``man 5 proc_stat``).
        seconds: Length of the measurement.

    Raises:
        OSError: The file cannot be read.
    """
    before, begin = _busy_seconds(stat), time.monotonic()
    time.sleep(seconds)
    return (_busy_seconds(stat) - before) / (time.monotonic() - begin)


def _busy_seconds(stat: Path) -> float:
    """Return the time that the cores which this process may use have spent on programs."""
    names = {f'cpu{core}' for core in os.sched_getaffinity(0)}
    ticks = 0
    for line in stat.read_text().splitlines():
        name, *columns = line.split()
        if name in names:
            user, nice, system, _, _, irq, softirq, steal = map(int, columns[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf('SC_CLK_TCK')
