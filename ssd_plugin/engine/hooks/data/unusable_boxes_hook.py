"""Report of the ground-truth boxes that training cannot use."""

from collections import Counter

import numpy as np
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.configs import leaf_datasets
from ssd_plugin.datasets.annotations.box_rules import unusable
from ssd_plugin.datasets.ground_truth import DetectionDataset, ground_truth_boxes
from ssd_plugin.datasets.unusable_data import MAX_FRACTION, excess
from ssd_plugin.errors import UserError
from ssd_plugin.option_ranges import check_counts, check_fractions


@HOOKS.register_module()
class UnusableBoxesHook(Hook):
    """Report, before training, the ground-truth boxes that it will skip, and their images.

    These are boxes without area, with swapped corners, outside the image, or with coordinates that are not finite.
    Implementations that train on them take the logarithm of a side of zero, and the weights become NaN.

    Args:
        max_listed: Number of images named in the log.
        max_share: Fraction of unusable boxes above which training does not begin.
    """

    def __init__(self, max_listed: int = 5, max_share: float = MAX_FRACTION) -> None:
        check_counts(0, max_listed=max_listed)
        check_fractions(max_share=max_share)
        self.max_listed = max_listed
        self.max_share = max_share

    def before_train(self, runner: Runner) -> None:
        """Check the annotations of the training dataset.

        Raises:
            UserError: More than ``max_share`` of the boxes cannot be used.
        """
        counts: Counter[str] = Counter()
        images: list[str] = []
        total = 0
        for _, dataset in leaf_datasets(runner.train_dataloader.dataset):
            # A dataset of PyTorch has no annotations to look at.
            if not isinstance(dataset, DetectionDataset):
                continue
            table = ground_truth_boxes(dataset)
            total += len(table.boxes)
            reasons = unusable(table.boxes, table.sizes[table.images])
            counts.update({reason: int(mask.sum()) for reason, mask in reasons.items() if mask.any()})
            for index in np.unique(table.images[np.any(list(reasons.values()), axis=0)]).tolist():
                info = dataset.get_data_info(index)
                images.append(str(info.get('img_path', info.get('img_id', index))))
        number = sum(counts.values())
        if not number:
            return
        names = ', '.join(images[: self.max_listed]) + (', ...' if len(images) > self.max_listed else '')
        details = f'{", ".join(f"{reason} ({count})" for reason, count in counts.items())}: {names}'
        too_many = excess(number, total, 'ground-truth boxes', 'cannot be used', self, 'max_share', self.max_share)
        if too_many:
            raise UserError(f'{too_many}: {details}. tools/check_dataset.py lists them, and --fix repairs a copy')
        runner.logger.warning(
            f'{number} ground-truth box(es) in {len(images)} image(s) cannot be used and are skipped: {details}'
        )
