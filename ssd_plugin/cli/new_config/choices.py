"""The parts of a new config, and the detectors that it can begin with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_plugin.analysis.dataset_statistics import DatasetStatistics
from ssd_plugin.analysis.recommendations import Choice
from ssd_plugin.datasets.folders.folder_dataset import FolderDataset

from .splits import Split


@dataclass(frozen=True)
class Detector:
    """A detector to begin with.

    Attributes:
        base: Its config.
        title: What it is.
        input_size: (width, height) of the input, ``None`` for a network that takes any.
        levels: Number of feature maps.
    """

    base: str
    title: str
    input_size: tuple[int, int] | None
    levels: int


DETECTORS = {
    'depthwise': Detector('ssd_plugin::_base_/own_data/ssd_depthwise.py', 'The depthwise detector', None, 4),
    'ssdlite320': Detector('ssd_plugin::_base_/own_data/ssdlite320.py', 'SSDLite on MobileNetV3-Large', (320, 320), 6),
    'ssd300': Detector('ssd_plugin::_base_/own_data/ssd300.py', 'SSD300 on VGG-16', (300, 300), 6),
    'ssd512': Detector('ssd_plugin::_base_/own_data/ssd512.py', 'SSD512 on VGG-16', (512, 512), 7),
}
# Validations, and checkpoints, in a training.
VALIDATIONS = 3


@dataclass(frozen=True)
class NewConfig:
    """The parts of a config to write.

    Attributes:
        path: The config.
        data: The folder that it trains on.
        detector: The detector.
        splits: What it trains, validates and tests with.
        statistics: Statistics of the training images.
        size: (width, height) of the input.
        flips: Options of the augmentation.
        zoom: Options of the augmentation.
        colors: Options of the augmentation, if the usual ones make no sense.
        batch: Images of a batch.
        sizes: Sizes of the priors by level, in pixels.
        ratios: Aspect ratios of the priors by level, ``None`` for those of the base.
        about_priors: How well the priors fit.
        iterations: Number of iterations.
        seed: Seed of the training.
    """

    path: Path
    data: FolderDataset
    detector: Detector
    splits: Split
    statistics: DatasetStatistics
    size: Choice
    flips: Choice
    zoom: Choice
    colors: Choice | None
    batch: Choice
    sizes: list[tuple[float, ...]]
    ratios: list[Any] | None
    about_priors: str
    iterations: Choice
    seed: int

    @property
    def interval(self) -> int:
        """Iterations between validations, and between checkpoints."""
        return max(self.iterations.value // VALIDATIONS, 1)
