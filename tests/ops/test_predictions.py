import torch
from torch import nn

from ssd_plugin.models.task_modules.variance_bbox_coder import VarianceBBoxCoder
from ssd_plugin.ops.boxes import decode
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.predictions import Predictions
from tests.ops.predictions import predictions_of


def test_offsets_decode_to_the_boxes_of_their_priors():
    deltas = torch.randn(2, 5, 4)
    predictions = predictions_of(torch.zeros(2, 5, 3), deltas)
    expected = decode(predictions.priors.expand(2, 5, 4), deltas, 0.1, 0.2)
    torch.testing.assert_close(predictions.decode(predictions.deltas()), expected)


def test_half_precision_is_widened_to_float32():
    predictions = predictions_of(torch.zeros(1, 2, 3).half(), torch.zeros(1, 2, 4).bfloat16())
    assert predictions.logits().dtype == predictions.deltas().dtype == torch.float32


class Reading(nn.Module):
    """Confidences and boxes of all priors from the maps of two levels."""

    def __init__(self, layout):
        super().__init__()
        self.layout, self.coder = layout, VarianceBBoxCoder()
        self.register_buffer('priors', torch.tensor([[0.0, 0.0, 8.0, 8.0]]).repeat(2 * 4 + 2, 1))

    def forward(self, cls_maps, box_maps):
        predictions = Predictions(cls_maps, box_maps, self.layout, self.priors, self.coder)
        return self.layout.confidences(predictions.logits()), predictions.decode(predictions.deltas())


def test_reading_predictions_is_exportable():
    layout = OutputLayout(3, 'first', unused=(2,))
    maps = [torch.randn(2, 2 * layout.num_outputs, 2, 2), torch.randn(2, 2 * layout.num_outputs, 1, 1)]
    boxes = [torch.randn(2, 2 * 4, 2, 2), torch.randn(2, 2 * 4, 1, 1)]
    module = Reading(layout)
    exported = torch.export.export(module, (maps, boxes)).module()
    torch.testing.assert_close(exported(maps, boxes), module(maps, boxes))
    assert module(maps, boxes)[0].shape == (2, 10, 3) and module(maps, boxes)[1].shape == (2, 10, 4)
