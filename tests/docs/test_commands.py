"""Every command of the documentation runs on small data, shortened; one that is not known here fails.

What cannot run is in :data:`NOT_RUN` with the reason, and its arguments are parsed by the tool that they are for.
"""

import functools
import hashlib
import http.server
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from torch.distributed.run import parse_args as parse_torchrun

from ssd_plugin import __version__
from ssd_plugin.cli.run_config import load_config
from ssd_plugin.errors import UserError
from tests.docs.blocks import BLOCKS
from tests.docs.sandbox import Sandbox
from tests.support import ROOT, TIMEOUT, run_python_in, script_interpreters

# Blocks with the same commands are run once.
SHELL = list({block.text: block for block in BLOCKS if block.kind == 'shell'}.values())
NOT_RUN = {
    r'bash tools/(demo|test|setup_env|lint)\.sh': 'sets up an environment over the network',
    r'source \.venv/bin/activate': 'needs that environment',
    r'pip (install|wheel)': 'installs packages over the network',
    r'benchmark\.py startup': 'takes minutes, with a dataset as large as COCO',
    r'benchmark\.py (loss|predict|train-step|infer --model)': 'builds three SSD300; tests/analysis/benchmarks runs it',
    r'--compile|ssd300_cluster': 'compiles a network, which takes minutes on a CPU',
    r'NNODES=2': 'needs two nodes',
    r'dist_test\.sh': 'tests/tools/test_train_and_test.py runs it',
    r'CUDA_VISIBLE_DEVICES': 'needs GPUs',
    r'slurm_train\.sh': 'needs Slurm',
}
LOADERS = [
    f'{split}_dataloader.{setting}'
    for split in ('train', 'val', 'test')
    for setting in ('batch_size=1', 'num_workers=0', 'persistent_workers=False')
]
QUICK_TEST = [*(setting for setting in LOADERS if setting.startswith('test')), 'test_dataloader.dataset.indices=2']
QUICK_TRAIN = [
    *(setting for setting in LOADERS if not setting.startswith('test')),
    'val_dataloader.dataset.indices=1',
    'model.backbone.init_cfg=None',
]
# In place of SSD300, one step of which takes seconds: a detector for the same data.
SMALLER = {'ssd300_voc.py': 'ssd_depthwise_320x240_voc.py'}
ONE_ITERATION = ['train_cfg.max_iters=1', 'train_cfg.val_interval=1']
# A program that prints its arguments, in place of Python or srun.
ECHO = '#!/bin/sh\nprintf "%s\\n" "$@"\n'
# The tool prepare_data.py, with small archives of the same names from another server.
SMALL_DOWNLOADS = """
import json, runpy, sys
from dataclasses import replace
from ssd_plugin.prepare import download
tool, address, sums, contents = sys.argv[1], *map(json.loads, sys.argv[2:5])
for name, source in download.SOURCES.items():
    archives = tuple(replace(a, url=f'{address}/{a.name}', md5=sums.get(a.name)) for a in source.archives)
    small = tuple((file, contents.get(file)) for file, _ in source.contents)
    download.SOURCES[name] = replace(source, archives=archives, contents=small)
sys.argv = [tool, *sys.argv[5:]]
runpy.run_path(tool, run_name='__main__')
"""


def with_options(arguments: list[str], *options: str) -> list[str]:
    """Return arguments with more ``--cfg-options``, before those that are there, which take precedence."""
    if '--cfg-options' not in arguments:
        return [*arguments, '--cfg-options', *options]
    place = arguments.index('--cfg-options') + 1
    return [*arguments[:place], *options, *arguments[place:]]


def without(arguments: list[str], *names: str) -> list[str]:
    """Return arguments without options and their values."""
    return [
        argument
        for before, argument in zip(['', *arguments], arguments)
        if argument not in names and before not in names
    ]


def smaller(arguments: list[str]) -> list[str]:
    """Return arguments with a smaller detector."""
    for large, small in SMALLER.items():
        arguments = [argument.replace(large, small) for argument in arguments]
    return arguments


