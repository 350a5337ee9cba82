"""What the launchers of ``--launcher`` (torchrun, Slurm, MPI) say about a process before PyTorch's group exists."""

import os

_RANK = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
_WORLD_SIZE = ('WORLD_SIZE', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE')


def is_first_rank() -> bool:
    """Return whether this process is rank 0, or the only one."""
    return _first_of(_RANK, '0') == '0'


def world_size(launcher: str) -> int:
    """Return the number of processes that a launcher has started.

    Args:
        launcher: Value of ``--launcher``; variables of the environment are read only if there is one, since a single
            process may run in an allocation of several tasks.
    """
    return 1 if launcher == 'none' else int(_first_of(_WORLD_SIZE, '1'))


def _first_of(names: tuple[str, ...], default: str) -> str:
    """Return the value of the first environment variable that is set."""
    return next((os.environ[name] for name in names if name in os.environ), default)
