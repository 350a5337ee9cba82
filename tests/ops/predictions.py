"""Predictions of a network of one level, for the tests of what reads them."""

import torch

from ssd_plugin.models.task_modules.variance_bbox_coder import VarianceBBoxCoder
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.predictions import Predictions


class BoxesAsOffsets:
    """A coder whose offsets are the boxes."""

    def encode(self, bboxes, gt_bboxes):
        return gt_bboxes

    def decode(self, bboxes, pred_bboxes):
        return pred_bboxes


def as_map(values):
    """``(B, P, K)`` as the map ``(B, K, P, 1)`` of a level of P cells with one prior each."""
    return values.transpose(1, 2).unsqueeze(-1)


def predictions_of(logits, deltas, layout=None, coder=None):
    """Predictions from ``(B, P, K)`` logits and ``(B, P, 4)`` offsets; by default the background is last."""
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).expand(logits.shape[1], 4)
    layout = layout or OutputLayout(logits.shape[-1] - 1)
    return Predictions([as_map(logits)], [as_map(deltas)], layout, priors, coder or VarianceBBoxCoder())
