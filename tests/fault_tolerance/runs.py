"""Training runs in the background, to be interrupted."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.support import ROOT, tool_server
from tests.tool_client import ForkedProgram

ITERATIONS = 12
SETTINGS = {
    'train_cfg.max_iters': ITERATIONS,
    'train_cfg.val_interval': 6,
    'train_dataloader.batch_size': 2,
    'train_dataloader.num_workers': 1,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.checkpoint.max_keep_ckpts': 2,
    'default_hooks.logger.interval': 1,
    'param_scheduler.0.end': 4,
    'param_scheduler.1.begin': 4,
    'param_scheduler.1.end': ITERATIONS,
    'randomness.seed': 3,
}


class Run:
    """A run of ``tools/train.py`` in the background, with its output in a log file beside its work dir."""

    def __init__(
        self,
        data: Path,
        folder: Path,
        *arguments: str,
        slow_saves: float = 0.0,
        slow_validation: float = 0.0,
        config: str | Path = 'ssd_plugin::demo/ssd_depthwise_shapes.py',
        **settings: object,
    ) -> None:
        """Start the run.

        Args:
            data: Root of the dataset.
            folder: The work dir.
            arguments: Further arguments of the tool.
            slow_saves: Seconds in the middle of each write of a checkpoint.
            slow_validation: Seconds before each validation.
            config: The config.
            settings: Values for ``--cfg-options``, ``a__b=value`` for ``a.b=value``.
        """
        self.log = folder.with_suffix('.log')
        self.written = self.log.stat().st_size if self.log.exists() else 0
        values = {**SETTINGS, 'data_root': data, **{key.replace('__', '.'): value for key, value in settings.items()}}
        slow = slow_saves or slow_validation
        command = [
            str(Path(__file__).with_name('slow_train.py') if slow else ROOT / 'tools/train.py'),
            str(config),
            '--work-dir',
            str(folder),
            *arguments,
            '--cfg-options',
            *(f'{key}={value}' for key, value in values.items()),
        ]
        environment = {**os.environ, 'SLOW_SAVES': str(slow_saves), 'SLOW_VALIDATION': str(slow_validation)}
        with open(os.devnull) as nothing, open(self.log, 'ab') as log:
            streams = [nothing.fileno(), log.fileno(), log.fileno()]
            self.program = ForkedProgram(tool_server.address, command, folder.parent, environment, streams)

    def text(self) -> str:
        """Return what this run has logged so far."""
        return self.log.read_bytes()[self.written :].decode()

    def wait_for(self, condition: str | Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until a text is in the log, or a condition holds, or the process has ended."""
        end = time.time() + seconds
        while not (condition in self.text() if isinstance(condition, str) else condition()):
            assert time.time() < end, f'the condition has not come true; the log ends with {self.text()[-2000:]}'
            if not Path(f'/proc/{self.program.pid}').exists():
                return
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        """Send a signal to the process, unless it has ended."""
        self.program.signal(number)

    def ctrl_c(self) -> None:
        """Send SIGINT to the process and its children, as a terminal does, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.program.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait for the end and return the exit status."""
        return self.program.wait(300)

    def finish(self) -> 'Run':
        """Wait for an end without error."""
        status = self.end()
        assert status == 0, self.text()[-4000:]
        return self


def lines_of_interrupt(text: str) -> list[str]:
    """Return what a run has written because of Ctrl-C, from its log: all lines that a run without it does not write.

    A traceback is recognized by its first line.
    """
    return re.findall(
        r'^.*(?:Stopping after|interrupted|Traceback|Error|Exception|FAILED|closing signal).*$', text, re.M
    )


def state_of(folder: Path) -> dict:
    """Return the final state of a run: weights, their average, optimizer, schedule and best score."""
    checkpoint = torch.load(folder / f'iter_{ITERATIONS}.pth', weights_only=True)
    info = checkpoint['message_hub']['runtime_info']
    return {
        **{key: checkpoint[key] for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')},
        'best_score': info['best_score'],
        'iter': checkpoint['meta']['iter'],
        'stream': info['stream'],
    }


def assert_same(found, expected, where='') -> None:
    """Compare nested containers of tensors bit for bit."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), where
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same(found[key], expected[key], f'{where}.{key}')
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for index, (a, b) in enumerate(zip(found, expected)):
            assert_same(a, b, f'{where}.{index}')
    else:
        assert found == expected, f'{where}: {found} != {expected}'
