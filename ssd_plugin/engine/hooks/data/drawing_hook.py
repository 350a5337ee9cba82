"""Draw the detections of an evaluation whose images may be unreadable."""

import os
from collections.abc import Sequence
from typing import Any

from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.runner import Runner

from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, read_file


@HOOKS.register_module()
class DrawingHook(DetVisualizationHook):
    """MMDetection's ``DetVisualizationHook``, which draws nothing on images that cannot be read.

    All figures of a test are in one folder: MMDetection's hook extends a relative path again with every batch.
    """

    def before_test(self, runner: Runner) -> None:
        """Complete the path of the folder."""
        if self.test_out_dir is not None:
            self.test_out_dir = os.path.abspath(os.path.join(runner.work_dir, runner.timestamp, self.test_out_dir))

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence[DetDataSample]) -> None:
        """Draw the first image of the batch."""
        readable = self._readable(outputs)
        if readable:
            super().after_val_iter(runner, batch_idx, data_batch, readable)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence[DetDataSample]
    ) -> None:
        """Draw the images of the batch."""
        super().after_test_iter(runner, batch_idx, data_batch, self._readable(outputs))

    def _readable(self, outputs: Sequence[DetDataSample]) -> list[DetDataSample]:
        return [sample for sample in outputs if self._is_readable(sample.img_path)] if self.draw else []

    def _is_readable(self, path: str) -> bool:
        try:
            decode(read_file(path, self.backend_args))
        except (FileNotFoundError, UnreadableImage):
            return False
        return True
