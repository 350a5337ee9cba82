"""Measure and plot how well priors fit the objects of a dataset."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.ops.boxes import pairwise_iou

from .figure_files import save_figure

# Number of objects in the sample: a fraction of them has a standard error of at most 0.35%.
SAMPLE = 20000
# Objects whose IoU with all priors is in memory at a time.
BLOCK = 1000
# IoU from which an object counts as reached by a prior, as in matching.
THRESHOLD = 0.5


def resized_boxes(images: Iterable[AnnotatedImage], input_size: tuple[int, int]) -> Tensor:
    """Return boxes in pixels of the network's input, a random sample of at most :data:`SAMPLE`.

    Args:
        images: Annotated images; those without boxes or without a size are ignored.
        input_size: (width, height) of the input.

    Returns:
        ``(N, 4)`` xyxy.
    """
    boxes = [
        np.array([box.corners for box in image.boxes], dtype=float) * (np.array(input_size) / image.size)[[0, 1, 0, 1]]
        for image in images
        if image.boxes and image.size and min(image.size) > 0
    ]
    if not boxes:
        return torch.zeros(0, 4)
    found = torch.from_numpy(np.concatenate(boxes)).float()
    chosen = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:SAMPLE]
    return found[chosen]


def best_iou(boxes: Tensor, priors: Tensor) -> Tensor:
    """Return the IoU of each box with the prior that fits it best.

    Args:
        boxes: ``(N, 4)`` xyxy.
        priors: ``(P, 4)`` xyxy.

    Returns:
        ``(N,)``.
    """
    if len(boxes) == 0:
        return boxes.new_zeros(0)
    return torch.cat([pairwise_iou(block, priors).amax(dim=-1) for block in boxes.split(BLOCK)])


def draw(path: Path, boxes: Tensor, priors: Tensor, best: Tensor, input_size: tuple[int, int], title: str) -> None:
    """Plot the sizes of objects and priors, their aspect ratios, and the distribution of the best IoU.

    Args:
        path: PNG file to write.
        boxes: ``(N, 4)`` objects in pixels of the input, xyxy.
        priors: ``(P, 4)`` priors, not clipped at the border.
        best: ``(N,)`` result of :func:`best_iou`.
        input_size: (width, height) of the input.
        title: Title of the figure.
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot, ticker

    sizes, shapes = (
        (boxes[:, 2:] - boxes[:, :2]).numpy(),
        (priors[:, 2:] - priors[:, :2]).round(decimals=1).unique(dim=0).numpy(),
    )
    reached = (best >= THRESHOLD).numpy()
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(17, 5.6))
    for mask, color, name, dot in (
        (reached, 'tab:blue', 'reached', 5),
        (~reached, 'tab:red', f'no prior with IoU {THRESHOLD}', 12),
    ):
        left.scatter(
            *sizes[mask].T, s=dot, alpha=0.5, color=color, linewidths=0, label=f'objects, {name}: {mask.mean():.1%}'
        )
    left.scatter(*shapes.T, marker='x', color='black', label='priors')
    left.set(
        xscale='log',
        yscale='log',
        xlabel='width',
        ylabel='height',
        title=f'sizes in pixels of the {input_size[0]}x{input_size[1]} input',
    )
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter(ticker.ScalarFormatter())
        axis.set_minor_formatter(ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    bins = np.linspace(-3, 3, 61)
    for mask, color in ((reached, 'tab:blue'), (~reached, 'tab:red')):
        middle.hist(np.clip(np.log2(sizes[mask, 0] / sizes[mask, 1]), -3, 3), bins=bins, color=color, alpha=0.6)
    for ratio in np.unique((shapes[:, 0] / shapes[:, 1]).round(2)):
        middle.axvline(np.log2(ratio), color='black', linewidth=0.8)
    middle.set_xticks(range(-3, 4), ['1:8', '1:4', '1:2', '1', '2:1', '4:1', '8:1'])
    middle.set(xlabel='width : height (lines: priors)', ylabel='objects', title='aspect ratios')
    right.hist(best.numpy(), bins=np.linspace(0, 1, 51), color='tab:gray')
    right.axvline(THRESHOLD, color='tab:red')
    right.set(xlabel='IoU with the best prior', ylabel='objects', title='fit')
    for axis in (left, middle, right):
        axis.grid(True, alpha=0.3)
    figure.suptitle(title)
    # Below the plots, where it hides no prior.
    figure.legend(loc='lower left', ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    save_figure(figure, path)
    pyplot.close(figure)
