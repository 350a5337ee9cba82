"""Comparison of two sets of priors on the same objects, as a table and as a figure."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from torch import Tensor

from ssd_plugin.models.task_modules import Matcher
from ssd_plugin.ops.targets import GroundTruth, PairMatches

from .config_priors import ConfigPriors
from .figure_files import save_figure
from .prior_coverage import best_iou
from .prior_objects import Objects
from .text_tables import aligned

# Upper ends of the classes of size, in pixels of the input: sides of the square of the same area; and of the ratios of
# width to height.
SIDES = (8, 16, 32, 64, 128, 256)
RATIOS = (1 / 3, 1 / 1.5, 1.5, 3)
RATIO_NAMES = ('w:h under 1:3', 'w:h 1:3 to 1:1.5', 'w:h 1:1.5 to 1.5:1', 'w:h 1.5:1 to 3:1', 'w:h over 3:1')
# Classes that are listed one by one.
MOST_CLASSES = 20
# Images matched at a time.
BATCH = 16
BEFORE, AFTER = 'tab:orange', 'tab:blue'
NAMES = ('before', 'tuned')


class Fit(NamedTuple):
    """How well priors fit objects.

    Attributes:
        best: ``(N,)`` highest IoU of each object with a prior.
        matched: ``(N,)`` number of priors that the matcher gives to each object.
        threshold: IoU of the matcher.
    """

    best: Tensor
    matched: Tensor
    threshold: float

    @property
    def reached(self) -> Tensor:
        """``(N,)`` float, 1 for an object with a prior at or above the threshold."""
        return (self.best >= self.threshold).float()

    def figures(self, mask: Tensor) -> tuple[float, float, float]:
        """Return recall, mean best IoU and matched priors per object of some objects."""
        recall, overlap, matched = (values[mask].float().mean() for values in (self.reached, self.best, self.matched))
        return recall.item(), overlap.item(), matched.item()

    def overall(self) -> tuple[float, float, float]:
        """Return the figures of all objects."""
        return self.figures(torch.ones_like(self.best, dtype=torch.bool))

    def summary(self) -> str:
        """Return the figures of all objects as text."""
        recall, mean, matched = self.overall()
        return f'recall at {self.threshold:g} {recall:.1%}, mean best IoU {mean:.3f}, {matched:.1f} matched priors'

    def is_better_than(self, other: 'Fit') -> bool:
        """Return whether recall or mean best IoU is higher than with other priors, and neither is lower."""
        mine, theirs = self.overall()[:2], other.overall()[:2]
        return mine != theirs and all(a >= b for a, b in zip(mine, theirs))


def fit_of(priors: ConfigPriors, matcher: Matcher, objects: Objects) -> Fit:
    """Return how well the priors of a config, as the detector uses them, fit objects.

    Args:
        priors: The priors.
        matcher: Matcher of the config.
        objects: Objects, at least one.
    """
    used = priors.used
    matched = torch.zeros(len(objects), dtype=torch.long)
    _, counts = objects.images.unique_consecutive(return_counts=True)
    rows = torch.arange(len(objects)).split(counts.tolist())
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        found = matcher(used, _ground_truth(objects, batch))
        if isinstance(found, PairMatches):
            image, number = found.image[found.valid], found.object[found.valid]
        else:
            image, prior = (found.object >= 0).nonzero(as_tuple=True)
            number = found.object[image, prior]
        starts = torch.stack([row[0] for row in batch])
        matched += torch.bincount(starts[image] + number, minlength=len(objects))
    return Fit(best_iou(objects.boxes, used), matched, matcher.iou_threshold)


def _ground_truth(objects: Objects, rows: tuple[Tensor, ...]) -> GroundTruth:
    """Return the objects of several images, given by their rows, as a padded batch."""
    pad = torch.nn.utils.rnn.pad_sequence
    boxes = pad([objects.boxes[row] for row in rows], batch_first=True)
    labels = pad([objects.labels[row] for row in rows], batch_first=True, padding_value=-1)
    return GroundTruth(boxes, labels, None, [len(row) for row in rows])


def groups_of(objects: Objects) -> Iterator[tuple[str, Tensor]]:
    """Yield names and ``(N,)`` masks of the groups that have objects: by class, by size and by aspect ratio."""
    sides, ratios = objects.sizes.prod(dim=1).sqrt(), objects.sizes[:, 0] / objects.sizes[:, 1]
    names = [
        f'under {SIDES[0]} px',
        *(f'{low} to {high} px' for low, high in pairwise(SIDES)),
        f'over {SIDES[-1]} px',
    ]
    for kind, numbers in (
        (objects.classes if len(objects.classes) <= MOST_CLASSES else (), objects.labels),
        (names, torch.bucketize(sides, torch.tensor(SIDES).float(), right=True)),
        (RATIO_NAMES, torch.bucketize(ratios, torch.tensor(RATIOS).float())),
    ):
        for number, name in enumerate(kind):
            mask = numbers == number
            if mask.any():
                yield name, mask


def comparison_lines(objects: Objects, before: Fit, after: Fit) -> list[str]:
    """Return a table of recall, mean best IoU and matched priors per object, before and after, by group of objects."""
    heading = f'IoU >= {before.threshold:g}'
    rows = [['objects', 'number', heading, 'tuned', 'mean best IoU', 'tuned', 'matched priors', 'tuned']]
    for name, mask in (('all', torch.ones(len(objects), dtype=torch.bool)), *groups_of(objects)):
        row = [name, str(int(mask.sum()))]
        for text, *values in zip(('{:.1%}', '{:.3f}', '{:.1f}'), before.figures(mask), after.figures(mask)):
            row += [text.format(value) for value in values]
        rows.append(row)
    return aligned(rows, left=[0])


def draw_comparison(
    path: Path, objects: Objects, fits: tuple[Fit, Fit], priors: tuple[ConfigPriors, ConfigPriors], title: str
) -> None:
    """Plot objects and priors by size, recall by group of objects, and the best IoU, before and after.

    Args:
        path: File to write.
        objects: The objects.
        fits: Fit of the priors before and after.
        priors: The priors before and after.
        title: Title of the figure.
    """
    matplotlib.use('Agg')
    from matplotlib import pyplot, ticker

    figure = pyplot.figure(figsize=(15, 11), layout='constrained')
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.15, 1))[:, 0]
    left, right = top.subplots(1, 2, sharex=True, sharey=True)
    sizes, threshold = objects.sizes.numpy(), fits[0].threshold
    for axis, fit, config, name in zip((left, right), fits, priors, NAMES):
        reached = fit.reached.bool().numpy()
        recall, mean, matched = fit.overall()
        axis.scatter(*sizes[reached].T, s=7, alpha=0.35, color='tab:gray', linewidths=0)
        axis.scatter(*sizes[~reached].T, s=22, color='tab:red', linewidths=0)
        for level, part in enumerate(config.levels):
            color = f'C{level}' if level < 3 else f'C{level + 1}'
            axis.scatter(
                *np.array(part.sizes).T, marker='x', s=80, linewidths=2, color=color, label=f'priors of level {level}'
            )
        axis.set(
            title=f'{name}: {recall:.1%} with a prior of IoU {fit.threshold:g} or more, mean best IoU {mean:.3f}, '
            f'{matched:.1f} matched priors',
            xlabel='width',
            ylabel='height',
            xscale='log',
            yscale='log',
        )
        axis.title.set_fontsize(11)
        for direction in (axis.xaxis, axis.yaxis):
            direction.set_major_formatter(ticker.ScalarFormatter())
            direction.set_minor_formatter(ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    dots = [
        pyplot.Line2D([], [], linestyle='', marker='o', color=color, label=name)
        for color, name in (('tab:gray', 'objects'), ('tab:red', f'objects without a prior of IoU {threshold:g}'))
    ]
    # Outside of the plots, where it hides no prior.
    handles = [*dots, *right.get_legend_handles_labels()[0]]
    top.legend(handles=handles, loc='outside lower center', ncols=len(handles), frameon=False, columnspacing=1.2)
    recalls, overlaps, histogram = bottom.subplots(1, 3)
    groups = list(groups_of(objects))
    places = np.arange(len(groups))
    for axis, index in ((recalls, 0), (overlaps, 1)):
        for offset, fit, color in zip((-0.2, 0.2), fits, (BEFORE, AFTER)):
            axis.barh(places + offset, [fit.figures(mask)[index] for _, mask in groups], 0.4, color=color)
        axis.set(xlim=(0, 1.001), ylim=(len(groups) - 0.5, -0.5))
        axis.set_yticks(places, [''] * len(groups))
    recalls.set(title=f'objects with a prior of IoU {threshold:g} or more')
    recalls.set_yticks(places, [f'{group} ({int(mask.sum())})' for group, mask in groups])
    recalls.xaxis.set_major_formatter(ticker.PercentFormatter(1))
    overlaps.set(title='mean best IoU of the same objects')
    for fit, color, label in zip(fits, (BEFORE, AFTER), NAMES):
        histogram.hist(fit.best.numpy(), bins=np.linspace(0, 1, 51), color=color, alpha=0.55, label=label)
    histogram.axvline(threshold, color='tab:red')
    histogram.set(xlabel='IoU with the best prior', ylabel='objects', title='best IoU (line: threshold of the matcher)')
    histogram.legend(loc='upper left')
    for axis in (left, right, recalls, overlaps, histogram):
        axis.grid(True, alpha=0.3)
        axis.set_axisbelow(True)
    figure.suptitle(title)
    save_figure(figure, path)
    pyplot.close(figure)
