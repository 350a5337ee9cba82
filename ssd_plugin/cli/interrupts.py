"""The end of a tool by Ctrl-C: one line instead of a traceback."""

import os
import signal
from types import FrameType

from ssd_plugin.engine.checkpointing.preemption_hook import PREEMPTED_FILE_VARIABLE

from .launchers import is_first_rank

MESSAGE = 'interrupted'
# As shells have it.
INTERRUPTED_STATUS = 128 + signal.SIGINT
STDERR = 2


def end_on_interrupt() -> None:
    """Let SIGINT end this process at once with one line, unless it is ignored, as in a background job of a script.

    A ``KeyboardInterrupt``, raised wherever the process happens to be, can be swallowed or leave a traceback. Forked
    processes, such as workers of a dataloader, ignore SIGINT, which a terminal sends to them as well.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        return
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            # tools/dist_run.py says so itself.
            if is_first_rank() and PREEMPTED_FILE_VARIABLE not in os.environ:
                # Not by print, which this handler may interrupt.
                os.write(STDERR, f'{MESSAGE}\n'.encode())
            # By the signal itself, so that a shell script that runs the tool stops as well.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(owner, signal.SIGINT)

    signal.signal(signal.SIGINT, end)
