"""Raw network outputs of a batch, with everything needed to decode them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from .levels import at_least_float32, flatten_levels
from .output_layout import OutputLayout


class BoxCoder(Protocol):
    """The part of MMDetection's box coders that this package uses: boxes in pixels to offsets, and back."""

    def encode(self, bboxes: Tensor, gt_bboxes: Tensor) -> Tensor:
        """Return the offsets ``(N, 4)`` of ground truth ``(N, 4)`` from priors ``(N, 4)``."""
        ...

    def decode(self, bboxes: Tensor, pred_bboxes: Tensor) -> Tensor:
        """Return the boxes ``(N, 4)`` that offsets ``(N, 4)`` from priors ``(N, 4)`` stand for."""
        ...


class Predictions(NamedTuple):
    """Raw outputs of the prediction layers for B images and P priors, with everything needed to decode them.

    Attributes:
        cls_maps: Per level, scores before the softmax or sigmoid ``(B, A * K, H, W)``, with A priors in a cell and K
            class outputs of a prior.
        box_maps: Per level, offsets ``(B, A * 4, H, W)``.
        layout: Meaning of the class outputs.
        priors: ``(P, 4)``, xyxy in pixels.
        coder: Box coder, which decodes the offsets.
    """

    cls_maps: Sequence[Tensor]
    box_maps: Sequence[Tensor]
    layout: OutputLayout
    priors: Tensor
    coder: BoxCoder

    def logits(self) -> Tensor:
        """Return the class scores in the order of the priors, ``(B, P, K)`` in float32 or wider."""
        return at_least_float32(flatten_levels(self.cls_maps, self.layout.num_outputs))

    def deltas(self) -> Tensor:
        """Return the offsets in the order of the priors, ``(B, P, 4)`` in float32 or wider."""
        return at_least_float32(flatten_levels(self.box_maps, 4))

    def decode(self, deltas: Tensor) -> Tensor:
        """Return the boxes in pixels of offsets of all priors, both ``(B, P, 4)``."""
        # Flattened to (N, 4) for MMDetection's coders.
        rows = self.coder.decode(self.priors.expand_as(deltas).reshape(-1, 4), deltas.reshape(-1, 4))
        return rows.view_as(deltas)
