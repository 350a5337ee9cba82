"""How loaders start their workers and put batches together."""

import os
import signal
from threading import Thread

import cv2
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import default_collate

_HELD_SIGNALS = {signal.SIGTERM, signal.SIGUSR1}


@FUNCTIONS.register_module()
def patient_worker(worker_id: int) -> None:
    """For ``worker_init_fn``: a cluster sends SIGTERM and SIGUSR1 to every process of a job, and a trainer that wants to finish its
    iteration needs its workers for that. They obey the trainer alone, and end with it.

    Each worker is one of many; OpenCV does not start threads of its own.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    Thread(target=_obey_parent, daemon=True).start()
    cv2.setNumThreads(0)


def _obey_parent() -> None:
    # A handler would not be told who sent the signal.
    while True:
        signalled = signal.sigwaitinfo(_HELD_SIGNALS)
        if signalled.si_signo == signal.SIGTERM and signalled.si_pid == os.getppid():
            os._exit(0)


@FUNCTIONS.register_module()
def stack_collate(batch: list[dict]) -> dict:
    """MMEngine's ``pseudo_collate``, with images of one size as one tensor ``(B, C, H, W)``: one block of shared memory between worker
    and trainer, one pinned block, one copy to the device, and one pass of the data preprocessor, where there would be as many as images.
    """
    collated = pseudo_collate(batch)
    if len({image.shape for image in collated['inputs']}) == 1:
        collated['inputs'] = default_collate(collated['inputs'])
    return collated
