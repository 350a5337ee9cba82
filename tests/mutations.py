"""Trainings of one iteration with random mistakes in their config: each must train, or end with one line.

``python -m tests.mutations CONFIG DATA_ROOT [--count 2000] [--seed 0] [--processes 2] [--out FILE.json]``, for example
with ``ssd_plugin::bccd/ssd_depthwise_bccd.py data/bccd``, changes one random setting of the config in each run: it is
dropped, misspelt, of another type or another number. A run fails if it ends with a traceback, with more than one line
of error, by a signal, or not within the time limit.
"""

import argparse
import copy
import json
import math
import os
import random
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == '__main__':
    import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmengine.config import Config

from ssd_plugin.configs import RUNNER_KEYS, read_config
from tests.support import ROOT, tool_server
from tests.tool_client import ForkedProgram

TIME_LIMIT = 120
# Bytes of data that a run may allocate: a size with three more zeros would otherwise have the kernel end it.
MEMORY_LIMIT = 6 << 30
QUICK = {
    'train_cfg.max_iters': 1,
    'train_dataloader.batch_size': 2,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset.indices': 4,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'val_dataloader.dataset.indices': 2,
}
OTHER_TYPES = ('text', 3, 0.5, None, True, [], [1, 2], {}, dict(type='Text'))


class Outcome(NamedTuple):
    """Result of a run.

    Attributes:
        mutation: What was changed.
        kind: ``'trains'``, ``'line'``, ``'unforeseen'`` (one line that no check gave), or why it fails.
        line: The last line of the error.
    """

    mutation: str
    kind: str
    line: str


def quick_config(path: str, data_root: str) -> Config:
    """Return a config whose training takes a second."""
    cfg = read_config(path, dict(data_root=data_root, **QUICK))
    return Config({key: value for key, value in cfg.items() if key in RUNNER_KEYS})


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every setting inside a value of a config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutated(cfg: Config, source: random.Random) -> tuple[str, Config]:
    """Return a copy of a config with one random mistake, and its description."""
    settings = copy.deepcopy(cfg.to_dict())
    path = source.choice(list(places(settings)))
    parent = settings
    for key in path[:-1]:
        parent = parent[key]
    name, value = path[-1], parent[path[-1]]
    key = '.'.join(map(str, path))
    kinds = ['drop', 'type'] + ['misspell'] * isinstance(name, str) + ['number'] * (type(value) in (int, float))
    kind = source.choice(kinds)
    if kind == 'drop':
        del parent[name]
        text = f'without {key}'
    elif kind == 'misspell':
        at = source.randrange(len(name))
        other = source.choice((name[:at] + name[at + 1 :], name[:at] + name[at] * 2 + name[at + 1 :], f'{name}s'))
        parent[other] = parent.pop(name)
        text = f'{key} as {other}'
    else:
        if kind == 'number':
            choices = (0, -1, -value, value * 10, value / 10, value * 1000, 0.5, math.nan)
            others = [other for other in choices if other != value]
        else:
            others = [other for other in OTHER_TYPES if type(other) is not type(value)]
        parent[name] = source.choice(others)
        text = f'{key}={parent[name]!r}, was {value!r}'
    loop = settings.get('train_cfg')
    if isinstance(loop, dict) and type(loop.get('max_iters')) in (int, float) and loop['max_iters'] > 1:
        loop['max_iters'] = 1
    return text, Config(settings)


def run(mutation: str, cfg: Config, folder: Path) -> Outcome:
    """Train with a config in an empty folder, which is removed."""
    folder.mkdir()
    config = folder / 'mutated.py'
    # Not by Config.dump, which formats the text and cannot write nan.
    config.write_text(
        'nan = float("nan")\n' + ''.join(f'{key} = {value!r}\n' for key, value in cfg.to_dict().items()) + 'del nan\n'
    )
    output, errors = folder / 'output', folder / 'errors'
    with open(os.devnull) as nothing, open(output, 'w') as out, open(errors, 'w') as err:
        command = [str(ROOT / 'tools/train.py'), str(config), '--work-dir', str(folder / 'run')]
        streams = [file.fileno() for file in (nothing, out, err)]
        program = ForkedProgram(tool_server.address, command, folder, {**os.environ, 'OMP_NUM_THREADS': '1'}, streams)
        resource.prlimit(program.pid, resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
        try:
            status = program.wait(TIME_LIMIT)
        except TimeoutError:
            status = None
    text = errors.read_text()
    lines = [line for line in text.splitlines() if line.startswith('error: ')]
    last = lines[-1] if lines else (text.strip().splitlines() or [''])[-1]
    if status is None:
        kind = 'hangs'
    elif 'Traceback' in text + output.read_text():
        kind = 'traceback'
    elif status == 0:
        kind, last = 'trains', ''
    elif status != 1 or len(lines) != 1:
        kind = f'status {status}, {len(lines)} line(s)'
    else:
        kind = 'unforeseen' if 'The traceback is in' in last else 'line'
    shutil.rmtree(folder)
    return Outcome(mutation, kind, last)


def run_many(cfg: Config, count: int, seed: int, processes: int = 1) -> list[Outcome]:
    """Train with random mistakes, and return the outcomes."""
    source = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as pool:
        futures = [pool.submit(run, *mutated(cfg, source), folder=Path(folder, str(number))) for number in range(count)]
        results = []
        for number, future in enumerate(futures):
            results.append(future.result())
            if results[-1].kind not in ('trains', 'line'):
                print(number, *results[-1], sep=' | ', flush=True)
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description='Train with random mistakes in a config.')
    parser.add_argument('config')
    parser.add_argument('data_root')
    parser.add_argument('--count', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--out', type=Path, help='write all outcomes to this JSON file')
    args = parser.parse_args()
    cfg = quick_config(args.config, str(Path(args.data_root).resolve()))
    try:
        outcomes = run_many(cfg, args.count, args.seed, args.processes)
    finally:
        tool_server.close()
    if args.out:
        args.out.write_text(json.dumps([outcome._asdict() for outcome in outcomes], indent=1))
    counts = Counter(outcome.kind for outcome in outcomes)
    print(', '.join(f'{kind}: {number}' for kind, number in counts.most_common()))
    sys.exit(bool(set(counts) - {'trains', 'line', 'unforeseen'}))


if __name__ == '__main__':
    main()
