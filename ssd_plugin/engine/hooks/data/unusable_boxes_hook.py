"""Counts the ground truth that training cannot use."""

import numpy as np
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.configs import leaf_datasets
from ssd_plugin.datasets.annotations.box_rules import unusable
from ssd_plugin.datasets.unusable_data import MAX_SHARE
from ssd_plugin.errors import UserError


@HOOKS.register_module()
class UnusableBoxesHook(Hook):
    """Before training, report boxes without area, with swapped corners, outside the image, or with coordinates that are not finite, and
    the images that hold them.

    Training leaves them out; other implementations take the logarithm of a side of zero and train on NaN from there on.

    Args:
        max_listed: number of images named in the log.
        max_share: share of all boxes above which training does not begin.
    """

    def __init__(self, max_listed: int = 5, max_share: float = MAX_SHARE):
        self.max_listed = max_listed
        self.max_share = max_share

    def before_train(self, runner: Runner) -> None:
        """Look through the annotations that the training data set holds in memory.

        Raises:
            UserError: more than ``max_share`` of the boxes cannot be used.
        """
        counts, images, total = {}, [], 0
        for _, dataset in leaf_datasets(runner.train_dataloader.dataset):
            # A dataset of PyTorch has no annotations to look at.
            if not hasattr(dataset, 'get_data_info'):
                continue
            boxes, owners, sizes = _boxes(dataset)
            total += len(boxes)
            faults = unusable(boxes, sizes[owners])
            counts |= {reason: counts.get(reason, 0) + int(mask.sum()) for reason, mask in faults.items() if mask.any()}
            for index in np.unique(owners[np.any(list(faults.values()), axis=0)]).tolist():
                info = dataset.get_data_info(index)
                images.append(str(info.get('img_path', info.get('img_id', index))))
        if not counts:
            return
        number = sum(counts.values())
        names = ', '.join(images[: self.max_listed]) + (', ...' if len(images) > self.max_listed else '')
        what = ', '.join(f'{reason} ({count})' for reason, count in counts.items())
        text = f'{number} ground-truth box(es) in {len(images)} image(s) cannot be used: {what}: {names}'
        if number > self.max_share * total:
            raise UserError(
                f'{text}. That is {number / total:.1%} of all boxes, more than the {self.max_share:.0%} that '
                'UnusableBoxesHook allows (max_share); tools/check_dataset.py lists them, and --fix repairs a copy'
            )
        runner.logger.warning(f'{text}. They are left out of training')


def _boxes(dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes ``(N, 4)`` of a data set, the image of each ``(N, )``, and the images' sizes (width, height), NaN where the annotation does
    not say."""
    table = getattr(dataset, 'table', None)
    if table is not None and len(table) == len(dataset):
        return table.boxes, np.repeat(np.arange(len(table)), np.diff(table.starts)), table.sizes
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    counts = [len(info.get('instances', ())) for info in infos]
    boxes = [instance['bbox'] for info in infos for instance in info.get('instances', ())]
    sizes = [(info.get('width', np.nan), info.get('height', np.nan)) for info in infos]
    return (
        np.array(boxes, float).reshape(-1, 4),
        np.repeat(np.arange(len(infos)), counts),
        np.array(sizes, float).reshape(-1, 2),
    )
