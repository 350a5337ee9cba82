"""Comparison of a dataset's objects with the priors of a config."""

from collections.abc import Iterable
from pathlib import Path

import torch
from mmdet.registry import TASK_UTILS

from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations.records import AnnotatedImage

from . import prior_coverage


def compare_with_priors(config: str, images: Iterable[AnnotatedImage], title: str, path: Path) -> str | None:
    """Draw sizes and aspect ratios of the objects against the priors.

    Args:
        config: Path or name of the config with the priors.
        images: Images with their objects.
        title: Title of the figure.
        path: PNG file to write.

    Returns:
        A sentence with the fraction of objects that no prior reaches, or ``None`` without a figure if there are no
        objects.
    """
    options = dict(read_config(config).model.bbox_head.prior_generator)
    # Priors beyond the border keep their shape.
    options['clip'] = None
    generator = TASK_UTILS.build(options)
    priors = torch.cat(generator.grid_priors(generator.featmap_sizes, device='cpu'))
    boxes = prior_coverage.resized_boxes(list(images), generator.input_size)
    if not len(boxes):
        return None
    best = prior_coverage.best_iou(boxes, priors)
    unreached = (best < prior_coverage.THRESHOLD).float().mean()
    prior_coverage.draw(path, boxes, priors, best, generator.input_size, title)
    return (
        f'{unreached:.1%} of {len(boxes)} objects have no prior of {config} with an IoU of {prior_coverage.THRESHOLD}: '
        f'{path}'
    )
