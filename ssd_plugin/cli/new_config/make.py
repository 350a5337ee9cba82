"""Choose everything that a config for one's own images needs, and write it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ssd_plugin.analysis import recommendations
from ssd_plugin.analysis.dataset_statistics import DatasetStatistics, SizedImage, measure
from ssd_plugin.analysis.prior_tuning_run import PriorTuning, tune
from ssd_plugin.analysis.recommendations import Choice
from ssd_plugin.analysis.step_time import seconds_per_iteration
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.datasets.folders.folder_dataset import FolderDataset
from ssd_plugin.errors import UserError
from ssd_plugin.files import write_atomically

from .choices import Detector, NewConfig
from .splits import Split, choose_splits
from .text import text_of

# Length of the draft of a config, before the time of an iteration is known.
ROUGH_ITERATIONS = 1000


def sized(images: Sequence[AnnotatedImage]) -> list[SizedImage]:
    """Return images with their objects for the statistics; those without a known size are left out."""
    return [
        SizedImage(
            image.path,
            image.size,
            tuple(box.name for box in image.boxes),
            np.array([box.corners for box in image.boxes], float).reshape(-1, 4),
        )
        for image in images
        if image.size and min(image.size) > 0
    ]


def first_sizes(statistics: DatasetStatistics, size: tuple[int, int], levels: int) -> list[tuple[float, ...]]:
    """Return sizes of priors by level, from the quantiles of the objects' sizes.

    Args:
        statistics: Statistics of the training images, with at least one object.
        size: (width, height) of the input.
        levels: Number of feature maps.
    """
    sides = np.clip(statistics.sides(size), 4, min(size))
    low, high = np.quantile(sides, [0.02, 0.98]).tolist()
    # Levels of their own sizes, also where all objects are alike.
    bounds = np.geomspace(low, max(high, 1.5 * low), levels + 1)
    rounded = [round(float(bound), 0 if bound >= 32 else 1) for bound in bounds]
    return [*pairwise(rounded)]


def make(
    data: FolderDataset,
    detector: Detector,
    path: Path,
    fraction: float,
    seed: int,
    minutes: float,
    log: Callable[[str], None] = print,
) -> list[Path]:
    """Choose everything for a config and write it, with the files that it names.

    Args:
        data: The folder.
        detector: The detector to begin with.
        path: The config to write.
        fraction: Fraction of the images for validation, where there is no split for it.
        seed: Seed of the split, the search of the priors and the training.
        minutes: Time for the training.
        log: Receives what was found and chosen.

    Returns:
        The files that were written; the last one is the config.

    Raises:
        UserError: The folder cannot be trained on. No file is left behind.
    """
    written: list[Path] = []

    def write(file: Path, content: bytes) -> None:
        if file.exists():
            raise UserError(f'{file} exists already; move it away, or give another name with --output')
        write_atomically(file, lambda target: target.write(content))
        written.append(file)

    try:
        found = choose_splits(data, path, fraction, seed, write)
        log(f'{found.about}.')
        statistics = measure(sized(found.training), seed)
        config = _chosen(data, detector, path, found, statistics, seed)
        draft = path.with_name(f'.{path.stem}_draft.py')
        written.append(draft)
        config = _with_priors(config, draft, log)
        seconds = seconds_per_iteration(_read(config, draft))
        iterations = recommendations.iterations(statistics.images, config.batch.value, seconds, minutes)
        config = replace(config, iterations=iterations)
        log(f'{iterations.value} iterations: {iterations.reason}')
        draft.unlink()
        write_atomically(path, lambda target: target.write(text_of(config).encode()))
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise
    return [*(file for file in written if file != draft), path]


def _chosen(
    data: FolderDataset, detector: Detector, path: Path, found: Split, statistics: DatasetStatistics, seed: int
) -> NewConfig:
    """Choose what follows from the statistics."""
    size = (
        recommendations.input_size(statistics)
        if detector.input_size is None
        else Choice(detector.input_size, f'that of {detector.title}')
    )
    return NewConfig(
        path=path,
        data=data,
        detector=detector,
        splits=found,
        statistics=statistics,
        size=size,
        flips=recommendations.flips(statistics),
        zoom=recommendations.zoom(statistics, size.value),
        colors=recommendations.colors(statistics),
        batch=recommendations.batch_size(statistics.images),
        sizes=first_sizes(statistics, size.value, detector.levels),
        ratios=None,
        about_priors='quantiles of the training objects',
        iterations=Choice(ROUGH_ITERATIONS, ''),
        seed=seed,
    )


def _read(config: NewConfig, draft: Path) -> Config:
    """Return a config as it is read from a file."""
    write_atomically(draft, lambda target: target.write(text_of(config).encode()))
    return read_config(str(draft))


def _with_priors(config: NewConfig, draft: Path, log: Callable[[str], None]) -> NewConfig:
    """Return the config with tuned priors, where these fit better those objects that the search has not seen."""
    tuning: PriorTuning = tune(_read(config, draft), seed=config.seed)
    if not tuning.is_better:
        log(f'priors from the quantiles of the objects: {tuning.before.summary()} on {tuning.judged_on}')
        about = f'from quantiles of the training objects; {tuning.before.summary()} on {tuning.judged_on}'
        return replace(config, about_priors=about)
    log(f'tuned priors: {tuning.after.summary()} on {tuning.judged_on}')
    about = f'tuned on the training objects; {tuning.after.summary()} on {tuning.judged_on}'
    return replace(
        config, sizes=list(tuning.changes['sizes']), ratios=tuning.changes.get('aspect_ratios'), about_priors=about
    )
