"""How well priors fit the objects of a data set, as numbers and as a picture."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.ops.boxes import pairwise_iou

# Objects looked at: enough for a share to a third of a per cent, and for a picture.
SAMPLE = 20000
TOGETHER = 1000
THRESHOLD = 0.5


def resized_boxes(pictures: list[AnnotatedImage], input_size: tuple[int, int]) -> Tensor:
    """``(N, 4)`` boxes in pixels of the network's input (width, height), a sample of :data:`SAMPLE` of them."""
    boxes = [
        np.array([box.corners for box in picture.boxes], dtype=float)
        * (np.array(input_size) / picture.size)[[0, 1, 0, 1]]
        for picture in pictures
        if picture.boxes and picture.size and min(picture.size) > 0
    ]
    if not boxes:
        return torch.zeros(0, 4)
    found = torch.from_numpy(np.concatenate(boxes)).float()
    chosen = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:SAMPLE]
    return found[chosen]


def best_iou(boxes: Tensor, priors: Tensor) -> Tensor:
    """``(N, )`` IoU of each box with the prior that fits it best."""
    return (
        torch.cat([pairwise_iou(part, priors).amax(dim=-1) for part in boxes.split(TOGETHER)])
        if len(boxes)
        else boxes[:, 0]
    )


def draw(path: Path, boxes: Tensor, priors: Tensor, best: Tensor, input_size: tuple[int, int], title: str) -> None:
    """Sizes of objects beside those of the priors, their aspect ratios, and their best IoU.

    Args:
        path: of the PNG.
        boxes: ``(N, 4)`` objects in pixels of the input.
        priors: ``(P, 4)``, not cut at the border.
        best: ``(N, )`` of :func:`best_iou`.
        input_size: (width, height).
        title: of the picture.
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
    # Below everything, where it hides no prior.
    figure.legend(loc='lower left', ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
