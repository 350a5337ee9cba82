"""torchrun, except that a signal lets the ranks save a checkpoint and stop; tools/dist_run.sh calls it.

torchrun itself ends a run after a signal with a traceback, and kills ranks that take longer than 30 seconds. Here,
SIGTERM, SIGUSR1 and SIGINT (Ctrl-C) are forwarded to the ranks; a second SIGINT kills them. The exit status is 75 if
they have saved a checkpoint because of a signal.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

if __name__ == '__main__' and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    # Ctrl-C during the imports ends without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import torch.distributed.elastic.multiprocessing.api
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.run import parse_args, run

END = 'interrupted'
FORWARDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Forwarding:
    """A signal handler that forwards signals to the ranks.

    Attributes:
        received: Signals that were forwarded.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        # For example by nohup. torchrun would handle these signals nevertheless.
        self._ignored = {number for number in signal.Signals if signal.getsignal(number) == signal.SIG_IGN}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Forward a signal; kill the ranks on one that is not forwarded, and on a second SIGINT."""
        if number in self._ignored:
            return
        found = subprocess.run(['pgrep', '-P', str(os.getpid())], capture_output=True, text=True)
        ranks = [int(pid) for pid in found.stdout.split()]
        at_once = number not in FORWARDED or (number == signal.SIGINT and number in self.received)
        for pid in ranks:
            try:
                if at_once:
                    # Each rank is the leader of a session, with its workers.
                    os.killpg(pid, signal.SIGKILL)
                else:
                    os.kill(pid, number)
            except ProcessLookupError:
                continue
        if at_once or not ranks:
            print(END, file=sys.stderr, flush=True)
            os._exit(128 + number)
        self.received.append(number)
        # torchrun reports ranks that end before their training begins.
        logging.disable()


def main() -> None:
    """Run torchrun with the arguments of the command line.

    Raises:
        SystemExit: With the exit status.
    """
    forwarding = Forwarding()
    # torchrun installs this handler when it starts the ranks.
    torch.distributed.elastic.multiprocessing.api._terminate_process_handler = forwarding
    signal.signal(signal.SIGUSR1, forwarding)
    with tempfile.TemporaryDirectory(prefix='ssd_plugin_') as folder:
        # torchrun takes any exit status but 0 for a failure, so ranks create this file when a signal has stopped them.
        preempted = Path(folder, 'preempted')
        os.environ['SSD_PLUGIN_PREEMPTED'] = str(preempted)
        try:
            run(parse_args(sys.argv[1:]))
        except ChildFailedError:
            if not forwarding.received:
                raise
            print(END, file=sys.stderr)
            sys.exit(128 + forwarding.received[-1])
        if preempted.exists():
            sys.exit(75)


if __name__ == '__main__':
    record(main)()
