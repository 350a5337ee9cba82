"""A process that has imported what the tools import, and forks to run them: a tool starts in 0.1 s instead of 5 s.

``python tests/tool_server.py SOCKET`` listens on a Unix socket until its standard input is closed. The client,
:mod:`tests.tool_client`, sends the length of its request together with the file descriptors of the three standard
streams, then the request as JSON. The server answers with the line ``{"pid": N}``, and with ``{"status": N}`` once the
program has ended. Until then, each line from the client is the number of a signal to send to the program. When the
client disconnects, the program is killed.
"""

import ast
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NoReturn

TOOLS = Path(__file__).resolve().parents[1] / 'tools'
# Without the folder of this script, which a tool does not see.
SEARCH_PATH = sys.path[1:]
LENGTH_BYTES = 8


def import_what_tools_import() -> None:
    """Import every module that a tool imports at its top level, and all components of MMDetection."""
    import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

    for path in sorted(TOOLS.glob('*.py')):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                importlib.import_module(name)

    import mmengine.config.config
    from mmdet.evaluation.functional import mean_ap
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    # MMEngine formats the config with YAPF for each checkpoint, which takes half of the CPU time of a short training.
    mmengine.config.config.FormatCode = lambda text, **options: (text, False)
    # MMDetection forks four processes for each evaluation, which takes longer than to evaluate a few images.
    mean_ap.Pool = ThreadPool


def execute(command: list[str]) -> int:
    """Run a script or module as the interpreter would, and return the exit status."""
    try:
        while command[0] == '-u':
            sys.stdout.reconfigure(write_through=True)
            command = command[1:]
        if command[0] == '-m':
            sys.argv = command[1:]
            sys.path.insert(0, os.getcwd())
            runpy.run_module(command[1], run_name='__main__', alter_sys=True)
        else:
            sys.argv = command
            sys.path.insert(0, str(Path(command[0]).resolve().parent))
            runpy.run_path(command[0], run_name='__main__')
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def become(request: dict, streams: list[int]) -> NoReturn:
    """Turn this child of the server into the requested program; does not return."""
    os.setpgid(0, 0)
    for target, source in enumerate(streams):
        os.dup2(source, target)
        os.close(source)
    os.chdir(request['folder'])
    inherited = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    os.environ.clear()
    os.environ.update(request['environment'])
    added = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    sys.path[:] = [path for path in added if path] + [path for path in SEARCH_PATH if path not in inherited]
    # A fresh interpreter draws its own seed for NumPy; that of torch is a constant.
    sys.modules['numpy'].random.seed()
    status = execute(request['command'])
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


class Server:
    """Fork programs and report their exit status, in a single thread, as a process that forks should have."""

    def __init__(self, address: str):
        self.selector = selectors.DefaultSelector()
        self.clients: dict[socket.socket, int] = {}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(address)
        self.listener.listen(64)
        # Python writes a byte to it on SIGCHLD, which wakes the selector.
        self.wakeup, woken = socket.socketpair()
        self.woken = woken
        for end in (self.wakeup, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # An interrupt in the terminal reaches pytest, which then closes the standard input of this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self) -> None:
        for source in (self.listener, self.wakeup, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    for client in list(self.clients):
                        self.end(client)
                    return
                if key.fileobj is self.listener:
                    self.start(self.listener.accept()[0])
                elif key.fileobj is self.wakeup:
                    self.wakeup.recv(4096)
                    self.report()
                elif key.fileobj in self.clients:
                    self.pass_on(key.fileobj)

    def start(self, client: socket.socket) -> None:
        length, streams, _, _ = socket.recv_fds(client, LENGTH_BYTES, 3)
        size, content = int.from_bytes(length, 'big'), b''
        while len(content) < size:
            received = client.recv(size - len(content))
            if not received:
                client.close()
                return
            content += received
        pid = os.fork()
        if pid == 0:
            self.forget()
            become(json.loads(content), streams)
        # In the child as well, since either may run first.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        for descriptor in streams:
            os.close(descriptor)
        self.clients[client] = pid
        self.selector.register(client, selectors.EVENT_READ)
        self.answer(client, pid=pid)

    def forget(self) -> None:
        """Release in a child what only the server needs."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.selector.close()
        for end in (self.listener, self.wakeup, self.woken, *self.clients):
            end.close()

    def answer(self, client: socket.socket, **content: int) -> None:
        try:
            client.sendall(json.dumps(content).encode() + b'\n')
        except OSError:
            self.end(client)

    def report(self) -> None:
        """Send the exit status of programs that have ended to their clients."""
        for client, pid in list(self.clients.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                # Processes that it has started and left behind.
                self.kill(pid)
                del self.clients[client]
                self.selector.unregister(client)
                self.answer(client, status=os.waitstatus_to_exitcode(status))
                client.close()

    def pass_on(self, client: socket.socket) -> None:
        """Forward signals from a client, or kill its program when the client has disconnected."""
        try:
            content = client.recv(4096)
        except OSError:
            content = b''
        if not content:
            self.end(client)
        for number in content.split():
            os.kill(self.clients[client], int(number))

    def end(self, client: socket.socket) -> None:
        pid = self.clients.pop(client, None)
        if pid is not None:
            self.kill(pid)
            os.waitpid(pid, 0)
            self.selector.unregister(client)
        client.close()

    @staticmethod
    def kill(group: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    import_what_tools_import()
    threads = len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self/task') else threading.active_count()
    if threads > 1:
        raise RuntimeError(f'{threads} threads run after the imports: a fork would lose all but one')
    # The garbage collector of a child then neither visits nor copies what is allocated now.
    gc.collect()
    gc.freeze()
    server = Server(sys.argv[1])
    print('ready', flush=True)
    server.serve()


if __name__ == '__main__':
    main()
