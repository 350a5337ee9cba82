"""A warning when other programs use the machine."""

import os
import sys


def crowded() -> str | None:
    """Return a warning if the machine had more to do in the last minute than it has cores, otherwise ``None``."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= cores:
        return None
    warning = f'the load of this machine is {load:.1f}, more than its {cores} cores: other programs slow this run down'
    return warning if 'OMP_NUM_THREADS' in os.environ else f'{warning} (OMP_NUM_THREADS=1 takes less from them)'


def warn_if_crowded() -> None:
    """Print the warning, if there is one."""
    warning = crowded()
    if warning:
        print(f'warning: {warning}', file=sys.stderr)
