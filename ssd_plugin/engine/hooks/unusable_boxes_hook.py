"""Counts the ground truth that training cannot use."""
import numpy as np
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.datasets.checks.boxes import unusable
from ssd_plugin.datasets.wrappers import unwrapped

from ..user_errors import UserError


@HOOKS.register_module()
class UnusableBoxesHook(Hook):
    """Before training, report boxes without area, with swapped corners, outside the image, or with coordinates that are not finite, and
    the images that hold them.

    Training leaves them out; other implementations take the logarithm of a side of zero and train on NaN from there on.

    Args:
        max_listed: number of images named in the log.
        max_share: share of all boxes above which training does not begin.
    """

    def __init__(self, max_listed: int = 5, max_share: float = 0.05):
        self.max_listed = max_listed
        self.max_share = max_share

    def before_train(self, runner: Runner) -> None:
        """Look through the annotations that the training data set holds in memory.

        Raises:
            UserError: more than ``max_share`` of the boxes cannot be used.
        """
        counts, images, total = {}, [], 0
        for dataset in unwrapped(runner.train_dataloader.dataset):
            for path, boxes, size in _images(dataset):
                total += len(boxes)
                found = {reason: int(mask.sum()) for reason, mask in unusable(boxes, size).items() if mask.any()}
                if found:
                    images.append(path)
                    counts |= {reason: counts.get(reason, 0) + number for reason, number in found.items()}
        if not counts:
            return
        number = sum(counts.values())
        names = ', '.join(images[:self.max_listed]) + (', ...' if len(images) > self.max_listed else '')
        what = ', '.join(f'{reason} ({count})' for reason, count in counts.items())
        text = f'{number} ground-truth box(es) in {len(images)} image(s) cannot be used: {what}: {names}'
        if number > self.max_share * total:
            raise UserError(f'{text}. That is {number / total:.1%} of all boxes, more than the {self.max_share:.0%} that '
                            'UnusableBoxesHook allows (max_share); tools/check_dataset.py lists them, and --fix repairs a copy')
        runner.logger.warning(f'{text}. They are left out of training')


def _images(dataset):
    """Name, boxes ``(N, 4)`` and (width, height) of each image; the size is ``None`` where the annotation has none."""
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        boxes = np.array([instance['bbox'] for instance in info.get('instances', ())], dtype=float).reshape(-1, 4)
        size = (info['width'], info['height']) if 'width' in info else None
        yield str(info.get('img_path', info.get('img_id', index))), boxes, size
