"""Functions of data loaders: the start of a worker, and the collation of a batch."""

import os
import signal
from collections.abc import Sequence
from threading import Thread
from typing import Any

import cv2
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import default_collate

_HELD_SIGNALS = {signal.SIGTERM, signal.SIGUSR1}


@FUNCTIONS.register_module()
def patient_worker(worker_id: int) -> None:
    """Initialize a loader's worker so that it survives the signals that stop a trainer (``worker_init_fn``).

    A cluster sends SIGTERM and SIGUSR1 to every process of a job, and a terminal SIGINT on Ctrl-C, while a trainer that
    finishes its iteration still needs its workers. These react to the SIGTERM of the trainer alone, on which they exit.

    OpenCV's own threads are turned off, since each worker is one of many.

    Args:
        worker_id: Index of the worker, not used.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_exit_with_parent, daemon=True).start()
    cv2.setNumThreads(0)


def _exit_with_parent() -> None:
    """Wait for a SIGTERM of the parent process, and exit."""
    # A signal handler would not learn who sent the signal.
    while True:
        received = signal.sigwaitinfo(_HELD_SIGNALS)
        if received.si_signo == signal.SIGTERM and received.si_pid == os.getppid():
            os._exit(0)


@FUNCTIONS.register_module()
def stack_collate(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collate like MMEngine's ``pseudo_collate``, but stack images of one size into a tensor ``(B, C, H, W)``.

    One tensor takes one block of shared memory between worker and trainer, one pinned block, one copy to the device and
    one pass of the data preprocessor, instead of one for each image.

    Args:
        batch: Samples with ``inputs`` ``(C, H, W)`` and ``data_samples``.

    Returns:
        ``inputs``, a tensor or (for images of different sizes) a list of tensors, and ``data_samples``, a list.
    """
    collated = pseudo_collate(batch)
    if len({image.shape for image in collated['inputs']}) == 1:
        collated['inputs'] = default_collate(collated['inputs'])
    return collated
