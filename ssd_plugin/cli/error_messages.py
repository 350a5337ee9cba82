"""Errors for people: one message that names the path, the config key and what to do, where a traceback would say less."""

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

from ssd_plugin.configs import configured_datasets
from ssd_plugin.engine.checkpointing.checkpoint_integrity import what_could_run
from ssd_plugin.errors import UnusableData, UserError

from .data_paths import DATA_REMEDY

# What gloo and NCCL say when a peer is gone, or does not answer within the timeout.
_LOST_RANK = re.compile(
    r'Connection (?:closed|reset|refused) by peer|Connection reset|Timed out waiting|wait timeout|Broken pipe|NCCL (?:error|communicator)|'
    r'remote (?:process|error)|Watchdog caught|Application timeout',
    re.IGNORECASE,
)


def exit_on_user_error(main: Callable[[], None]) -> None:
    """Run ``main``; a :class:`UserError` ends the program with its message and status 1."""
    try:
        main()
    except UserError as error:
        sys.exit(f'error: {error}')


@contextmanager
def explained(cfg: Config, checkpoint: str | None = None) -> Iterator[None]:
    """Turn the errors that bad data and bad files cause, deep in MMEngine, MMDetection or a worker, into :class:`UserError`.

    Args:
        cfg: the config that runs.
        checkpoint: what is being loaded, for the message about a damaged file.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever is not recognised is raised again
        message = _explain(error, cfg, checkpoint)
        if message is None:
            raise
        raise UserError(message) from error


def _explain(error: Exception, cfg: Config, checkpoint: str | None) -> str | None:
    text = str(error)
    if isinstance(error, URLError):
        return (
            f'the weights that the model starts from could not be downloaded: {error.reason}. The config names them in an '
            'init_cfg; give the path of a copy as its checkpoint, say model.backbone.init_cfg.checkpoint=FILE, or train from '
            'scratch with model.backbone.init_cfg=None'
        )
    if isinstance(error, UnusableData):
        # A loader's worker sends its traceback as the message.
        return text.split('UnusableData: ')[-1].strip() + '. tools/check_dataset.py says what is wrong, and where'
    if isinstance(error, RuntimeError) and int(os.environ.get('WORLD_SIZE', 1)) > 1 and _LOST_RANK.search(text):
        reason = next((line for line in text.splitlines() if _LOST_RANK.search(line)), '')
        return (
            f'rank {os.environ.get("RANK")} of {os.environ["WORLD_SIZE"]} has lost another rank, which died, hangs, or whose '
            f'machine cannot be reached: {reason.strip()}. The job ends; --resume goes on from the newest checkpoint. Why that rank '
            'ended is in what it printed last'
        )
    missing = re.search(r"No such file or directory: '([^']+)'", text)
    if isinstance(error, FileNotFoundError):
        if not missing:
            return text
        path = missing.group(1)
        return f'{path} is missing, although {_source(cfg, path)} lists it. Restore the file or take it off the list. {DATA_REMEDY}'
    broken = re.search(r'failed to load image: (\S+)', text)
    if broken:
        return f'the image {broken.group(1)} cannot be read: it is empty, cut off, or no image. Restore it or take it off the list'
    if isinstance(error, (ET.ParseError, json.JSONDecodeError)):
        return '; '.join(_broken_annotations(cfg)) or None
    if 'need at least one array to concatenate' in text:  # MMEngine packs the annotations of a data set that has none
        return (
            'a data set has no image with an object of the wanted classes. Do metainfo.classes of the config match the names '
            'in the annotations, and does the list of images name any? '
            + '; '.join(
                f'{key}: {os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")}, classes '
                f'{(dataset.get("metainfo") or {}).get("classes")}'
                for key, dataset in configured_datasets(cfg, ('train',))
            )
        )
    damaged = (
        isinstance(error, (pickle.UnpicklingError, EOFError))
        or 'PytorchStreamReader' in text
        or 'central directory' in text
    )
    if damaged:
        where = checkpoint or f'in {cfg.get("work_dir")}'
        foreign = what_could_run(text)
        if foreign:
            return f'the checkpoint {where} is refused: it holds more than weights and could run code ({foreign})'
        return f'the checkpoint {where} is damaged or no checkpoint: {text.splitlines()[0]}'
    return None


def _source(cfg: Config, path: str) -> str:
    """The config key of the data set that a file belongs to."""
    for key, dataset in configured_datasets(cfg, ('train', 'val', 'test')):
        root = dataset.get('data_root')
        if root and os.path.abspath(path).startswith(os.path.abspath(root) + os.sep):
            return f'{os.path.join(root, dataset.get("ann_file") or "")} ({key}.ann_file)'
    return 'the data set'


def _broken_annotations(cfg: Config) -> Iterator[str]:
    """What is wrong with annotation files that cannot be parsed, one text each; at most one of each data set."""
    for key, dataset in configured_datasets(cfg, ('train', 'val', 'test')):
        root = Path(dataset.get('data_root') or '')
        annotation = root / (dataset.get('ann_file') or '')
        try:
            if annotation.suffix == '.json':
                json.loads(annotation.read_text(encoding='utf-8'))
                continue
            folder = (
                root
                / (dataset.get('data_prefix') or {}).get('sub_data_root', '')
                / dataset.get('ann_subdir', 'Annotations')
            )
            for name in annotation.read_text(encoding='utf-8').split():
                annotation = folder / f'{name}.xml'
                ET.parse(annotation)
        except (ET.ParseError, ValueError) as error:
            yield f'the annotation {annotation} cannot be read ({key}): {error}. Restore it, or take the image off the list'
        except OSError:
            continue
