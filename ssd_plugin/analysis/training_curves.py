"""Training curves from the log of a run."""

import json
from pathlib import Path

from matplotlib.figure import Figure

from ssd_plugin.errors import UserError

from .figure_files import save_figure

Record = dict[str, float]


def read_log(work_dir: Path) -> list[Record]:
    """Return the log records of all runs in a work directory, oldest run first.

    A resumed run continues the steps of the previous one.

    Raises:
        UserError: There is no record of training.
    """
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]
    if not any('loss' in record for record in records):
        raise UserError(f'{work_dir} has no log of a training run (*/vis_data/scalars.json)')
    return records


def plot_curves(records: list[Record], path: Path) -> None:
    """Plot training and validation losses, learning rate and validation metrics against the training steps.

    Args:
        records: Records of :func:`read_log`.
        path: Figure to save.
    """
    training = [record for record in records if 'loss' in record]
    validation = [record for record in records if 'loss' not in record and 'step' in record]
    figure = Figure(figsize=(15, 4), layout='constrained')
    losses, rate, metrics = figure.subplots(1, 3)
    for name in sorted({key for record in training for key in record if 'loss' in key}):
        losses.plot(*_series(training, name), label=name)
    if any('val_loss' in record for record in validation):
        losses.plot(*_series(validation, 'val_loss'), marker='o', color='black', label='val_loss')
    losses.set(title='loss', xlabel='step', yscale='log')
    rate.plot(*_series(training, 'lr'), color='tab:gray')
    rate.set(title='learning rate', xlabel='step')
    for name in sorted({key for record in validation for key in record if '/' in key}):
        metrics.plot(*_series(validation, name), marker='o', label=name)
    metrics.set(title='validation', xlabel='step', ylim=(0, 1))
    for axis in (losses, metrics):
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend()
    save_figure(figure, path)


def _series(records: list[Record], name: str) -> tuple[list[float], list[float]]:
    """Return the steps at which a value was logged, and its values."""
    logged = [record for record in records if name in record]
    return [record['step'] for record in logged], [record[name] for record in logged]
