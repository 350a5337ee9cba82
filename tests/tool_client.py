"""Run a Python program in a process forked by :mod:`tests.tool_server`; imports the standard library only.

As a script it replaces the interpreter: ``python -I -S tests/tool_client.py SOCKET [-u] SCRIPT|-m MODULE [arguments]``
hands its streams, working directory and environment to the program, forwards signals, and exits with its status.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LENGTH = struct.Struct('!Q')


class ForkedProgram:
    """A program that runs in a child of the server. Closing the connection kills its process group."""

    def __init__(
        self,
        address: str,
        command: Sequence[str],
        folder: str | Path,
        environment: Mapping[str, str],
        streams: Sequence[int],
    ):
        """Start the program.

        Args:
            address: The server's socket.
            command: The arguments that would follow the interpreter on a command line.
            folder: The working directory.
            environment: All environment variables.
            streams: File descriptors of the standard input, output and error.
        """
        request = json.dumps(dict(command=list(command), folder=str(folder), environment=dict(environment))).encode()
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.connect(address)
        socket.send_fds(self.connection, [LENGTH.pack(len(request))], list(streams))
        self.connection.sendall(request)
        self.answers = self.connection.makefile('r')
        self.pid = int(self._answer()['pid'])

    def _answer(self) -> dict:
        line = self.answers.readline()
        if not line:
            raise RuntimeError('the tool server has ended')
        return json.loads(line)

    def signal(self, number: int) -> None:
        """Send a signal to the program, unless it has ended."""
        with contextlib.suppress(BrokenPipeError):
            self.connection.sendall(f'{int(number)}\n'.encode())

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the program and return its exit status, ``-N`` if signal N ended it.

        Raises:
            TimeoutError: The program was still running, and has been killed.
        """
        self.connection.settimeout(timeout)
        try:
            return int(self._answer()['status'])
        finally:
            self.close()

    def close(self) -> None:
        """Disconnect from the server, which kills the program if it is still running."""
        self.answers.close()
        self.connection.close()


def main() -> None:
    address, *command = sys.argv[1:]
    forwarded = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
    # The program may be ready, and be sent a signal, before the handlers are set.
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
    program = ForkedProgram(address, command, os.getcwd(), os.environ, (0, 1, 2))
    for number in forwarded:
        signal.signal(number, lambda received, _: program.signal(received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
    status = program.wait()
    if status < 0:
        # The parent sees the same signal.
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == '__main__':
    main()
