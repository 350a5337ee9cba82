"""Task module that encodes and decodes boxes as SSD does."""

from collections.abc import Sequence

import torch
from mmdet.models.task_modules.coders.base_bbox_coder import BaseBBoxCoder
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor
from torch import Tensor

from ssd_plugin.ops.boxes import clip_to_image, decode, encode, encode_matches
from ssd_plugin.option_ranges import check_number


@TASK_UTILS.register_module()
class VarianceBBoxCoder(BaseBBoxCoder):
    """Coder of boxes as offsets of center and size from a prior, each divided by a variance.

    The formulas are in :mod:`ssd_plugin.ops.boxes`. MMDetection's ``DeltaXYWHBBoxCoder`` with
    ``target_stds=(center_variance,) * 2 + (size_variance,) * 2`` defines the same offsets.

    Args:
        center_variance: Divisor of the offsets of the center.
        size_variance: Divisor of the logarithms of the size.
        clip_border: Whether decoded boxes are clipped to the image when ``max_shape`` is given.
        use_box_type: Whether decoded boxes are MMDetection's ``HorizontalBoxes``, not tensors.
    """

    def __init__(
        self,
        center_variance: float = 0.1,
        size_variance: float = 0.2,
        clip_border: bool = True,
        use_box_type: bool = False,
    ) -> None:
        super().__init__(use_box_type)
        check_number('center_variance', center_variance, above=True)
        check_number('size_variance', size_variance, above=True)
        self.center_variance = center_variance
        self.size_variance = size_variance
        self.clip_border = clip_border

    def encode(self, bboxes: Tensor, gt_bboxes: Tensor) -> Tensor:
        """Return the offsets ``(..., 4)`` of ground-truth boxes from priors.

        Args:
            bboxes: ``(..., 4)`` priors, xyxy in pixels.
            gt_bboxes: ``(..., 4)`` ground-truth boxes, xyxy in pixels.
        """
        return encode(get_box_tensor(bboxes), get_box_tensor(gt_bboxes), self.center_variance, self.size_variance)

    def encode_matches(self, priors: Tensor, boxes: Tensor, matches: Tensor) -> Tensor:
        """Return the offsets ``(B, P, 4)`` of each prior's matched box.

        Args:
            priors: ``(P, 4)`` xyxy in pixels.
            boxes: ``(B, G, 4)`` xyxy in pixels, G at least 1.
            matches: ``(B, P)`` index of the matched box, 0..G-1.
        """
        return encode_matches(priors, boxes, matches, self.center_variance, self.size_variance)

    def decode(
        self,
        bboxes: Tensor,
        pred_bboxes: Tensor,
        max_shape: Tensor | Sequence[int] | Sequence[Sequence[int]] | None = None,
    ) -> Tensor | HorizontalBoxes:
        """Return the boxes, xyxy in pixels, that predicted offsets stand for.

        Args:
            bboxes: ``(..., 4)`` priors, xyxy in pixels; broadcasts against ``pred_bboxes``.
            pred_bboxes: ``(..., 4)`` offsets, or ``(..., C * 4)`` with offsets for each of C classes.
            max_shape: (height, width, ...) of the image to clip to, or one for each image of a batch ``(B, ..., 4)``.
                ``None`` does not clip.

        Returns:
            ``(..., 4)``, or ``(..., C * 4)`` with a box for each class, in float32 or wider.

        Raises:
            ValueError: The size of ``pred_bboxes`` is not a multiple of 4; or it has offsets for several classes, and
                ``use_box_type`` is set, although ``HorizontalBoxes`` hold one box in a row.
        """
        if pred_bboxes.shape[-1] % 4:
            raise ValueError(f'pred_bboxes must be (..., 4) or (..., C * 4), got {tuple(pred_bboxes.shape)}')
        if self.use_box_type and pred_bboxes.shape[-1] != 4:
            raise ValueError(
                f'use_box_type=True decodes one box of a prior, got pred_bboxes of shape {tuple(pred_bboxes.shape)}'
            )
        deltas = pred_bboxes.unflatten(-1, (-1, 4))  # (..., C, 4)
        boxes = decode(get_box_tensor(bboxes).unsqueeze(-2), deltas, self.center_variance, self.size_variance)
        if max_shape is not None and self.clip_border:
            shape = torch.as_tensor(max_shape, dtype=boxes.dtype, device=boxes.device)[..., :2]  # (2,) or (B, 2)
            height, width = shape.unbind(-1)
            middle = (1,) * (boxes.dim() - 1 - height.dim())
            boxes = clip_to_image(boxes, height.reshape(*height.shape, *middle), width.reshape(*width.shape, *middle))
        boxes = boxes.flatten(-2)
        return HorizontalBoxes(boxes) if self.use_box_type else boxes
