"""Loader workers that leave it to the trainer to end."""
import os
import signal
from threading import Thread

import cv2
from mmengine.registry import FUNCTIONS

SIGNALS = {signal.SIGTERM, signal.SIGUSR1}


@FUNCTIONS.register_module()
def patient_worker(worker_id: int) -> None:
    """For ``worker_init_fn``: a cluster sends SIGTERM and SIGUSR1 to every process of a job, and a trainer that wants to finish its
    iteration needs its workers for that. They obey the trainer alone, and end with it.

    Each worker is one of many; OpenCV does not start threads of its own.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    Thread(target=_obey_parent, daemon=True).start()
    cv2.setNumThreads(0)


def _obey_parent() -> None:
    # A handler would not be told who sent the signal.
    while True:
        signalled = signal.sigwaitinfo(SIGNALS)
        if signalled.si_signo == signal.SIGTERM and signalled.si_pid == os.getppid():
            os._exit(0)
