"""Training runs to be interrupted."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

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
    """A training that goes on in another process."""

    def __init__(
        self,
        server,
        folder: Path,
        data: Path,
        *arguments: str,
        slow_saves: float = 0.0,
        slow_validation: float = 0.0,
        **settings,
    ):
        self.server, self.folder, self.log = server, folder, folder.with_suffix('.log')
        self.written = self.log.stat().st_size if self.log.exists() else 0
        config = settings.pop('config', 'ssd_plugin::demo/ssd_depthwise_shapes.py')
        values = {**SETTINGS, 'data_root': data, **{key.replace('__', '.'): value for key, value in settings.items()}}
        argv = [
            str(config),
            '--work-dir',
            str(folder),
            *arguments,
            '--cfg-options',
            *(f'{k}={v}' for k, v in values.items()),
        ]
        self.pid = ask(server, argv=argv, log=str(self.log), slow_saves=slow_saves, slow_validation=slow_validation)[
            'pid'
        ]

    def text(self) -> str:
        """What this run has said so far."""
        return self.log.read_bytes()[self.written :].decode() if self.log.exists() else ''

    def wait_for(self, condition, seconds: float = 120.0) -> None:
        """Until a text is in the log, or a condition holds, or the process has ended."""
        end = time.time() + seconds
        while not (condition in self.text() if isinstance(condition, str) else condition()):
            assert time.time() < end, f'waited in vain; the log ends with {self.text()[-2000:]}'
            if not Path(f'/proc/{self.pid}').exists() or self.state() == 'Z':
                return
            time.sleep(0.005)

    def state(self) -> str:
        try:
            return Path(f'/proc/{self.pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
        except FileNotFoundError:
            return 'Z'

    def signal(self, number: int) -> None:
        if self.state() != 'Z':
            os.kill(self.pid, number)

    def end(self) -> int:
        """Wait for the end; gives the status."""
        return ask(self.server, wait=self.pid)['status']

    def finish(self) -> 'Run':
        """Wait for an end without error."""
        status = self.end()
        assert status == 0, self.text()[-4000:]
        return self


def ask(server, **command):
    server.stdin.write(json.dumps(command) + '\n')
    server.stdin.flush()
    line = server.stdout.readline()
    assert line, 'the server of training runs has ended'
    return json.loads(line)


class Starter:
    """Starts trainings on a data set, in processes that need not import anything."""

    def __init__(self, folder: Path, data: Path):
        self.data = data
        self.server = subprocess.Popen(
            [sys.executable, '-W', 'ignore', str(Path(__file__).with_name('server.py'))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )

    def __call__(self, folder: Path, *arguments: str, **settings) -> Run:
        """``settings`` as ``a__b=value`` for ``a.b=value``."""
        return Run(self.server, folder, self.data, *arguments, **settings)

    def close(self) -> None:
        self.server.stdin.close()
        self.server.wait(60)


def state_of(folder: Path) -> dict:
    """What a run has come to: weights, average, optimizer, schedule, best."""
    checkpoint = torch.load(folder / f'iter_{ITERATIONS}.pth', weights_only=True)
    info = checkpoint['message_hub']['runtime_info']
    return {
        **{key: checkpoint[key] for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')},
        'best_score': info['best_score'],
        'iter': checkpoint['meta']['iter'],
        'stream': info['stream'],
    }


def assert_same(found, expected, where='') -> None:
    """Bit for bit."""
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
