"""Report images that training has skipped."""

from mmdet.registry import HOOKS
from mmengine.runner import Runner

from ssd_plugin.configs import pipeline_steps
from ssd_plugin.datasets.transforms import LoadEncodedImage

from .report_hook import ReportHook


@HOOKS.register_module()
class SkippedImagesHook(ReportHook):
    """Log the number of images that could not be read so far, over all loader workers of this process.

    ``LoadEncodedImage`` counts them, names each one in the log, and ends training when there are too many.

    Args:
        interval: Iterations between reports; another one comes at the end. There is no report without newly skipped
            images.
    """

    def count(self, runner: Runner) -> tuple[int, str]:
        """Return the number of skipped images, and the text of the report."""
        read, skipped = 0, 0
        for step, _ in pipeline_steps(runner.train_dataloader.dataset):
            if isinstance(step, LoadEncodedImage):
                counts = step.counts.sum(dim=0)
                read, skipped = read + int(counts[0]), skipped + int(counts[1])
        return skipped, (
            f'{skipped} of the {read} reads of images so far failed, and other images took their places; each '
            'unreadable file is named above. tools/check_dataset.py finds all of them'
        )
