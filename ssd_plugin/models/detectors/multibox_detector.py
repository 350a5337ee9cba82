"""The detector that also gives the loss of validation images."""

from mmdet.models.detectors import SingleStageDetector
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor, scale_boxes
from mmdet.utils import reduce_mean
from mmengine.structures import BaseDataElement, InstanceData


@MODELS.register_module()
class MultiBoxDetector(SingleStageDetector):
    """MMDetection's ``SingleStageDetector``, whose losses MMEngine's validation can average: ``val_loss`` and its parts then stand among
    the metrics, for a schedule that waits for a plateau (``ReduceOnPlateauLR`` with ``monitor='val_loss'``).

    Args:
        val_loss: whether validation computes the loss.
        kwargs: as of ``SingleStageDetector``.
    """

    def __init__(self, *args, val_loss: bool = False, **kwargs):
        super().__init__(*args, **kwargs)
        self.val_loss = val_loss

    def val_step(self, data: dict) -> list:
        """Detections of a batch, and behind them, with ``val_loss``, its losses, the mean over ranks, as MMEngine's ``ValLoop`` takes
        them. The network runs once for both.

        The test pipeline's ground truth is in pixels of the original image, for the metrics.
        """
        if not self.val_loss:
            return super().val_step(data)
        data = self.data_preprocessor(data, False)
        objects, ignored, metas = unpack_gt_instances(data['data_samples'])
        outputs = self.bbox_head(self.extract_feat(data['inputs']))
        losses = self.bbox_head.loss_by_feat(*outputs, _resized(objects, metas), metas, _resized(ignored, metas))
        found = self.bbox_head.predict_by_feat(*outputs, metas, rescale=True)
        losses = BaseDataElement(loss={name: reduce_mean(value) for name, value in losses.items() if 'loss' in name})
        return [*self.add_pred_to_datasample(data['data_samples'], found), losses]


def _resized(instances: list[InstanceData], metas: list[dict]) -> list[InstanceData]:
    """Boxes in pixels of the network's input, from those of the original images."""
    return [
        InstanceData(bboxes=scale_boxes(get_box_tensor(part.bboxes), meta['scale_factor']), labels=part.labels)
        for part, meta in zip(instances, metas)
    ]
