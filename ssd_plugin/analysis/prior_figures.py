"""Figures of priors over an image: the feature map's cells, and the priors of some of them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ssd_plugin.errors import UserError

from .config_priors import ConfigPriors, LevelPriors, pixels, stride_text
from .input_images import InputImage

Box = Sequence[float]
Limits = tuple[float, float, float, float]
Cell = tuple[int, int]

# Panels in a row, and inches of a panel's longer side.
MOST_COLUMNS, PANEL = 4, 5.0
# Opacity of the image, which leaves lines visible on dark and on light parts.
FADED = 0.5


def check_levels(priors: ConfigPriors, levels: Sequence[int] | None) -> list[int]:
    """Return the levels to show, by default all.

    Raises:
        UserError: The config lacks one.
    """
    last = len(priors.levels) - 1
    for level in levels or ():
        if not 0 <= level <= last:
            raise UserError(f'--level {level}: the config has levels 0 to {last}')
    return list(dict.fromkeys(levels or range(last + 1)))


def check_cells(priors: ConfigPriors, levels: Sequence[int], cells: Sequence[Cell] | None) -> list[list[Cell]]:
    """Return the cells to show on each of some levels, by default the center.

    Raises:
        UserError: The feature map of a level lacks one.
    """
    for level in levels:
        height, width = priors.levels[level].featmap_size
        for row, column in cells or ():
            if not (0 <= row < height and 0 <= column < width):
                raise UserError(
                    f'--cell {row},{column}: the feature map of level {level} has rows 0 to {height - 1} and columns '
                    f'0 to {width - 1}; choose levels with --level'
                )
    sizes = [priors.levels[level].featmap_size for level in levels]
    return [list(cells) if cells else [(height // 2, width // 2)] for height, width in sizes]


def draw_priors(
    priors: ConfigPriors,
    image: InputImage,
    levels: Sequence[int],
    cells: Sequence[Sequence[Cell]],
    unclipped: bool = False,
    title: str = '',
) -> Figure:
    """Draw the cells of feature maps over an image, and the priors of some cells, one panel per level.

    Objects of the image are dotted.

    Args:
        priors: Priors of a config.
        image: Image at the size of its input.
        levels: Levels to show.
        cells: For each of them, the (row, column) of the cells whose priors are drawn.
        unclipped: Draw the priors without the generator's ``clip`` too, dashed.
        title: Title of the figure.
    """
    chosen = [priors.levels[index] for index in levels]
    corners = np.concatenate(
        [
            boxes[row, column].numpy()
            for level, level_cells in zip(chosen, cells)
            for boxes in ((level.used, level.unclipped) if unclipped else (level.used,))
            for row, column in level_cells
        ]
    )
    figure, axes = panels(len(levels), limits_around(corners, priors.input_size), room=0.9)
    for axis, index, level, level_cells in zip(axes, levels, chosen, cells):
        show_image(axis, image, priors.input_size)
        _draw_grid(axis, level, priors.input_size)
        for box in () if image.objects is None else image.objects.boxes.tolist():
            outline(axis, box, edgecolor='white', linewidth=2.4)
            outline(axis, box, edgecolor='black', linewidth=1.2, linestyle=':')
        for cell in level_cells:
            _draw_cell(axis, level, cell, unclipped and priors.clip is not None)
        (height, width), per_cell = level.featmap_size, len(level.sizes)
        axis.set_title(
            f'level {index}: {width}x{height} cells, stride {stride_text(level.stride)}\n'
            f'{per_cell} priors per cell, {width * height * per_cell} in all; cell '
            + ' '.join(f'{row},{column}' for row, column in level_cells),
            fontsize=11,
        )
        _add_sizes(axis, level, level_cells)
    figure.suptitle(title, fontsize=12)
    return figure


def panels(number: int, limits: Limits, room: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels that show the same part of the input at the same scale.

    Args:
        number: Number of panels.
        limits: (x1, y1, x2, y2) of the part shown, in pixels.
        room: Inches below a panel for its legend.
    """
    rows = math.ceil(number / MOST_COLUMNS)
    columns = math.ceil(number / rows)
    x1, y1, x2, y2 = limits
    unit = PANEL / max(x2 - x1, y2 - y1)
    width, height = unit * (x2 - x1), unit * (y2 - y1)
    figure = Figure(
        figsize=(columns * (width + 0.3) + 0.2, rows * (height + room + 0.6) + 0.5),
        layout=ConstrainedLayoutEngine(compress=True, h_pad=0.12),
    )
    found = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in found:
        axis.set_axis_off()
    for axis in found[:number]:
        axis.set(xlim=(x1, x2), ylim=(y2, y1), aspect='equal')
    return figure, found[:number]


