"""Single-stage detector whose parts agree on channels, with an optional validation loss and detection in windows."""

from typing import Any

from mmdet.models.detectors import SingleStageDetector
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor, scale_boxes
from mmdet.utils import reduce_mean
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from ssd_plugin.models.feature_levels import complete_levels

from .tiled_prediction import TileSettings, predict_tiled, tile_settings


@MODELS.register_module()
class MultiBoxDetector(SingleStageDetector):
    """MMDetection's ``SingleStageDetector`` that connects its parts, with a validation loss and detection in windows.

    What the configs of :class:`SSDExtraLayers`, :class:`MultiBoxHead` and :class:`SSDPriorGenerator` leave out,
    ``in_channels`` and ``strides``, is taken from the network (:func:`complete_levels`), so that another backbone is a
    change of ``backbone`` alone.

    With ``val_loss``, MMEngine's validation averages the losses and lists ``val_loss`` and its parts among the metrics,
    for a schedule that waits for a plateau (``ReduceOnPlateauLR`` with ``monitor='val_loss'``).

    With ``test_cfg.tiles``, an image is detected in overlapping windows of its pixels, for small objects in large
    images: ``tiles=dict(size=(640, 480), overlap=0.25)``, whose keys are those of :class:`TileSettings`. The test
    pipeline must leave images at their own size; the tools and ``ssd_plugin.apis`` replace its ``Resize``.
    ``test_cfg.max_per_img`` limits the detections of the whole image. ``tiles=None`` turns windows off.

    Args:
        backbone: Config of the backbone.
        neck: Config of the neck.
        bbox_head: Config of the head.
        args: Other positional arguments of ``SingleStageDetector``.
        val_loss: Whether validation computes the loss.
        kwargs: Other keyword arguments of ``SingleStageDetector``.

    Raises:
        ValueError: The parts do not agree; the message names both sides. Or ``test_cfg.tiles`` has a wrong value, or is
            given together with ``val_loss``.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        bbox_head: dict | None = None,
        *args: Any,
        val_loss: bool = False,
        **kwargs: Any,
    ) -> None:
        parts = complete_levels(dict(backbone=backbone, neck=neck, bbox_head=bbox_head))
        super().__init__(parts['backbone'], parts['neck'], parts['bbox_head'], *args, **kwargs)
        self.val_loss = val_loss
        tiles = (self.test_cfg or {}).get('tiles')
        self.tiles: TileSettings | None = None
        if tiles is not None:
            generator = getattr(self.bbox_head, 'prior_generator', None)
            self.tiles = tile_settings(tiles, getattr(generator, 'input_size', None))
            if val_loss:
                raise ValueError('val_loss is that of whole images: turn it off, or test_cfg.tiles')

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample], rescale: bool = True
    ) -> list[DetDataSample]:
        """Return the samples with the detections of a batch, in windows of the images if ``test_cfg.tiles`` says so.

        Args:
            batch_inputs: ``(B, C, H, W)`` of the data preprocessor.
            batch_data_samples: B samples with ``img_shape`` and, for ``rescale``, ``scale_factor``.
            rescale: Give boxes in pixels of the original image.
        """
        if self.tiles is None:
            return super().predict(batch_inputs, batch_data_samples, rescale)
        shapes = [tuple(sample.img_shape[:2]) for sample in batch_data_samples]
        results = predict_tiled(self, batch_inputs, shapes, self.tiles)
        for found, sample in zip(results, batch_data_samples):
            if rescale:
                found.bboxes = scale_boxes(found.bboxes, [1 / factor for factor in sample.scale_factor])
        return self.add_pred_to_datasample(batch_data_samples, results)

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
