"""Single-stage detector with an optional validation loss."""

from typing import Any

from mmdet.models.detectors import SingleStageDetector
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor, scale_boxes
from mmdet.utils import reduce_mean
from mmengine.structures import BaseDataElement, InstanceData


@MODELS.register_module()
class MultiBoxDetector(SingleStageDetector):
    """MMDetection's ``SingleStageDetector`` with an optional validation loss.

    With ``val_loss``, MMEngine's validation averages the losses and lists ``val_loss`` and its parts among the metrics,
    for a schedule that waits for a plateau (``ReduceOnPlateauLR`` with ``monitor='val_loss'``).

    Args:
        args: Positional arguments of ``SingleStageDetector``.
        val_loss: Whether validation computes the loss.
        kwargs: Keyword arguments of ``SingleStageDetector``.
    """

    def __init__(self, *args: Any, val_loss: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.val_loss = val_loss

    def val_step(self, data: dict) -> list[DetDataSample | BaseDataElement]:
        """Return the detections of a batch and, with ``val_loss``, its losses.

        The network runs once for both. The ground truth of a test pipeline is in pixels of the original image, for the
        metrics; for the loss, it is converted to pixels of the input of the network.

        Args:
            data: Batch as a dataloader gives it.

        Returns:
            One sample per image. With ``val_loss``, one element follows that holds the losses, averaged over the ranks,
            where MMEngine's ``ValLoop`` looks for them.
        """
        if not self.val_loss:
            return super().val_step(data)
        data = self.data_preprocessor(data, False)
        objects, ignored, metas = unpack_gt_instances(data['data_samples'])
        outputs = self.bbox_head(self.extract_feat(data['inputs']))
        losses = self.bbox_head.loss_by_feat(*outputs, _resized(objects, metas), metas, _resized(ignored, metas))
        detections = self.bbox_head.predict_by_feat(*outputs, metas, rescale=True)
        mean_losses = {name: reduce_mean(value) for name, value in losses.items() if 'loss' in name}
        samples = self.add_pred_to_datasample(data['data_samples'], detections)
        return [*samples, BaseDataElement(loss=mean_losses)]


def _resized(instances: list[InstanceData | None], metas: list[dict]) -> list[InstanceData | None]:
    """Convert boxes from pixels of the original images to pixels of the input of the network."""
    resized = [part and part.new() for part in instances]
    for part, meta in zip(resized, metas):
        if part:
            part.bboxes = scale_boxes(get_box_tensor(part.bboxes), meta['scale_factor'])
    return resized
