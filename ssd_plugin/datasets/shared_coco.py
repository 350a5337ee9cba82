"""COCO, read once on a machine."""
import fcntl
import hashlib
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from .coco_table import VERSION, CocoTable, build


@DATASETS.register_module()
class SharedCocoDataset(CocoDataset):
    """MMDetection's ``CocoDataset`` for boxes, whose annotation is parsed once on a machine, by a process of its own, and mapped into
    the memory of all ranks and workers. The next run finds it parsed. The annotations that MMDetection's rules leave out are counted
    in the log. Masks are not kept.

    Args:
        cache_dir: folder for what was parsed; by default a folder of the user's in the system's for temporary files.
        kwargs: as of ``CocoDataset``.
    """

    def __init__(self, *args, cache_dir: str | None = None, **kwargs):
        self.cache_dir = Path(cache_dir or os.path.join(tempfile.gettempdir(), f'ssd_plugin-{os.getuid()}'))
        # What is mapped needs no other form.
        super().__init__(*args, **{**kwargs, 'serialize_data': False})

    def load_data_list(self) -> Sequence[dict]:
        """The images that are left after filtering, which are made into dictionaries when they are asked for."""
        filters = {} if self.test_mode else self.filter_cfg or {}
        options = dict(
            classes=list(self.metainfo['classes']),
            filter_empty=filters.get('filter_empty_gt', False),
            min_size=filters.get('min_size', 0))
        self.table = table = CocoTable(self._parsed(Path(self.ann_file), options))
        self.cat_ids = table.categories
        self.cat2label = {category: label for label, category in enumerate(table.categories)}
        if table.dropped:
            print_log(f'{self.ann_file}: {sum(table.dropped.values())} annotations are left out: ' +
                      ', '.join(f'{count} {reason}' for reason, count in table.dropped.items()), 'current', logging.WARNING)
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
        key = repr((VERSION, str(source.resolve()), about.st_size, about.st_mtime_ns, sorted(options.items())))
        folder = self.cache_dir / f'{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}'
        try:
            self.cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(folder.with_suffix('.lock'), 'w') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    self._parse(source, folder, options)
        except (ValueError, KeyError) as error:
            raise type(error)(f'the annotation {source} cannot be used: {error}') from error
        except OSError as error:
            raise OSError(f'what was parsed of {source} cannot be written to {self.cache_dir}: {error}. Name another folder as the '
                          "data set's cache_dir") from error
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
        self.more = dict(
            text=dataset.metainfo['classes'], caption_prompt=dataset.caption_prompt,
            custom_entities=True) if dataset.return_classes else {}

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        table, index = self.table, range(len(self))[index]
        first, last = table.starts[index:index + 2]
        rows = zip(table.boxes[first:last].tolist(), table.labels[first:last].tolist(), table.crowd[first:last].tolist())
        width, height = table.sizes[index].tolist()
        return dict(
            img_path=os.path.join(self.folder, table.name(index)),
            img_id=table.ids[index].item(),
            seg_map_path=None,
            height=height,
            width=width,
            **self.more,
            instances=[dict(ignore_flag=int(crowd), bbox=box, bbox_label=label) for box, label, crowd in rows])
