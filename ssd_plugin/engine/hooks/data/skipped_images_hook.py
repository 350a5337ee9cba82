"""Report images that training has skipped or evaluation could not read, and images of another size than annotated."""

from collections.abc import Iterable

import numpy as np
from mmdet.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ssd_plugin.configs import pipeline_steps
from ssd_plugin.datasets.transforms import LoadEncodedImage, LoadImageFromFile
from ssd_plugin.datasets.transforms.image_reads import ImageReads
from ssd_plugin.datasets.unusable_data import MAX_FRACTION, excess
from ssd_plugin.errors import UnusableData
from ssd_plugin.option_ranges import check_fractions

from .report_hook import ReportHook


@HOOKS.register_module()
class SkippedImagesHook(ReportHook):
    """Log the numbers of images that could not be read, or were not as annotated, over all loader workers of a process.

    In training ``LoadEncodedImage`` counts them, names them in the log, and ends the run when too many cannot be read.
    In validation and testing ``LoadImageFromFile`` does, which replaces unreadable images by gray ones, so that their
    objects count as missed.

    Args:
        interval: Iterations between reports; another one comes at the end. There is no report without new images to
            report.
        max_unreadable: Fraction of unreadable images above which an evaluation ends with an error; a single one is
            never too many.
    """

    def __init__(self, interval: int = 1000, max_unreadable: float = MAX_FRACTION) -> None:
        super().__init__(interval)
        check_fractions(max_unreadable=max_unreadable)
        self.max_unreadable = max_unreadable

    def before_val(self, runner: Runner) -> None:
        """Have the test pipeline replace unreadable images."""
        self._replace_unreadable(runner.val_dataloader)

    def before_test(self, runner: Runner) -> None:
        """Have the test pipeline replace unreadable images."""
        self._replace_unreadable(runner.test_dataloader)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Report at the end of a validation.

        Raises:
            UnusableData: Too many images could not be read.
        """
        self._report_evaluation(runner, runner.val_dataloader)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Report at the end of a test.

        Raises:
            UnusableData: Too many images could not be read.
        """
        self._report_evaluation(runner, runner.test_dataloader)

    @staticmethod
    def _replace_unreadable(loader: DataLoader) -> None:
        for step, _ in pipeline_steps(loader.dataset):
            if isinstance(step, LoadImageFromFile):
                step.replace_unreadable()

    def _report_evaluation(self, runner: Runner, loader: DataLoader) -> None:
        steps = [step for step, _ in pipeline_steps(loader.dataset) if isinstance(step, LoadImageFromFile)]
        read, unreadable, other_size = _totals(step.reads for step in steps if step.reads)
        too_many = excess(unreadable, read, 'images', 'could not be read', self, 'max_unreadable', self.max_unreadable)
        if too_many and unreadable > 1:
            raise UnusableData(f'{too_many}; each is named above')
        if unreadable:
            runner.logger.warning(
                f'{unreadable} of the {read} images could not be read and were evaluated as gray ones, so that their '
                'objects count as missed; each is named above'
            )
        if other_size:
            runner.logger.warning(
                f'{other_size} of the {read} images have another size than annotated, so that the results may be '
                'wrong; the first files are named above. tools/check_dataset.py finds all of them'
            )

    def counts(self, runner: Runner) -> list[tuple[int, str]]:
        """Return the numbers of skipped images and of those of another size, and the text of the report of each."""
        steps = [step for step, _ in pipeline_steps(runner.train_dataloader.dataset)]
        read, skipped, other_size = _totals(step.reads for step in steps if isinstance(step, LoadEncodedImage))
        return [
            (
                skipped,
                f'{skipped} of the {read} reads of images so far failed, and other images took their places; each '
                'unreadable file is named above. tools/check_dataset.py finds all of them',
            ),
            (
                other_size,
                f'{other_size} of the {read} reads of images so far gave another size than annotated, so that boxes '
                'may be wrong; the first files are named above. tools/check_dataset.py finds all of them',
            ),
        ]


def _totals(reads: Iterable[ImageReads]) -> list[int]:
    """Return the counts of all loaders: images read, unreadable ones, and ones of another size than annotated."""
    return np.array([counts.totals() for counts in reads], int).reshape(-1, 3).sum(axis=0).tolist()