def shortened(tool: str, arguments: list[str]) -> list[str]:
    """Return arguments with which a tool takes a second."""
    if tool == 'train':
        if smaller(arguments) != arguments:
            load(ROOT / 'tools/train.py', arguments)
        short = [*smaller(without(arguments, '--max-iters', '--epochs')), '--max-iters', '1']
        return with_options(short, *QUICK_TRAIN)
    if tool == 'test':
        return with_options(arguments, *QUICK_TEST)
    if tool == 'browse_dataset':
        return [*arguments, '--number', '2']
    if tool == 'benchmark':
        small = [] if arguments[0] == 'pipeline' else ['--batch', '1']
        return [*without(arguments, '--rounds', '--batch'), '--rounds', '1', *small]
    if tool == 'mmdet' and arguments:
        assert arguments[0] == 'train', arguments
        return with_options(smaller(arguments), *QUICK_TRAIN, *ONE_ITERATION)
    return arguments


class Command:
    """A line of a shell block: variables, and the words of the command.

    Args:
        line: The line.
        sandbox: Where to run it.
    """

    def __init__(self, line: str, sandbox: Sandbox) -> None:
        self.folder = sandbox.folder
        words = [sandbox.filled(word) for word in shlex.split(line, comments=True)]
        number = next(n for n, word in enumerate(words) if not re.match(r'[A-Z_]+=', word))
        self.variables = dict(word.split('=', 1) for word in words[:number])
        self.words = words[number:]

    def run(self) -> str:
        """Run the command on small data, and return its output."""
        program, *rest = self.words
        if program == 'torchrun':
            options = [word for word in rest if word.startswith('--nproc')]
            module = rest[len(options) : rest.index('mmdet')]
            assert rest[: len(options)] == options and module == ['-m', 'ssd_plugin']
            rest = ['mmdet', *shortened('mmdet', rest[rest.index('mmdet') + 1 :])]
            launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=1']
            return self._run_fresh(sys.executable, *launcher, *module, *rest)
        if program == 'bash' and rest[0] == 'tools/dist_train.sh':
            script, path, _, *options = rest
            path, *options = shortened('train', [path, *options])
            return self._run_fresh('bash', script, path, '2', *options)
        assert program == 'python', f'tests/docs/test_commands.py does not know how to run {self.words}'
        if rest[:2] == ['-m', 'ssd_plugin']:
            arguments = rest[2:3] + (shortened(rest[2], rest[3:]) if rest[2:] else [])
            return checked(run_python_in(self.folder, '-m', 'ssd_plugin', *arguments, **self.variables))
        tool = Path(rest[0])
        assert tool.parent == Path('tools') and tool.suffix == '.py', rest[0]
        if tool.stem == 'prepare_data' and rest[1] not in ('lists', 'split'):
            return prepare_small(self.folder, rest[1:])
        return checked(run_python_in(self.folder, str(tool), *shortened(tool.stem, rest[1:]), **self.variables))

    def _run_fresh(self, *words: str) -> str:
        environment = {**os.environ, **script_interpreters(), 'OMP_NUM_THREADS': '1', **self.variables}
        result = subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
        return checked(result)

    def check(self) -> None:
        """Parse the arguments of a command that is not run."""
        program, *rest = self.words
        if program == 'pip':
            check_pip(rest)
        elif program == 'source':
            assert rest == ['.venv/bin/activate'] and 'VENV=.venv\n' in (ROOT / 'tools/test.sh').read_text()
        elif program == 'bash' and rest[0].startswith(('tools/dist_', 'tools/slurm_')):
            tool, arguments = self._forwarded(rest)
            load(tool, arguments)
        elif program == 'bash':
            script = self.folder / rest[0]
            assert subprocess.run(['bash', '-n', script]).returncode == 0
            assert all(re.search(rf'(?<![\w-]){word}(?![\w-])', script.read_text()) for word in rest[1:]), rest
        else:
            assert program == 'python'
            parsed(self.folder / rest[0], rest[1:])

    def _forwarded(self, words: list[str]) -> tuple[Path, list[str]]:
        """Run a script that starts processes with a program that prints its arguments; return tool and arguments."""
        for name in ('srun', 'python'):
            (self.folder / name).write_text(ECHO)
            (self.folder / name).chmod(0o755)
        environment = {**os.environ, **self.variables, 'PYTHON': str(self.folder / 'python')}
        environment['PATH'] = f'{self.folder}:{environment["PATH"]}'
        result = subprocess.run(['bash', *words], cwd=self.folder, env=environment, capture_output=True, text=True)
        arguments = checked(result).splitlines()
        if 'dist_run.py' in arguments[0]:
            given = parse_torchrun(arguments[1:])
            return Path(given.training_script), given.training_script_args
        number = next(n for n, word in enumerate(arguments) if word.endswith('/train.py'))
        return Path(arguments[number]), arguments[number + 1 :]


