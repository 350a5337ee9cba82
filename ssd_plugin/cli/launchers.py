"""What the launchers of ``--launcher`` (torchrun, Slurm, MPI) say about a process before PyTorch's group exists."""

import os

_RANK = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


def is_first_rank() -> bool:
    """Return whether this process is rank 0, or the only one."""
    return _first_of(_RANK, '0') == '0'


def _first_of(names: tuple[str, ...], default: str) -> str:
    """Return the value of the first environment variable that is set."""
    return next((os.environ[name] for name in names if name in os.environ), default)
