"""Comparison of a dataset's objects with the priors of a config."""

from collections.abc import Iterable
from pathlib import Path

from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations.records import AnnotatedImage

from . import prior_coverage
from .config_priors import priors_of

# Fraction of unreached objects above which the tool that tunes priors is named.
MANY = 0.05


def compare_with_priors(config: str, images: Iterable[AnnotatedImage], title: str, path: Path) -> str | None:
    """Draw sizes and aspect ratios of the objects against the priors.

    Args:
        config: Path or name of the config with the priors.
        images: Images with their objects.
        title: Title of the figure.
        path: PNG file to write.

    Returns:
        A sentence with the fraction of objects that no prior reaches, and a line with the tool that tunes priors if
        there are many; or ``None`` without a figure if there are no objects.
    """
    priors = priors_of(read_config(config))
    boxes = prior_coverage.resized_boxes(list(images), priors.input_size)
    if not len(boxes):
        return None
    # Priors beyond the border keep their shape.
    shapes = priors.unclipped
    best = prior_coverage.best_iou(boxes, shapes)
    unreached = (best < prior_coverage.THRESHOLD).float().mean()
    prior_coverage.draw(path, boxes, shapes, best, priors.input_size, title)
    hint = '' if unreached <= MANY else '\ntools/tune_priors.py fits the priors of a config to its objects'
    return (
        f'{unreached:.1%} of {len(boxes)} objects have no prior of {config} with an IoU of {prior_coverage.THRESHOLD}: '
        f'{path}{hint}'
    )
