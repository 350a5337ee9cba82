"""The signals that ask a run to save a checkpoint and stop."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

Handler = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """Receive the stop signals between :meth:`start` and :meth:`stop`, then restore the previous handlers.

    These are SIGTERM and SIGUSR1, which clusters send, and SIGINT (Ctrl-C). A second SIGINT goes to the previous
    handler, which ends the process. A background job of a shell script ignores SIGINT, and continues to do so.

    Processes forked meanwhile, for example to compute a metric, end on SIGTERM and SIGUSR1. They ignore SIGINT: a
    terminal sends it to them as well, and this process, which still needs their results, decides when it stops.

    Attributes:
        received: First signal received; ``None`` before.
        active: Object that receives the signals of this process; ``None`` if there is none.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    active: ClassVar['StopSignals | None'] = None

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[int, Handler] = {}

    def start(self) -> None:
        """Replace the handlers; without effect outside of the main thread, where Python does not allow it."""
        if threading.current_thread() is not threading.main_thread():
            return
        StopSignals.active = self
        for number in self.NUMBERS:
            previous = signal.getsignal(number)
            if number != signal.SIGINT or previous != signal.SIG_IGN:
                self._previous[number] = previous
                signal.signal(number, self._receive)

    def stop(self) -> None:
        """Restore the previous handlers."""
        for number in list(self._previous):
            self._restore(number)
        if StopSignals.active is self:
            StopSignals.active = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)
        if number == signal.SIGINT:
            self._restore(number)

    def _restore(self, number: int) -> None:
        previous = self._previous.pop(number)
        # None stands for a handler that was not set by Python.
        signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _leave_in_child() -> None:
    """Set the handlers of a forked process, which does not receive stop signals."""
    if StopSignals.active is not None:
        StopSignals.active = None
        for number in StopSignals.NUMBERS:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)


# Once per process: a registration cannot be undone.
os.register_at_fork(after_in_child=_leave_in_child)
