"""Counts the ground truth that training cannot use."""
import math

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class UnusableBoxesHook(Hook):
    """Before training, report boxes without area or with coordinates that are not finite, with the images that hold them.

    Such a box overlaps no prior, so the matching leaves it out; other implementations take the logarithm of its side and train
    on NaN from there on.

    Args:
        max_listed: number of images named in the log.
    """

    def __init__(self, max_listed: int = 5):
        self.max_listed = max_listed

    def before_train(self, runner: Runner) -> None:
        """Look through the annotations that the training data set holds in memory."""
        found, images = 0, []
        for dataset in _leaves(runner.train_dataloader.dataset):
            for index in range(len(dataset)):
                info = dataset.get_data_info(index)
                bad = sum(not _usable(instance['bbox']) for instance in info.get('instances', ()))
                if bad:
                    found += bad
                    images.append(str(info.get('img_path', info.get('img_id', index))))
        if found:
            names = ', '.join(images[:self.max_listed]) + (', ...' if len(images) > self.max_listed else '')
            runner.logger.warning(f'{found} ground-truth box(es) in {len(images)} image(s) have no area or no finite coordinates '
                                  f'and are left out of training: {names}')


def _leaves(dataset) -> list:
    """The data sets inside wrappers (repeated, concatenated, mixed)."""
    if hasattr(dataset, 'datasets'):
        return [leaf for child in dataset.datasets for leaf in _leaves(child)]
    if hasattr(dataset, 'dataset'):
        return _leaves(dataset.dataset)
    return [dataset] if hasattr(dataset, 'get_data_info') else []


def _usable(box) -> bool:
    x1, y1, x2, y2 = box
    return all(map(math.isfinite, box)) and x2 > x1 and y2 > y1
