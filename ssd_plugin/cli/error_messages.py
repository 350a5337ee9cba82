"""Errors as one line that names the path, the config key and the remedy, where a traceback would say less."""

import errno
import json
import os
import pickle
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from mmengine.config import Config

from ssd_plugin.analysis import dataset_sources
from ssd_plugin.configs import datasets_of_splits
from ssd_plugin.engine.checkpointing.checkpoint_integrity import refused_code
from ssd_plugin.errors import UnusableData, UserError

from .data_paths import DATA_REMEDY
from .interrupts import INTERRUPTED_STATUS, MESSAGE
from .unexpected_errors import unexpected

# Errors of the operating system that say everything: the disk is full, or something may not be written.
_DENIED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}

# Texts of gloo and NCCL when a peer is gone, or does not answer within the timeout.
_LOST_RANK = re.compile(
    r'Connection (?:closed|reset|refused) by peer|Connection reset|Timed out waiting|wait timeout|Broken pipe|'
    r'NCCL (?:error|communicator)|remote (?:process|error)|Watchdog caught|Application timeout',
    re.IGNORECASE,
)


def exit_on_user_error(main: Callable[[], int | None], error_status: int = 1) -> None:
    """Run the main function of a tool, and exit.

    A :class:`UserError` is printed to stderr as ``error: MESSAGE``, without a traceback. So is any other error, whose
    traceback is written to the log file of the run, or to a temporary file. Ctrl-C ends in one line.

    Args:
        main: Main function; it may return an exit status.
        error_status: Exit status after an error.

    Raises:
        SystemExit: With the status of ``main``, if that is not 0 or ``None``, or with ``error_status``.
    """
    try:
        status = main()
    except Exception as error:
        line = error if isinstance(error, UserError) else _of_system(error) or unexpected(error)
        print(f'error: {line}', file=sys.stderr)
        status = error_status
    except KeyboardInterrupt:
        print(MESSAGE, file=sys.stderr)
        status = INTERRUPTED_STATUS
    if status:
        sys.exit(status)


def _of_system(error: Exception) -> str | None:
    """Return the message for a full disk or a file without permission, ``None`` for another error."""
    if not isinstance(error, OSError) or error.errno not in _DENIED:
        return None
    return f'{error.filename or "a file cannot be written"}: {error.strerror}'


@contextmanager
def explained(cfg: Config, checkpoint: str | None = None, in_tool: bool = False) -> Iterator[None]:
    """Convert errors that bad data and files cause deep inside MMEngine, MMDetection or a worker to :class:`UserError`.

    Args:
        cfg: Config of the run.
        checkpoint: Checkpoint being loaded, for the message about a damaged file.
        in_tool: Whether a command-line tool runs, which shows the user one line for any error.

    Raises:
        UserError: An error inside the block could be explained; others are raised as they are, except in a tool.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        message = _explain(error, cfg, checkpoint) or _of_system(error)
        if message is None and not in_tool:
            raise
        raise (unexpected(error, cfg) if message is None else UserError(message)) from error


def _explain(error: Exception, cfg: Config, checkpoint: str | None) -> str | None:
    """Return a message for the user, or ``None`` for an error of another kind."""
    text = str(error)
    if isinstance(error, URLError):
        return (
            f'the pretrained weights could not be downloaded: {error.reason}. The config names them in an init_cfg; '
            'set its checkpoint to the path of a copy, for example model.backbone.init_cfg.checkpoint=FILE, or train '
            'from scratch with model.backbone.init_cfg=None'
        )
    if isinstance(error, UnusableData):
        # The message of an error in a dataloader's worker is the traceback there.
        reason = text.split('UnusableData: ')[-1].strip()
        return f'{reason}. tools/check_dataset.py shows what is wrong, and where'
    if isinstance(error, RuntimeError) and int(os.environ.get('WORLD_SIZE', 1)) > 1 and _LOST_RANK.search(text):
        return _lost_rank(text)
    if isinstance(error, FileNotFoundError):
        missing = re.search(r"No such file or directory: '([^']+)'", text)
        if not missing:
            return text
        path = missing.group(1)
        return (
            f'{path} is missing, although {_source(cfg, path)} lists it. Restore the file or remove it from the list. '
            f'{DATA_REMEDY}'
        )
    if isinstance(error, (ET.ParseError, json.JSONDecodeError)):
        return '; '.join(_broken_annotations(cfg)) or None
    if 'need at least one array to concatenate' in text:
        return _no_objects(cfg)
    if (
        isinstance(error, (pickle.UnpicklingError, EOFError))
        or 'PytorchStreamReader' in text
        or 'central directory' in text
    ):
        where = checkpoint or f'in {cfg.get("work_dir")}'
        code = refused_code(text)
        if code:
            return f'the checkpoint {where} is refused: it holds more than weights and could run code ({code})'
        return f'the checkpoint {where} is damaged or not a checkpoint: {text.splitlines()[0]}'
    return None


def _lost_rank(text: str) -> str:
    """Return the message for a rank that has lost the connection to another one."""
    reason = next((line for line in text.splitlines() if _LOST_RANK.search(line)), '')
    return (
        f'rank {os.environ.get("RANK")} of {os.environ["WORLD_SIZE"]} has lost another rank, which has died, hangs or '
        f'is on an unreachable machine: {reason.strip()}. The job ends; --resume continues from the newest checkpoint. '
        'The last output of that rank says why it ended'
    )


def _no_objects(cfg: Config) -> str:
    """Return the message for a training dataset without objects, whose annotations MMEngine fails to pack."""
    datasets = '; '.join(
        f'{key}: {os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")}, classes '
        f'{(dataset.get("metainfo") or {}).get("classes")}'
        for key, dataset in datasets_of_splits(cfg, ('train',))
    )
    return (
        'a dataset has no image with an object of the configured classes. Check that metainfo.classes in the config '
        f'matches the names in the annotations, and that the list of images is not empty. {datasets}'
    )


def _source(cfg: Config, path: str) -> str:
    """Return the list that names a file, with its config key."""
    # The name between characters of no name, with or without its suffix.
    name = re.compile(rf'(?<![\w.-]){re.escape(Path(path).stem)}(?![\w-])'.encode())
    for key, dataset in datasets_of_splits(cfg):
        root, ann_file = dataset.get('data_root'), dataset.get('ann_file')
        if root and ann_file and os.path.abspath(path).startswith(os.path.abspath(root) + os.sep):
            listing = Path(root, ann_file)
            if listing.is_file() and name.search(listing.read_bytes()):
                return f'{listing} ({key}.ann_file)'
    return 'the dataset'


def _broken_annotations(cfg: Config) -> Iterator[str]:
    """Yield a message for the first annotation file of each dataset that cannot be parsed."""
    try:
        for _, annotations in dataset_sources.of_config(cfg):
            issue = next((issue for issue in annotations.issues if issue.kind == 'unreadable annotation'), None)
            if issue:
                yield f'the annotation {issue}. Restore it, or remove its image from the list'
    except UserError:
        # A dataset in a format that the readers do not know.
        return
