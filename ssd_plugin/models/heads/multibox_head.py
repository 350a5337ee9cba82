"""The head of SSD: class scores and box offsets for every prior, the loss, and the detections."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import get_box_tensor, scale_boxes
from mmengine.model import bias_init_with_prob
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ssd_plugin.ops.boxes import clip_to_image
from ssd_plugin.ops.candidates import Candidates
from ssd_plugin.ops.detections import detect
from ssd_plugin.ops.levels import at_least_float32, flatten_levels
from ssd_plugin.ops.many_to_many_matching import Pairs
from ssd_plugin.ops.matching import BACKGROUND, IGNORED


@MODELS.register_module()
class MultiBoxHead(BaseDenseHead):
    """Prediction layers, loss and prediction of SSD, for MMDetection's ``SingleStageDetector``.

    Parameter names are those of MMDetection's ``SSDHead``.

    Args:
        num_classes: number of classes C without the background.
        in_channels: per level, channels of the feature map.
        prior_generator: config of a prior generator, also MMDetection's ``SSDAnchorGenerator``.
        bbox_coder: config of a box coder, also MMDetection's ``DeltaXYWHBBoxCoder``.
        matcher: config of the matching.
        loss_multibox: config of the loss.
        use_sigmoid: whether a prior has one logistic output for each class and none for the background, as the focal losses want it,
            rather than a softmax over classes and background.
        predictor: ``'dense'`` for 3x3 convolutions, ``'pointwise'`` for 1x1 convolutions, ``'separable'`` for a 3x3 depthwise and
            a 1x1 convolution, or a list of one of them per level.
        background: whether the background is the ``'last'`` output of a prior, as in MMDetection, or the ``'first'``, as in the
            original release. The labels of objects are 0..C-1 either way.
        unused_outputs: outputs of a prior, counted from 0 with the background, that are no class of the data: they take part in
            the softmax and are never detected. torchvision's COCO models have one for each id that COCO left out.
        norm_cfg: normalization after the depthwise convolution of a separable predictor.
        act_cfg: activation after it.
        train_cfg: accepted for MMDetection's detectors; unused, everything is in the components above.
        test_cfg: ``score_thr`` (lowest score), ``nms_pre`` (best priors per class), ``nms=dict(type='nms', iou_threshold)`` per
            class, ``max_per_img`` (best detections of an image), ``min_bbox_size`` (boxes must be larger, in pixels; -1 for all).
        init_cfg: initialization.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int],
        prior_generator: dict,
        bbox_coder: dict = dict(type='VarianceBBoxCoder'),
        matcher: dict = dict(type='SSDMatcher'),
        loss_multibox: dict = dict(type='MultiBoxLoss'),
        predictor: str | Sequence[str] = 'dense',
        use_sigmoid: bool = False,
        background: str = 'last',
        unused_outputs: Sequence[int] = (),
        norm_cfg: dict | None = None,
        act_cfg: dict | None = dict(type='ReLU'),
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list | None = dict(type='Caffe2Xavier', layer='Conv2d'),
    ):
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.use_sigmoid = use_sigmoid
        self.num_outputs = num_classes + (0 if use_sigmoid else 1) + len(unused_outputs)
        order = list(range(num_classes)) if use_sigmoid else _class_order(self.num_outputs, background, unused_outputs)
        self.class_order = order
        # On the device, for the loss; not needed where it changes nothing.
        reordered = order != list(range(self.num_outputs))
        self.register_buffer('class_order_tensor', torch.tensor(order) if reordered else None, persistent=False)
        self.prior_generator = TASK_UTILS.build(prior_generator)
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.matcher = TASK_UTILS.build(matcher)
        self.loss_multibox = MODELS.build(loss_multibox)
        self.test_cfg = test_cfg

        num_priors = self.prior_generator.num_base_priors
        kinds = [predictor] * len(in_channels) if isinstance(predictor, str) else predictor
        if not len(in_channels) == len(num_priors) == len(kinds):
            raise ValueError(
                f'levels do not agree: in_channels has {len(in_channels)}, prior_generator {len(num_priors)}, '
                f'predictor {len(kinds)}'
            )
        layers = [(channels, num, kind) for channels, num, kind in zip(in_channels, num_priors, kinds)]
        self.cls_convs = nn.ModuleList(
            self._predictor(channels, num * self.num_outputs, kind, norm_cfg, act_cfg) for channels, num, kind in layers
        )
        self.reg_convs = nn.ModuleList(
            self._predictor(channels, num * 4, kind, norm_cfg, act_cfg) for channels, num, kind in layers
        )

    @staticmethod
    def _predictor(
        in_channels: int, out_channels: int, kind: str, norm_cfg: dict | None, act_cfg: dict | None
    ) -> nn.Sequential:
        if kind == 'dense':
            return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        if kind == 'pointwise':
            return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1))
        if kind == 'separable':
            depthwise = ConvModule(
                in_channels, in_channels, 3, padding=1, groups=in_channels, norm_cfg=norm_cfg, act_cfg=act_cfg
            )
            return nn.Sequential(depthwise, nn.Conv2d(in_channels, out_channels, 1))
        raise ValueError(f"predictor must be 'dense', 'pointwise' or 'separable', got {kind!r}")

    def init_weights(self) -> None:
        """As ``init_cfg`` says. Logistic outputs begin at a confidence of 0.01: at a half, the many background priors would swamp the
        loss of the first iterations (arXiv 1708.02002, section 4.1)."""
        super().init_weights()
        if self.use_sigmoid:
            for conv in self.cls_convs:
                nn.init.constant_(conv[-1].bias, bias_init_with_prob(0.01))

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Raw outputs of each level.

        Args:
            feats: per level, ``(B, channels, H, W)``.

        Returns:
            Class logits ``(B, A * outputs, H, W)`` and offsets ``(B, A * 4, H, W)`` per level, A the priors of a cell; outputs are the C
            classes, the background unless ``use_sigmoid``, and the unused ones.
        """
        return (
            [conv(feat) for conv, feat in zip(self.cls_convs, feats)],
            [conv(feat) for conv, feat in zip(self.reg_convs, feats)],
        )

    def _priors(self, maps: Sequence[Tensor]) -> Tensor:
        """All priors ``(P, 4)`` in pixels, for the outputs of :meth:`forward`."""
        grids = self.prior_generator.grid_priors(
            [m.shape[-2:] for m in maps], dtype=torch.float32, device=maps[0].device
        )
        return torch.cat([get_box_tensor(grid) for grid in grids])

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch; the outputs of :meth:`forward` and the ground truth as MMDetection passes it.

        Returns:
            ``loss_cls`` and ``loss_bbox``, scalars, and what else the loss has.
        """
        priors = self._priors(cls_scores)
        with torch.no_grad():
            boxes, classes, ignored, lengths = _pad_ground_truth(batch_gt_instances, batch_gt_instances_ignore)
            if hasattr(self.matcher, 'pairs'):
                targets = self._targets_of_pairs(priors, boxes, classes, ignored)
            else:
                targets = self._targets_of_priors(priors, boxes, classes, ignored, lengths)
        return self.loss_multibox(
            cls_scores, bbox_preds, *targets, self.num_outputs, self.class_order_tensor, partial(self._decode, priors)
        )

    def _decode(self, priors: Tensor, deltas: Tensor) -> Tensor:
        """Boxes in pixels of all priors, from offsets, both ``(B, P, 4)``; for MMDetection's coder in rows."""
        return self.bbox_coder.decode(priors.expand_as(deltas).reshape(-1, 4), deltas.reshape(-1, 4)).view_as(deltas)

    def _targets_of_priors(
        self, priors: Tensor, boxes: Tensor, classes: Tensor, ignored: Tensor | None, lengths: list[int]
    ) -> tuple[Tensor, Tensor]:
        """Labels ``(B, P)`` and offsets ``(B, P, 4)`` for a matcher that gives each prior one object at most."""
        matches = self.matcher(priors, boxes, classes >= 0, ignored, lengths)  # (B, P)
        background = self.num_outputs if self.use_sigmoid else self.num_outputs - 1
        return _labels(matches, classes, background), self._box_targets(priors, boxes, matches.clamp(min=0))

    def _targets_of_pairs(
        self, priors: Tensor, boxes: Tensor, classes: Tensor, ignored: Tensor | None
    ) -> tuple[Pairs, Tensor, Tensor, Tensor | None]:
        """Pairs, their labels ``(K,)`` and offsets ``(K, 4)``, and which priors are no negatives, for a matcher that gives pairs."""
        pairs, uncounted = self.matcher.pairs(priors, boxes, classes >= 0, ignored)
        labels = classes[pairs.image, pairs.object].clamp(min=0)
        targets = self.bbox_coder.encode(priors[pairs.prior], boxes[pairs.image, pairs.object])
        return pairs, labels, targets, uncounted

    def _box_targets(self, priors: Tensor, boxes: Tensor, index: Tensor) -> Tensor:
        """Offsets ``(B, P, 4)`` of the box ``(B, G, 4)`` that ``index`` ``(B, P)`` names for each prior."""
        if hasattr(self.bbox_coder, 'encode_matches'):
            return self.bbox_coder.encode_matches(priors, boxes, index)
        matched = boxes.gather(1, index.unsqueeze(-1).expand(-1, -1, 4))
        return self.bbox_coder.encode(priors.expand_as(matched).reshape(-1, 4), matched.reshape(-1, 4)).view_as(matched)

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_img_metas: list[dict],
        cfg: dict | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Detections of a batch.

        Args:
            cls_scores: class logits per level, as from :meth:`forward`.
            bbox_preds: offsets per level.
            batch_img_metas: per image, ``img_shape`` and, for ``rescale``, ``scale_factor``.
            cfg: in place of ``test_cfg``.
            rescale: give boxes in pixels of the original image.
            with_nms: suppress overlapping boxes of a class.

        Returns:
            Per image, ``bboxes`` (N, 4), cut at the border of the image unless the coder's ``clip_border`` is off, ``scores`` (N,)
            and ``labels`` (N,), highest score first.
        """
        cfg = self.test_cfg if cfg is None else cfg
        nms = cfg.get('nms') or {}
        if nms.get('type', 'nms') != 'nms':
            raise ValueError(f"MultiBoxHead suppresses with test_cfg.nms.type='nms' only, got {nms['type']!r}")
        priors = self._priors(cls_scores)
        deltas = at_least_float32(flatten_levels(bbox_preds, 4))
        shapes = deltas.new_tensor([meta['img_shape'][:2] for meta in batch_img_metas])  # (B, 2)
        smallest = cfg.get('min_bbox_size', -1)

        def boxes_of(found: Candidates) -> tuple[Tensor, Tensor | None]:
            boxes = self.bbox_coder.decode(priors[found.prior], deltas[found.image, found.prior])
            if getattr(self.bbox_coder, 'clip_border', True):
                height, width = shapes[found.image].unbind(dim=1)
                boxes = clip_to_image(boxes, height, width)
            return boxes, (boxes[:, 2:] - boxes[:, :2] > smallest).all(dim=1) if smallest >= 0 else None

        detections = detect(
            cls_scores,
            self.class_order,
            self.num_classes,
            boxes_of,
            cfg.get('score_thr', 0.0),
            cfg.get('nms_pre', -1),
            nms.get('iou_threshold') if with_nms else None,
            cfg.get('max_per_img', -1),
            self.use_sigmoid,
        )
        results = []
        for found, meta in zip(detections, batch_img_metas):
            boxes = (
                scale_boxes(found.boxes, [1 / factor for factor in meta['scale_factor']]) if rescale else found.boxes
            )
            results.append(InstanceData(bboxes=boxes, scores=found.scores, labels=found.labels))
        return results


def _pad_ground_truth(
    instances: Sequence[InstanceData], ignored: Sequence[InstanceData] | None
) -> tuple[Tensor, Tensor, Tensor | None, list[int]]:
    """Ground truth of the batch, ignored objects behind the others: boxes ``(B, G, 4)`` with G at least 1, classes ``(B, G)`` with
    -1 where padded, ignore flags ``(B, G)`` if any is set, and the numbers of boxes. Padding by value needs no lengths on the
    device."""
    boxes, classes = [get_box_tensor(part.bboxes) for part in instances], [part.labels for part in instances]
    flags = None
    if ignored is not None and any(len(part) for part in ignored):
        flags = [torch.cat([a.labels.new_zeros(len(a)), b.labels.new_ones(len(b))]) for a, b in zip(instances, ignored)]
        flags = pad_sequence(flags, batch_first=True).bool()
        boxes = [torch.cat([a, get_box_tensor(b.bboxes)]) for a, b in zip(boxes, ignored)]
        classes = [torch.cat([a, b.labels]) for a, b in zip(classes, ignored)]
    lengths = [len(part) for part in classes]
    boxes, classes = pad_sequence(boxes, batch_first=True), pad_sequence(classes, batch_first=True, padding_value=-1)
    if boxes.shape[1] == 0:
        boxes, classes = boxes.new_zeros(len(boxes), 1, 4), classes.new_full((len(classes), 1), -1)
    return boxes, classes, flags, lengths


def _class_order(num_outputs: int, background: str, unused: Sequence[int]) -> list[int]:
    """Which output of the network is each class, then the unused ones, then the background."""
    if background not in ('first', 'last'):
        raise ValueError(f"background must be 'first' or 'last', got {background!r}")
    place = 0 if background == 'first' else num_outputs - 1
    if len(set(unused)) != len(unused) or not all(0 <= index < num_outputs and index != place for index in unused):
        raise ValueError(
            f'unused_outputs must be different outputs of 0..{num_outputs - 1} and not the background ({place}), got '
            f'{tuple(unused)}'
        )
    classes = [index for index in range(num_outputs) if index != place and index not in unused]
    return [*classes, *unused, place]


def _labels(matches: Tensor, classes: Tensor, background: int) -> Tensor:
    """Class ``(B, P)`` of each prior's match, ``background`` without one and -1 where a prior does not count."""
    table = F.pad(classes, (2, 0), value=-1)  # (B, 2 + G): for IGNORED, BACKGROUND, and the objects
    table[:, BACKGROUND - IGNORED] = background
    return table.gather(1, matches - IGNORED)
