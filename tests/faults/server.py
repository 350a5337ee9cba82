"""Starts training runs as processes that have imported everything already: lines of JSON in, lines of JSON out.

{"argv": [...], "log": FILE, "slow_saves": SECONDS, "slow_validation": SECONDS} starts tools/train.py, with a pause in the middle of each, and
gives {"pid": N}; {"wait": N} gives {"status": N}.
"""

import json
import os
import runpy
import sys
import time
from pathlib import Path

# What imports print is no answer.
ANSWERS = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)

import ssd_plugin  # noqa: E402,F401 - first: makes MMDetection importable

# isort: split
import torch  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402
from mmengine.runner import ValLoop  # noqa: E402

from ssd_plugin.engine.checkpointing.atomic_backend import AtomicBackend  # noqa: E402
from ssd_plugin.files import PART

TRAIN = str(Path(__file__).resolve().parents[2] / 'tools' / 'train.py')


def put_slowly(self, obj, filepath, seconds):
    """As ``AtomicBackend.put``, with a pause when half is written."""
    path = Path(filepath)
    part = path.with_name(PART.format(path.name))
    with open(part, 'wb') as file:
        file.write(obj[: len(obj) // 2])
        file.flush()
        time.sleep(seconds)
        file.write(obj[len(obj) // 2 :])
    os.replace(part, path)


def train(command):
    log = os.open(command['log'], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if command.get('slow_saves'):
        AtomicBackend.put = lambda self, obj, path: put_slowly(self, obj, path, command['slow_saves'])
    if command.get('slow_validation'):
        validate = ValLoop.run
        ValLoop.run = lambda self: time.sleep(command['slow_validation']) or validate(self)
    sys.argv = [TRAIN, *command['argv']]
    status = 0
    try:
        runpy.run_path(TRAIN, run_name='__main__')
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, flush=True)
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    # Workers of loaders are children, to be ended as an interpreter that exits does.
    import multiprocessing.util

    multiprocessing.util._exit_function()
    os._exit(status)


def main():
    torch.set_num_threads(1)
    register_all_modules()
    for line in sys.stdin:
        command = json.loads(line)
        if 'wait' in command:
            _, status = os.waitpid(command['wait'], 0)
            answer = dict(status=os.waitstatus_to_exitcode(status))
        else:
            pid = os.fork()
            if pid == 0:
                train(command)
            answer = dict(pid=pid)
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == '__main__':
    main()