def checked(result: subprocess.CompletedProcess) -> str:
    """Return what a program has printed if it has succeeded."""
    text = result.stdout + result.stderr
    assert result.returncode == 0 and 'Traceback' not in text, text[-3000:]
    return result.stdout


def check_pip(words: list[str]) -> None:
    """Check what pip would install: this folder, or its wheel, with extras that exist."""
    extras = re.findall(r'^(\w+) = \[', (ROOT / 'pyproject.toml').read_text(), re.MULTILINE)
    wheel = re.escape(f'ssd_plugin-{__version__}-py3-none-any.whl')
    for word in words[1:]:
        found = re.fullmatch(rf'-e|--no-deps|(?:\.|{wheel})(?:\[(\w+)\])?', word)
        assert found and found[1] in (None, *extras), words


def parsed(tool: Path, arguments: list[str]):
    """Return what a tool makes of its arguments, which raises SystemExit if it does not accept them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [str(tool), *arguments])
        return runpy.run_path(str(tool), run_name='tool')['parse_args']()


def load(tool: Path, arguments: list[str]) -> None:
    """Load the config of a run, and check its data, as the tool does before it begins."""
    with pytest.MonkeyPatch.context() as patch:
        # load_config sets it.
        patch.setenv('LOCAL_RANK', '0')
        load_config(parsed(tool, arguments), ('train', 'val') if tool.stem == 'train' else ('test',))


def prepare_small(folder: Path, arguments: list[str]) -> str:
    """Run ``prepare_data.py`` with small archives of VOC from a local server."""
    archives = folder / 'archives'
    archives.mkdir()
    for name in ('trainval_06-Nov-2007', 'test_06-Nov-2007', 'trainval_11-May-2012'):
        with tarfile.open(archives / f'VOC{name}.tar', 'w') as archive:
            year = f'VOCdevkit/VOC{name[-4:]}'
            archive.add(folder / 'data' / year, year)
    (folder / 'data').rename(folder / 'original')
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in archives.iterdir()}
    lists = (folder / 'original/VOCdevkit').glob('*/ImageSets/Main/*.txt')
    contents = {'/'.join(path.parts[-4:]): len(path.read_text().split()) for path in lists}
    handler = functools.partial(QuietHandler, directory=str(archives))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (folder / 'small_downloads.py').write_text(SMALL_DOWNLOADS)
        values = [f'http://127.0.0.1:{server.server_address[1]}', sums, contents]
        result = run_python_in(
            folder, 'small_downloads.py', 'tools/prepare_data.py', *map(json.dumps, values), *arguments
        )
        server.shutdown()
    return checked(result)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a log."""

    def log_message(self, *args):
        pass


@pytest.mark.slow
@pytest.mark.parametrize('block', SHELL, ids=str)
def test_commands_run(block, sandbox):
    output = ''
    for line in block.text.splitlines():
        if block.text.startswith('$ ') and not line.startswith('$ '):
            assert line in output
            continue
        command = Command(line.removeprefix('$ '), sandbox)
        if any(re.search(pattern, line) for pattern in NOT_RUN):
            command.check()
        else:
            output = command.run()


def test_each_exception_is_needed():
    assert all(any(re.search(pattern, block.text) for block in SHELL) for pattern in NOT_RUN)


@pytest.mark.parametrize(
    'line',
    ['make all', 'python tools/none.py', 'python tools/train.py configs/none.py', 'python tools/detect.py UNKNOWN'],
)
def test_a_command_that_does_not_work_is_found(line, sandbox):
    with pytest.raises((AssertionError, SystemExit, UserError)):
        Command(line, sandbox).run()


@pytest.mark.parametrize(
    'line',
    [
        'pip install ".[all]"',
        'bash tools/setup_env.sh --everything',
        'python tools/benchmark.py startup --none',
        'NNODES=2 bash tools/dist_train.sh CONFIG 8 --none',
        'NNODES=2 bash tools/dist_train.sh configs/none.py 8',
        'bash tools/slurm_train.sh PARTITION JOB',
    ],
)
def test_arguments_of_a_command_that_is_not_run_are_checked(line, sandbox):
    with pytest.raises((AssertionError, SystemExit, UserError)):
        Command(line, sandbox).check()
