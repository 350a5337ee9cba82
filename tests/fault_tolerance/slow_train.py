"""Run ``tools/train.py`` with pauses.

The variables SLOW_SAVES and SLOW_VALIDATION are the seconds in the middle of each write of a checkpoint and before each
validation.
"""

import os
import runpy
import time
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmengine.runner import ValLoop

from ssd_plugin.engine.checkpointing.atomic_backend import AtomicBackend
from ssd_plugin.files import PART

SLOW_SAVES, SLOW_VALIDATION = (float(os.environ[name]) for name in ('SLOW_SAVES', 'SLOW_VALIDATION'))
validate = ValLoop.run


def put_slowly(self, obj: bytes, filepath: str) -> None:
    """As ``AtomicBackend.put``, with a pause when half is written."""
    path = Path(filepath)
    part = path.with_name(PART.format(path.name))
    with open(part, 'wb') as file:
        file.write(obj[: len(obj) // 2])
        file.flush()
        time.sleep(SLOW_SAVES)
        file.write(obj[len(obj) // 2 :])
    os.replace(part, path)


def validate_late(self) -> dict:
    time.sleep(SLOW_VALIDATION)
    return validate(self)


if __name__ == '__main__':
    if SLOW_SAVES:
        AtomicBackend.put = put_slowly
    ValLoop.run = validate_late
    runpy.run_path(str(Path(__file__).resolve().parents[2] / 'tools/train.py'), run_name='__main__')
