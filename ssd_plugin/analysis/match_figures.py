"""Figures of the priors that are matched to the objects of an image."""

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssd_plugin.errors import UserError

from .config_priors import ConfigPriors, pixels, stride_text
from .input_images import ImageObjects, InputImage
from .prior_figures import limits_around, outline, panels, show_image
from .prior_matches import ObjectMatches

# Turn of the hue from one object to the next, the golden ratio, which keeps neighbors and all others apart.
TURN = 0.618034
# Priors that a legend lists.
MOST_LISTED = 12
DASHES = (0, (3, 2))
WIDTHS = {False: 0.9, True: 2.2}


def check_objects(objects: ImageObjects | None, chosen: Sequence[int]) -> ImageObjects:
    """Return the objects of an image, if it has some and the chosen ones are among them.

    Raises:
        UserError: The image has no objects, or lacks a chosen one.
    """
    if objects is None:
        raise UserError('--match needs an image with objects: choose one of the dataset with --index or --name')
    if not len(objects.boxes):
        raise UserError('--match needs an image with objects; this one has none')
    for index in chosen:
        if not 0 <= index < len(objects.boxes):
            raise UserError(f'--match {index}: the image has objects 0 to {len(objects.boxes) - 1}')
    return objects


def draw_matches(
    priors: ConfigPriors, image: InputImage, matches: ObjectMatches, levels: Sequence[int], title: str = ''
) -> Figure:
    """Draw the objects of an image, and the priors matched to them on each level, in the color of their object.

    Args:
        priors: Priors of a config.
        image: Image at the size of its input, with objects.
        matches: Priors matched to them.
        levels: Levels to show.
        title: Title of the figure.
    """
    objects = check_objects(image.objects, ())
    boxes = priors.used[matches.prior]
    shown_level, matched = priors.locate(matches.prior)[:, 0], set(matches.object.tolist())
    limits = limits_around(np.concatenate([boxes.numpy(), objects.boxes.numpy()]), priors.input_size)
    figure, (first, *axes) = panels(len(levels) + 1, limits, room=0.3)
    show_image(first, image, priors.input_size)
    for index, box in enumerate(objects.boxes.tolist()):
        outline(first, box, edgecolor=_color(index), linewidth=2, linestyle=':' if objects.ignored[index] else '-')
        _tag(first, box, f'{index} {objects.names[index]}' + ('' if index in matched else ': no prior'), index)
    without = len(objects.boxes) - len(matched)
    first.set_title(f'{image.name}\nobjects: {len(objects.boxes)}, without a prior: {without}', fontsize=11)
    for axis, level in zip(axes, levels):
        show_image(axis, image, priors.input_size)
        here = (shown_level == level).nonzero().flatten().tolist()
        # The best pair of each object on this level is drawn above the others, and has its IoU.
        for pair in reversed(here):
            _draw_pair(axis, matches, pair, boxes[pair].tolist(), _color(int(matches.object[pair])))
        labeled: set[int] = set()
        for pair in here:
            index = int(matches.object[pair])
            if index not in labeled:
                labeled.add(index)
                _tag(axis, boxes[pair].tolist(), f'{index}: {matches.iou[pair]:.2f}', index)
        height, width = priors.levels[level].featmap_size
        axis.set_title(
            f'level {level}: {width}x{height} cells, stride {stride_text(priors.levels[level].stride)}\n'
            f'priors: {len(here)}, of objects: {len(labeled)}',
            fontsize=11,
        )
    figure.suptitle(title, fontsize=12)
    _add_key(figure, objects, matches)
    return figure


