"""COCO, parsed once per machine and memory-mapped by its processes."""

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
from typing import Any, overload

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ssd_plugin.configs import pipeline_steps
from ssd_plugin.errors import UnusableData
from ssd_plugin.option_ranges import check_fractions

from .annotations.coco_table import INCOMPLETE, VERSION, CocoTable, build
from .augment_option import AugmentOption
from .ground_truth import BoxTable, collect_boxes
from .unusable_data import MAX_FRACTION, excess


@DATASETS.register_module()
class SharedCocoDataset(AugmentOption, CocoDataset):
    """``CocoDataset`` whose annotation is parsed once and shared by all processes of a machine.

    A process of its own parses the file into arrays, which all ranks and workers map into their memory. Later runs
    reuse them until the file changes. Annotations that MMDetection's rules skip are counted in the log, and so are
    incomplete entries, which are an error in test mode. Masks are kept for a pipeline that loads them.

    Args:
        cache_dir: Folder for the parsed arrays. By default a folder per user in the system's temporary folder.
        max_broken: Fraction of unusable annotations, images or categories above which training does not start.
        kwargs: Arguments of ``CocoDataset``.
    """

    def __init__(
        self, *args: Any, cache_dir: str | None = None, max_broken: float = MAX_FRACTION, **kwargs: Any
    ) -> None:
        check_fractions(max_broken=max_broken)
        self.max_broken = max_broken
        self.cache_dir = Path(cache_dir or os.path.join(tempfile.gettempdir(), f'ssd_plugin-{os.getuid()}'))
        # Memory-mapped arrays need no serialization.
        kwargs['serialize_data'] = False
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> Sequence[dict]:
        """Return the images that remain after filtering, whose dictionaries are made on access.

        Raises:
            UnusableData: The annotation cannot be read, or too much of it cannot be used.
        """
        filters = {} if self.test_mode else self.filter_cfg or {}
        options = dict(
            classes=list(self.metainfo['classes']),
            filter_empty=filters.get('filter_empty_gt', False),
            min_size=filters.get('min_size', 0),
            strict=self.test_mode,
            with_masks=any(getattr(step, 'with_mask', False) for step, _ in pipeline_steps(self)),
            image_folder=self.data_prefix['img'],
        )
        self.table = table = CocoTable(self._parsed(Path(self.ann_file), options))
        self.cat_ids = table.categories
        self.cat2label = {category: label for label, category in enumerate(table.categories)}
        reasons = ', '.join(f'{reason} ({count})' for reason, count in table.skipped.items())
        self._report_skipped('annotations', table.broken, sum(table.skipped.values()), reasons)
        for key in ('images', 'categories'):
            self._report_skipped(key, table.incomplete[key], table.incomplete[key], INCOMPLETE)
        return _ImageInfos(table, self)

    def _report_skipped(self, key: str, broken: int, skipped: int, reasons: str) -> None:
        """Log the number of skipped entries of a list.

        Raises:
            UnusableData: Too many of them are broken.
        """
        what = f'{key} of {self.ann_file}'
        too_many = excess(broken, self.table.totals[key], what, 'cannot be used', self, 'max_broken', self.max_broken)
        if too_many and not self.test_mode:
            raise UnusableData(f'{too_many}: {reasons}')
        if skipped:
            print_log(f'{skipped} {what} are skipped: {reasons}', 'current', logging.WARNING)

    @property
    def cat_img_map(self) -> dict[int | str, list[int | str]]:
        """Ids of the images with a usable box of each category, by the id of the category."""
        self.full_init()
        return self.table.images_by_category()

    def filter_data(self) -> Sequence[dict]:
        """Return the images as they are: they were filtered while parsing."""
        return self.data_list

    def get_data_info(self, idx: int) -> dict:
        """Return the annotation of an image in the format of ``CocoDataset``."""
        self.full_init()
        return {**self.data_list[idx], 'sample_idx': range(len(self))[idx]}

    def ground_truth_boxes(self) -> BoxTable:
        """Return all ground-truth boxes, without making the dictionaries of the images."""
        table = self.table
        if len(table) != len(self):
            # ``indices`` selects some of the images.
            return collect_boxes(self)
        images = np.repeat(np.arange(len(table)), np.diff(table.starts))
        return BoxTable(table.boxes, images, table.labels, table.sizes)

    def _parsed(self, source: Path, options: dict) -> Path:
        """Return the folder with the arrays. The first process writes it while the others wait."""
        status = source.stat()
        path_key, state_key, options_key = (
            hashlib.sha256(repr(part).encode()).hexdigest()[:12]
            for part in (
                str(source.resolve()),
                (status.st_size, status.st_mtime_ns),
                (VERSION, sorted(options.items())),
            )
        )
        folder = self.cache_dir / f'{source.stem}-{path_key}-{state_key}-{options_key}'
        try:
            self.cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self.cache_dir / f'{source.stem}-{path_key}.lock', 'w') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    self._remove_outdated(path_key, state_key)
                    self._parse(source, folder, options)
        except (ValueError, RecursionError) as error:
            raise UnusableData(f'the annotation {source} cannot be used: {error}') from error
        except OSError as error:
            raise OSError(
                f'the parsed annotation {source} cannot be written to {self.cache_dir}: {error}. Set cache_dir of the '
                'dataset to another folder'
            ) from error
        return folder

    def _remove_outdated(self, path_key: str, state_key: str) -> None:
        """Remove the arrays of earlier states of the file. Processes that have them mapped keep them."""
        current = set(self.cache_dir.glob(f'*-{path_key}-{state_key}-*'))
        for folder in set(self.cache_dir.glob(f'*-{path_key}-*')) - current:
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _parse(source: Path, folder: Path, options: dict) -> None:
        """Parse in a process of its own, to get its memory back, or here in a worker, which may start none."""
        if multiprocessing.current_process().daemon:
            build(source, folder, **options)
            return
        with ProcessPoolExecutor(1, multiprocessing.get_context('fork')) as pool:
            pool.submit(build, source, folder, **options).result()


class _ImageInfos(Sequence):
    """MMDetection's dictionaries of images, made from a table on access."""

    def __init__(self, table: CocoTable, dataset: SharedCocoDataset) -> None:
        self.table = table
        self.folder: str = dataset.data_prefix['img']
        self.text_prompts: dict = (
            dict(text=dataset.metainfo['classes'], caption_prompt=dataset.caption_prompt, custom_entities=True)
            if dataset.return_classes
            else {}
        )

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> dict: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict]: ...

    def __getitem__(self, index: int | slice) -> dict | list[dict]:
        if isinstance(index, slice):
            return [self._info(i) for i in range(*index.indices(len(self)))]
        return self._info(range(len(self))[index])

    def _info(self, index: int) -> dict:
        """Return the dictionary of an image."""
        table = self.table
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
            **self.text_prompts,
            instances=[
                dict(ignore_flag=int(crowd), bbox=box, bbox_label=label, **self._mask(row))
                for row, (box, label, crowd) in enumerate(rows, first)
            ],
        )

    def _mask(self, row: int) -> dict:
        return dict(mask=self.table.mask(row)) if self.table.has_masks else {}
