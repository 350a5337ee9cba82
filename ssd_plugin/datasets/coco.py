"""COCO, read once on a machine."""

import fcntl
import hashlib
import logging
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ssd_plugin.errors import UnusableData

from .augment_option import AugmentOption
from .coco_table import INCOMPLETE, VERSION, CocoTable, build
from .unusable_data import MAX_SHARE


@DATASETS.register_module()
class SharedCocoDataset(AugmentOption, CocoDataset):
    """MMDetection's ``CocoDataset`` for boxes, whose annotation is parsed once on a machine, by a process of its own, and mapped into
    the memory of all ranks and workers. The next run finds it parsed, until the file changes. The annotations that MMDetection's rules
    leave out are counted in the log, and in training those that lack something, too. Masks are not kept.

    Args:
        cache_dir: folder for what was parsed; by default a folder of the user's in the system's for temporary files.
        max_broken: share of the annotations, or images, above which it is an error that they cannot be used.
        kwargs: as of ``CocoDataset``.
    """

    def __init__(self, *args, cache_dir: str | None = None, max_broken: float = MAX_SHARE, **kwargs):
        self.max_broken = max_broken
        self.cache_dir = Path(cache_dir or os.path.join(tempfile.gettempdir(), f'ssd_plugin-{os.getuid()}'))
        # What is mapped needs no other form.
        super().__init__(*args, **{**kwargs, 'serialize_data': False})

    def load_data_list(self) -> Sequence[dict]:
        """The images that are left after filtering, which are made into dictionaries when they are asked for.

        Raises:
            UnusableData: the annotation cannot be read, or the share of what cannot be used is above the limit.
        """
        filters = {} if self.test_mode else self.filter_cfg or {}
        options = dict(
            classes=list(self.metainfo['classes']),
            filter_empty=filters.get('filter_empty_gt', False),
            min_size=filters.get('min_size', 0),
            strict=self.test_mode,
        )
        self.table = table = CocoTable(self._parsed(Path(self.ann_file), options))
        self.cat_ids = table.categories
        self.cat2label = {category: label for label, category in enumerate(table.categories)}
        reasons = ', '.join(f'{count} {reason}' for reason, count in table.dropped.items())
        left_out = [('annotations', table.broken, sum(table.dropped.values()), f': {reasons}')]
        left_out += [
            (key, table.incomplete[key], table.incomplete[key], f' that are {INCOMPLETE}')
            for key in ('images', 'categories')
        ]
        for key, broken, number, why in left_out:
            if broken > self.max_broken * table.totals[key] and not self.test_mode:
                raise UnusableData(
                    f'{broken} of the {table.totals[key]} {key} of {self.ann_file} cannot be used, more than the '
                    f'{self.max_broken:.0%} that {type(self).__name__} allows (max_broken){why}'
                )
            if number:
                print_log(f'{self.ann_file}: {number} {key} are left out{why}', 'current', logging.WARNING)
        return _Images(table, self)

    def filter_data(self) -> Sequence[dict]:
        """They are filtered already."""
        return self.data_list

    def get_data_info(self, idx: int) -> dict:
        """Annotation of an image, as of ``CocoDataset``."""
        self.full_init()
        return {**self.data_list[idx], 'sample_idx': range(len(self))[idx]}

    def _parsed(self, source: Path, options: dict) -> Path:
        """Folder with the arrays; the first process that comes makes it, others wait for it."""
        about = source.stat()
        place, state, wanted = (
            hashlib.sha256(repr(part).encode()).hexdigest()[:12]
            for part in (str(source.resolve()), (about.st_size, about.st_mtime_ns), (VERSION, sorted(options.items())))
        )
        folder = self.cache_dir / f'{source.stem}-{place}-{state}-{wanted}'
        try:
            self.cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self.cache_dir / f'{source.stem}-{place}.lock', 'w') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    # Of the file as it was before; whoever still maps that keeps it.
                    for old in set(self.cache_dir.glob(f'*-{place}-*')) - set(
                        self.cache_dir.glob(f'*-{place}-{state}-*')
                    ):
                        shutil.rmtree(old, ignore_errors=True)
                    self._parse(source, folder, options)
        except (ValueError, RecursionError) as error:
            raise UnusableData(f'the annotation {source} cannot be used: {error}') from error
        except OSError as error:
            raise OSError(
                f'what was parsed of {source} cannot be written to {self.cache_dir}: {error}. Name another folder as the '
                "data set's cache_dir"
            ) from error
        return folder

    @staticmethod
    def _parse(source: Path, folder: Path, options: dict) -> None:
        """In a process that ends with it, so that the memory it took is free again. A loader's worker may start none."""
        if multiprocessing.current_process().daemon:
            build(source, folder, **options)
            return
        with ProcessPoolExecutor(1, multiprocessing.get_context('fork')) as pool:
            pool.submit(build, source, folder, **options).result()


class _Images(Sequence):
    """MMDetection's dictionaries of images, made from a table."""

    def __init__(self, table: CocoTable, dataset: SharedCocoDataset):
        self.table = table
        self.folder = dataset.data_prefix['img']
        self.more = (
            dict(text=dataset.metainfo['classes'], caption_prompt=dataset.caption_prompt, custom_entities=True)
            if dataset.return_classes
            else {}
        )

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        table, index = self.table, range(len(self))[index]
        first, last = table.starts[index : index + 2]
        rows = zip(
            table.boxes[first:last].tolist(), table.labels[first:last].tolist(), table.crowd[first:last].tolist()
        )
        width, height = table.sizes[index].tolist()
        return dict(
            img_path=os.path.join(self.folder, table.name(index)),
            img_id=table.id(index),
            seg_map_path=None,
            height=height,
            width=width,
            **self.more,
            instances=[dict(ignore_flag=int(crowd), bbox=box, bbox_label=label) for box, label, crowd in rows],
        )