def draw_objects(
    priors: ConfigPriors, image: InputImage, matches: ObjectMatches, chosen: Sequence[int], title: str = ''
) -> Figure:
    """Draw some objects of an image, each in a panel of its own with all its priors and their IoUs.

    Args:
        priors: Priors of a config.
        image: Image at the size of its input, with objects.
        matches: Priors matched to its objects.
        chosen: Indices of the objects.
        title: Title of the figure.
    """
    objects = check_objects(image.objects, chosen)
    boxes, places = priors.used[matches.prior], priors.locate(matches.prior)
    own = [(matches.object == index).nonzero().flatten() for index in chosen]
    parts = [torch.cat([boxes[pairs], objects.boxes[index][None]]).numpy() for index, pairs in zip(chosen, own)]
    figure, axes = panels(len(chosen), (0, 0, 1, 1), room=0.2 * (MOST_LISTED + 1))
    for axis, index, pairs, part in zip(axes, chosen, own, parts):
        low, high = part[:, :2].min(axis=0), part[:, 2:].max(axis=0)
        (x, y), side = (low + high) / 2, (high - low).max() * 1.1 + 2
        show_image(axis, image, priors.input_size)
        axis.set(xlim=(x - side / 2, x + side / 2), ylim=(y + side / 2, y - side / 2))
        handles = []
        # The best prior last, above the others.
        for number, pair in reversed(list(enumerate(pairs.tolist()))):
            level, row, column, _ = places[pair].tolist()
            color = _color(number)
            line = _draw_pair(axis, matches, pair, boxes[pair].tolist(), color)
            x1, y1, x2, y2 = boxes[pair].tolist()
            line.set_label(
                f'IoU {matches.iou[pair]:.2f}: level {level}, cell {row},{column}, {pixels(x2 - x1, y2 - y1)}'
            )
            handles.append(line)
        x1, y1, x2, y2 = objects.boxes[index].tolist()
        outline(axis, (x1, y1, x2, y2), edgecolor='black', linewidth=2.5)
        more = len(handles) - MOST_LISTED
        rest = [_sample(False, f'and {more} more', linestyle='')] if more > 0 else []
        axis.legend(
            handles=[*handles[::-1][:MOST_LISTED], *rest],
            loc='upper center',
            bbox_to_anchor=(0.5, 0),
            fontsize=9,
            frameon=False,
            handlelength=2.5,
        )
        axis.set_title(
            f'object {index}: {objects.names[index]}, {pixels(x2 - x1, y2 - y1)} (black)\n'
            + (matches.remarks[index] or f'{len(pairs)} priors'),
            fontsize=11,
        )
    figure.suptitle(title, fontsize=12)
    return figure


def _draw_pair(
    axis: Axes, matches: ObjectMatches, pair: int, box: list[float], color: tuple[float, float, float]
) -> Line2D:
    """Draw the prior of a pair, and return a sample of its line."""
    best, linestyle = bool(matches.best[pair]), DASHES if matches.forced[pair] else '-'
    outline(axis, box, edgecolor=color, linewidth=WIDTHS[best], linestyle=linestyle)
    return _sample(best, '', color=color, linestyle=linestyle)


def _sample(best: bool, label: str, color: Any = 'black', linestyle: Any = '-') -> Line2D:
    """Return a line for a legend."""
    return Line2D([], [], color=color, linewidth=WIDTHS[best], linestyle=linestyle, label=label)


def _tag(axis: Axes, box: list[float], text: str, index: int) -> None:
    """Write a text at the upper left corner of a box, in the color of an object."""
    red, green, blue = color = _color(index)
    # Brightness of a color as ITU-R BT.601 weights it.
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
    axis.text(
        box[0],
        box[1],
        text,
        color='white' if dark else 'black',
        fontsize=7,
        verticalalignment='bottom',
        bbox=dict(facecolor=color, edgecolor='none', alpha=0.85, pad=0.8),
    )


def _add_key(figure: Figure, objects: ImageObjects, matches: ObjectMatches) -> None:
    """Explain the lines, and the numbers beside them."""
    handles = [_sample(True, "object's best prior")]
    if matches.forced.any():
        handles.append(_sample(True, f'its best prior, not above {matches.threshold}', linestyle=DASHES))
    handles.append(_sample(False, f'its other priors, threshold {matches.threshold}'))
    if objects.ignored.any():
        handles.append(_sample(True, 'object with an ignore flag', linestyle=':'))
    handles.append(_sample(False, '3: 0.71  object 3, its highest IoU on the level', linestyle=''))
    figure.legend(
        handles=handles, loc='outside lower center', ncols=len(handles), fontsize=10, frameon=False, handlelength=3
    )


def _color(index: int) -> tuple[float, float, float]:
    """Return the color of an object."""
    return colorsys.hsv_to_rgb(index * TURN % 1, 0.95, (0.85, 0.6)[index % 2])
