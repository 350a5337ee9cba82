"""Paths of the repository, and functions that run its tools."""

import copy
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path

from mmengine.config import Config

from tests.tool_client import ForkedProgram

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
WHOLE_CONFIGS = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
TIMEOUT = 600


@cache
def _parsed(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def config(name: str) -> Config:
    """Return a copy of a config, which is parsed once in a process: most tests of configs go through all of them."""
    return copy.deepcopy(_parsed(name))


class ToolServer:
    """The process that forks tools, started on first use: one per worker of pytest-xdist."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    @cached_property
    def _folder(self) -> Path:
        # Paths of sockets are limited to about 100 characters, which those of pytest may exceed.
        return Path(tempfile.mkdtemp(prefix='ssd_plugin_tools_'))

    @cached_property
    def address(self) -> str:
        """The socket of the server, which is started."""
        address, log = self._folder / 'socket', self._folder / 'log'
        with open(log, 'wb') as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / 'tests/tool_server.py'), str(address)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # NVML counts GPUs without initializing CUDA, which forked processes could not use any more.
                env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTORCH_NVML_BASED_CUDA_CHECK': '1'},
            )
        for line in self._process.stdout:
            if line == b'ready\n':
                return str(address)
        raise RuntimeError(f'the tool server does not start: {log.read_text()}')

    @cached_property
    def interpreter(self) -> str:
        """An executable that runs Python programs in forks of the server."""
        path = self._folder / 'python'
        path.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -I -S "{ROOT}/tests/tool_client.py" "{self.address}" "$@"\n'
        )
        path.chmod(0o755)
        return str(path)

    def close(self) -> None:
        """Stop the server and the programs that it still runs."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(60)
            for path in self._folder.iterdir():
                path.unlink()
            self._folder.rmdir()


tool_server = ToolServer()


def run_python_in(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a Python program, a script or ``-m`` and a module with arguments, in a fork of the tool server."""
    with tempfile.TemporaryFile('w+') as output, tempfile.TemporaryFile('w+') as errors, open(os.devnull) as nothing:
        streams = [file.fileno() for file in (nothing, output, errors)]
        command = [str(part) for part in command]
        program = ForkedProgram(tool_server.address, command, folder, {**os.environ, **environment}, streams)
        status = program.wait(TIMEOUT)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, status, output.read(), errors.read())


def run_tool_in(
    folder: Path, tool: str, *arguments: str, fresh: bool = False, **environment: str
) -> subprocess.CompletedProcess:
    """Run a tool from a folder outside of the repository, as users do.

    Args:
        folder: The working directory.
        tool: A file in ``tools/``. Python tools, and those that torchrun starts for a script, are forked by the server.
        arguments: Arguments of the tool.
        fresh: Whether to start an interpreter instead, which takes seconds to import everything.
        environment: Variables in addition to those of this process.

    Returns:
        The finished process.
    """
    command = [str(ROOT / 'tools' / tool), *map(str, arguments)]
    if tool.endswith('.py') and not fresh:
        return run_python_in(folder, *command, **environment)
    interpreters = {'PYTHON': sys.executable} if fresh else script_interpreters()
    return subprocess.run(
        [sys.executable if tool.endswith('.py') else 'bash', *command],
        cwd=folder,
        env={**os.environ, **interpreters, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def script_interpreters() -> dict[str, str]:
    """Return the variables by which shell scripts and torchrun choose the interpreters that they start.

    Scripts send signals to the children of torchrun, which therefore runs in a fresh interpreter.
    """
    return {'PYTHON': sys.executable, 'PYTHON_EXEC': tool_server.interpreter}


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """Limit the files that this process writes to a number of bytes, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
