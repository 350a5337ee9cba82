"""How often the images of a dataset are drawn: classes of unequal number, and images without objects."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ssd_plugin.errors import UserError

from .ground_truth import DetectionDataset, ground_truth_boxes

# Classes that the log lists, the most repeated first.
LISTED = 20


def draw_frequencies(dataset: Any, oversample_thr: float | None, empty_fraction: float | None) -> np.ndarray:
    """Return how often each image of a dataset is drawn in a round on average, and log it by class.

    Args:
        dataset: Dataset of images, N of them, in wrappers or not.
        oversample_thr: Threshold of :func:`repeat_factors`; ``None`` for equal frequencies.
        empty_fraction: Fraction of the draws that show an image without objects; ``None`` for as many as there are.

    Returns:
        ``(N,)`` float64, with a sum of N.

    Raises:
        UserError: The dataset has no ground truth, no images without objects to draw, or no others.
    """
    number = len(dataset)
    while not isinstance(dataset, DetectionDataset) and hasattr(dataset, 'dataset'):
        # A wrapper that mixes images: its samples begin with those of the dataset inside it.
        dataset = dataset.dataset
    if not isinstance(dataset, DetectionDataset) or len(dataset) != number:
        raise UserError(
            f'oversample_thr and empty_fraction of StreamSampler need the objects of each image, which '
            f'{type(dataset).__name__} does not give (get_data_info)'
        )
    table = ground_truth_boxes(dataset)
    filled = np.bincount(table.images, minlength=number) > 0
    factors = np.ones(number)
    known = table.labels >= 0
    if oversample_thr is not None and known.any():
        images, labels = table.images[known], table.labels[known]
        by_class, fractions = class_repeats(images, labels, oversample_thr)
        np.maximum.at(factors, images, by_class[labels])
        _log_classes(by_class, fractions, getattr(dataset, 'metainfo', {}).get('classes', ()))
    empty = int((~filled).sum())
    if empty_fraction is not None:
        if empty_fraction > 0 and empty == 0:
            raise UserError(
                f'empty_fraction={empty_fraction:g} of StreamSampler needs images without objects, and the training '
                'data has none: filter_cfg=dict(filter_empty_gt=True) leaves them out, or there are none'
            )
        if empty == number:
            raise UserError('none of the images of the training data has objects')
        # Each of the two kinds has its part of the draws.
        factors[filled] *= (1 - empty_fraction) / factors[filled].sum()
        factors[~filled] = empty_fraction / max(empty, 1)
        print_log(
            f'{empty} of the {number} images have no objects: they are {empty_fraction:.1%} of the draws', 'current'
        )
    return factors * (number / factors.sum())


def class_repeats(images: np.ndarray, labels: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the repeat factor of each class (LVIS, arXiv 1908.03195, appendix B): max(1, sqrt(threshold / f)).

    The factor of an image is the largest one of its classes.

    Args:
        images: ``(N,)`` index of the image of each object.
        labels: ``(N,)`` class of each object.
        threshold: Fraction of the images below which a class is repeated. With 1, every class is, by the inverse of the
            square root of its fraction.

    Returns:
        Per class up to the highest label, its factor, and the fraction f of the images with objects that show it.
    """
    pairs = np.unique(np.stack([labels, images]), axis=1)
    fractions = np.bincount(pairs[0]) / len(np.unique(images))
    with np.errstate(divide='ignore'):
        return np.maximum(1, np.sqrt(threshold / fractions)), fractions


def _log_classes(factors: np.ndarray, fractions: np.ndarray, names: Sequence[str]) -> None:
    """Log the classes that are repeated."""
    repeated = [label for label in np.argsort(-factors, kind='stable') if factors[label] > 1 and fractions[label] > 0]
    named = [
        f'{names[label] if label < len(names) else label} {factors[label]:.3g} (in {fractions[label]:.1%} of images)'
        for label in repeated[:LISTED]
    ]
    more = f' and {len(repeated) - LISTED} more' if len(repeated) > LISTED else ''
    text = (
        f'classes drawn more often, by the factor: {", ".join(named)}{more}'
        if named
        else 'no class is rarer than oversample_thr'
    )
    print_log(f'Repeat-factor sampling: {text}', 'current', logging.INFO)


def systematic_draw(frequencies: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw as many indices as there are, each as often as its frequency says, rounded down or up at random.

    This is systematic sampling in a random order: the stochastic rounding of LVIS with a fixed number of draws.

    Args:
        frequencies: ``(N,)`` expected number of draws, with a sum of N.
        generator: Source of random numbers.

    Returns:
        ``(N,)`` indices in the order of the dataset.
    """
    order = generator.permutation(len(frequencies))
    ends = np.cumsum(frequencies[order])
    marks = (np.arange(len(ends)) + generator.random()) * (ends[-1] / len(ends))
    # Rounding could reach the end, behind the last image.
    marks = np.minimum(marks, np.nextafter(ends[-1], 0))
    return np.sort(order[np.searchsorted(ends, marks, side='right')])