def limits_around(boxes: np.ndarray, size: tuple[int, int]) -> Limits:
    """Return (x1, y1, x2, y2) that hold boxes ``(N, 4)`` and an image of a (width, height), with a margin."""
    low = np.minimum(boxes[:, :2].min(axis=0, initial=0), 0)
    high = np.maximum(boxes[:, 2:].max(axis=0, initial=0), size)
    margin = 0.02 * max(size)
    (x1, y1), (x2, y2) = (low - margin).tolist(), (high + margin).tolist()
    return x1, y1, x2, y2


def show_image(axis: Axes, image: InputImage, size: tuple[int, int]) -> None:
    """Show an image, faded, with the border of the input."""
    width, height = size
    axis.imshow(image.pixels, extent=(0, width, height, 0), alpha=FADED, interpolation='bilinear')
    axis.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor='black', linewidth=1.2))
    # imshow sets the limits to the image.
    axis.autoscale(False)


def outline(axis: Axes, box: Box, **style: Any) -> None:
    """Draw the outline of a box (x1, y1, x2, y2)."""
    x1, y1, x2, y2 = box
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, **style))


def _draw_grid(axis: Axes, level: LevelPriors, size: tuple[int, int]) -> None:
    """Draw the borders between the cells of a level."""
    (rows, columns), (x, y) = level.featmap_size, level.step
    # Where the stride does not divide the side, the last cells extend beyond the image.
    right, bottom = columns * x, rows * y
    lines = [((column * x, 0), (column * x, bottom)) for column in range(columns + 1)]
    lines += [((0, row * y), (right, row * y)) for row in range(rows + 1)]
    width = 0.4 if min(x / size[0], y / size[1]) < 0.04 else 0.8
    axis.add_collection(LineCollection(lines, colors='black', linewidths=width, alpha=0.45), autolim=False)


def _draw_cell(axis: Axes, level: LevelPriors, cell: Cell, unclipped: bool) -> None:
    """Draw the priors of a cell, and mark the cell and its center."""
    (x, y), center = level.step, level.center(cell)
    corner = (center[0] - x / 2, center[1] - y / 2)
    axis.add_patch(Rectangle(corner, x, y, facecolor='gold', alpha=0.35, linewidth=0))
    for index, (used, whole) in enumerate(zip(level.used[cell].tolist(), level.unclipped[cell].tolist())):
        outline(axis, used, edgecolor=_color(index), linewidth=1.8)
        if unclipped and used != whole:
            outline(axis, whole, edgecolor=_color(index), linewidth=1.2, linestyle=(0, (4, 3)))
    axis.plot(*center, marker='+', color='white', markersize=9, markeredgewidth=3.0)
    axis.plot(*center, marker='+', color='black', markersize=8, markeredgewidth=1.2)


def _add_sizes(axis: Axes, level: LevelPriors, cells: Sequence[Cell]) -> None:
    """Add a legend of the prior sizes, and of those after clipping where one cell is shown."""
    texts = [pixels(*size) for size in level.sizes]
    if len(cells) == 1:
        boxes = level.used[cells[0]]
        clipped = [pixels(*size) for size in (boxes[:, 2:] - boxes[:, :2]).tolist()]
        texts = [text if text == now else f'{text} to {now}' for text, now in zip(texts, clipped)]
    handles = [Line2D([], [], color=_color(index), linewidth=2, label=text) for index, text in enumerate(texts)]
    columns = 2 if max(map(len, texts)) > 13 else 3
    axis.legend(
        handles=handles,
        loc='upper center',
        bbox_to_anchor=(0.5, 0),
        ncols=columns,
        fontsize=9,
        frameon=False,
        handlelength=1.4,
        columnspacing=1.2,
    )


def _color(index: int) -> tuple[float, float, float, float]:
    """Return the color of a prior of a cell."""
    colors = colormaps['tab10']
    return colors(index % colors.N)
