"""Tables, plots and JSON of measured times."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssd_plugin.analysis.figure_files import save_figure

from . import startup
from .cases import FLOOR, Setting
from .peers import OURS
from .timing import Timing

SWEEP_LABELS = {'objects': 'objects per image', 'batch': 'images', 'classes': 'classes'}


class Measurement(NamedTuple):
    """Times of one case, and what they were measured with.

    Attributes:
        title: What was measured.
        batch: Number of images.
        classes: Number of classes without the background.
        objects: Number of objects per image.
        device: Name of the device.
        times: Times by name of the implementation or part.
    """

    title: str
    batch: int
    classes: int
    objects: int
    device: str
    times: dict[str, Timing]


def print_medians(title: str, setting: Setting, times: dict[str, Timing]) -> None:
    """Print a table of medians and quartiles, with the ratio to this package.

    Args:
        title: What was measured.
        setting: What it was measured with.
        times: Times by name. If the bare network is among them, its fraction of the others is printed, too.
    """
    print(f'\n{title}: batch {setting.batch}, {setting.classes} classes, {setting.objects} objects per image')
    ours = times[OURS].median
    floor = times[FLOOR].median if FLOOR in times else None
    for name, t in times.items():
        ratio = '' if name == OURS else f'  {t.median / ours:6.2f}x ours'
        fraction = ''
        if floor and t.median >= floor and name != FLOOR:
            fraction = f'  {100 * floor / t.median:4.0f}% is the network alone'
        print(f'  {name:16} {t.median:9.2f} ms  ({t.low:.2f} to {t.high:.2f}){ratio}{fraction}')


def print_means(title: str, times: dict[str, Timing]) -> None:
    """Print a table of means per image, with the ratio to this package.

    Means, because the cost of a random augmentation differs from image to image.

    Args:
        title: What was measured.
        times: Times of one image by name.
    """
    print(f'\n{title}')
    for name, t in times.items():
        ratio = '' if name == OURS else f'  {t.mean / times[OURS].mean:6.2f}x ours'
        print(f'  {name:18} {t.mean:9.2f} ms on average  {1000 / t.mean:6.0f} images/s{ratio}')


def print_startup(workers: int) -> None:
    """Measure the start with a large dataset, and print each row of its table as soon as it is measured.

    Args:
        workers: Number of worker processes of the dataloader.
    """
    print(
        f'{startup.IMAGES} images with {startup.BOXES} boxes, {workers} workers; memory is that of all processes, '
        'minus that with a tiny dataset'
    )
    first = None
    for name, seconds, memory in startup.compare(workers):
        first = first or (seconds, memory)
        ratio = f'  {seconds / first[0]:.2f} of the time, {memory / first[1]:.3f} of the memory'
        print(f'  {name:28} {seconds:6.1f} s to the first batch  {memory:7.1f} MB{ratio}', flush=True)


def draw_sweep(path: Path, sweep: str, results: Sequence[Measurement]) -> None:
    """Save a figure of the median times over the swept value, with one panel for each title.

    Args:
        path: File to write; its suffix sets the format.
        sweep: Name of the swept value: ``'batch'``, ``'classes'`` or ``'objects'``.
        results: Measurements for several values of it.
    """
    # matplotlib takes a second to import, and few runs draw.
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    titles = list(dict.fromkeys(result.title for result in results))
    figure, axes = pyplot.subplots(1, len(titles), figsize=(6 * len(titles), 4.5), squeeze=False)
    for axis, title in zip(axes[0], titles):
        panel = [result for result in results if result.title == title]
        values = [result._asdict()[sweep] for result in panel]
        for name in panel[0].times:
            times = [result.times[name] for result in panel]
            (line,) = axis.plot(values, [t.median for t in times], marker='o', label=name)
            axis.fill_between(
                values, [t.low for t in times], [t.high for t in times], alpha=0.2, color=line.get_color()
            )
        axis.set(title=title, xlabel=SWEEP_LABELS[sweep], ylabel='milliseconds', xscale='log', yscale='log')
        axis.grid(True, which='both', alpha=0.3)
        axis.legend()
    figure.tight_layout()
    save_figure(figure, path, dpi=120)


def write_json(path: Path, results: Sequence[Measurement]) -> None:
    """Write measurements as JSON, one object each.

    Args:
        path: File to write.
        results: The measurements.
    """
    rows = [{**m._asdict(), 'times': {name: t._asdict() for name, t in m.times.items()}} for m in results]
    path.write_text(json.dumps(rows, indent=1))
