"""Report images that training has skipped, and images of another size than annotated."""

import numpy as np
from mmdet.registry import HOOKS
from mmengine.runner import Runner

from ssd_plugin.configs import pipeline_steps
from ssd_plugin.datasets.transforms import LoadEncodedImage

from .report_hook import ReportHook


@HOOKS.register_module()
class SkippedImagesHook(ReportHook):
    """Log the numbers of images that could not be read, or were not as annotated, over all loader workers of a process.

    ``LoadEncodedImage`` counts them, names them in the log, and ends training when too many cannot be read.

    Args:
        interval: Iterations between reports; another one comes at the end. There is no report without new images to
            report.
    """

    def counts(self, runner: Runner) -> list[tuple[int, str]]:
        """Return the numbers of skipped images and of those of another size, and the text of the report of each."""
        steps = [step for step, _ in pipeline_steps(runner.train_dataloader.dataset)]
        totals = [step.reads.totals() for step in steps if isinstance(step, LoadEncodedImage)]
        read, skipped, other_size = np.array(totals, int).reshape(-1, 3).sum(axis=0).tolist()
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
