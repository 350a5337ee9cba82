"""The box coder of SSD, as a task module."""

import torch
from mmdet.models.task_modules.coders.base_bbox_coder import BaseBBoxCoder
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor

from ssd_plugin.ops.boxes import clip_to_image, decode, encode, encode_matches


@TASK_UTILS.register_module()
class VarianceBBoxCoder(BaseBBoxCoder):
    """Centre-size offsets scaled by two variances; formulas in :mod:`ssd_plugin.ops.boxes`.

    With ``target_stds=(center_variance,) * 2 + (size_variance,) * 2``, MMDetection's ``DeltaXYWHBBoxCoder`` is the same code.

    Args:
        center_variance: divides the offsets of the centre.
        size_variance: divides the logarithms of the sizes.
        clip_border: cut decoded boxes at the borders of the image when ``max_shape`` is given.
    """

    def __init__(self, center_variance: float = 0.1, size_variance: float = 0.2, clip_border: bool = True):
        super().__init__()
        self.center_variance = center_variance
        self.size_variance = size_variance
        self.clip_border = clip_border

    def encode(self, bboxes: Tensor, gt_bboxes: Tensor) -> Tensor:
        """Offsets ``(..., 4)`` of ground truth from priors, both ``(..., 4)`` in pixels."""
        return encode(get_box_tensor(bboxes), get_box_tensor(gt_bboxes), self.center_variance, self.size_variance)

    def encode_matches(self, priors: Tensor, boxes: Tensor, matches: Tensor) -> Tensor:
        """Offsets ``(B, P, 4)`` of the boxes ``(B, G, 4)`` that the priors ``(P, 4)`` are matched to, by index ``(B, P)``."""
        return encode_matches(priors, boxes, matches, self.center_variance, self.size_variance)

    def decode(self, bboxes: Tensor, pred_bboxes: Tensor, max_shape=None) -> Tensor:
        """Boxes in pixels from priors and predicted offsets.

        Args:
            bboxes: ``(..., 4)`` priors in pixels; broadcasts against ``pred_bboxes``.
            pred_bboxes: ``(..., 4)`` offsets.
            max_shape: (height, width, ...) of the image, or one for each image of a batch ``(B, ..., 4)``; ``None`` does not clip.
        """
        boxes = decode(get_box_tensor(bboxes), pred_bboxes, self.center_variance, self.size_variance)
        if max_shape is None or not self.clip_border:
            return boxes
        shape = torch.as_tensor(max_shape, dtype=boxes.dtype, device=boxes.device)[..., :2]  # (2,) or (B, 2)
        height, width = shape.unbind(-1)
        middle = (1,) * (boxes.dim() - 1 - height.dim())
        return clip_to_image(boxes, height.reshape(*height.shape, *middle), width.reshape(*width.shape, *middle))
