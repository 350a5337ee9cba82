"""Head of SSD: class scores and box offsets for every prior, loss, and detections."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import torch
from mmcv.cnn import ConvModule
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor, scale_boxes
from mmengine.logging import print_log
from mmengine.model import bias_init_with_prob
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ssd_plugin.models.losses.normalized_loss import NormalizedLoss
from ssd_plugin.models.task_modules.matcher import Matcher
from ssd_plugin.models.task_modules.variance_bbox_coder import VarianceBBoxCoder
from ssd_plugin.ops.detections import DetectionSettings, detect
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.predictions import BoxCoder, Predictions
from ssd_plugin.ops.targets import (
    GroundTruth,
    PairMatches,
    PairTargets,
    PriorMatches,
    PriorTargets,
    matched_boxes,
    prior_labels,
)
from ssd_plugin.option_ranges import check_counts, check_fractions


@MODELS.register_module()
class MultiBoxHead(BaseDenseHead):
    """Prediction layers, loss and prediction of SSD, for MMDetection's ``SingleStageDetector``.

    Parameter names are those of MMDetection's ``SSDHead``.

    Args:
        num_classes: Number of classes C without the background.
        prior_generator: Config of a prior generator, also MMDetection's ``SSDAnchorGenerator``.
        in_channels: Per level, channels of the feature map. ``None`` in a config of :class:`MultiBoxDetector` for those
            that backbone and neck have.
        bbox_coder: Config of a box coder, also MMDetection's ``DeltaXYWHBBoxCoder``.
        matcher: Config of the matcher.
        loss_multibox: Config of the loss, which must take the kind of targets that the matcher gives.
        predictor: ``'dense'`` for 3x3 convolutions, ``'pointwise'`` for 1x1 convolutions, ``'separable'`` for a 3x3
            depthwise and a 1x1 convolution, or a list of one of them per level.
        use_sigmoid: Give a prior one sigmoid output per class and none for the background, as the focal losses require,
            instead of a softmax over classes and background.
        background: Whether the background is the ``'last'`` output of a prior, as in MMDetection and by default, or the
            ``'first'``, as in the original release. The labels of objects are 0..C-1 either way. Not with
            ``use_sigmoid``.
        unused_outputs: Indices of outputs of a prior, including the background, that belong to no class of the data.
            They take part in the softmax and are never detected. torchvision's COCO models have one for each id that
            COCO skipped. Those of an inherited config, for more classes than ``num_classes``, have no effect.
        norm_cfg: Normalization after the depthwise convolution of a separable predictor.
        act_cfg: Activation after it.
        train_cfg: Accepted for MMDetection's detectors, which pass it; the components above hold all training settings.
        test_cfg: ``score_thr`` (lowest score), ``nms_pre`` (best priors per class), ``nms=dict(type='nms',
            iou_threshold)`` per class, ``max_per_img`` (best detections of an image), ``min_bbox_size`` (boxes must be
            larger, in pixels; -1 for all), ``best_class_only`` (``True``: only the highest output of a prior is
            compared with ``score_thr``, and a prior whose highest output is the background gives no detection. By
            default each class is compared, as in the paper, so that a prior may give detections of several classes,
            also where the background is more likely).
        init_cfg: Initialization.

    Raises:
        ValueError: The arguments contradict each other; the message names them.
    """

    def __init__(
        self,
        num_classes: int,
        prior_generator: dict,
        in_channels: Sequence[int] | None = None,
        bbox_coder: dict = dict(type='VarianceBBoxCoder'),
        matcher: dict = dict(type='SSDMatcher'),
        loss_multibox: dict = dict(type='MultiBoxLoss'),
        predictor: str | Sequence[str] = 'dense',
        use_sigmoid: bool = False,
        background: Literal['first', 'last'] | None = None,
        unused_outputs: Sequence[int] = (),
        norm_cfg: dict | None = None,
        act_cfg: dict | None = dict(type='ReLU'),
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list | None = dict(type='Caffe2Xavier', layer='Conv2d'),
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if in_channels is None:
            raise ValueError(
                'in_channels is missing, which MultiBoxDetector takes from backbone and neck: set model.type to it, or '
                'give in_channels'
            )
        self.in_channels = tuple(in_channels)
        self.layout = OutputLayout.of_head(num_classes, use_sigmoid, background, unused_outputs)
        if unused_outputs and not self.layout.unused:
            print_log(
                f'bbox_head.unused_outputs has no effect: it is for more classes than num_classes={num_classes}, whose '
                f'{self.layout.num_outputs} outputs are all used',
                logger='current',
            )
        self.prior_generator = TASK_UTILS.build(prior_generator)
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.matcher = TASK_UTILS.build(matcher)
        self.loss_multibox = MODELS.build(loss_multibox)
        self._check_loss()
        self.test_cfg = test_cfg
        # Windows are the detector's.
        self._settings({**(test_cfg or {}), 'tiles': None}, True)

        num_priors = self.prior_generator.num_base_priors
        kinds = [predictor] * len(in_channels) if isinstance(predictor, str) else predictor
        if not len(in_channels) == len(num_priors) == len(kinds):
            raise ValueError(
                f'levels do not agree: in_channels has {len(in_channels)}, prior_generator {len(num_priors)}, '
                f'predictor {len(kinds)}'
            )
        layers = list(zip(in_channels, num_priors, kinds))
        self.cls_convs = nn.ModuleList(
            _predictor(channels, num * self.layout.num_outputs, kind, norm_cfg, act_cfg)
            for channels, num, kind in layers
        )
        self.reg_convs = nn.ModuleList(
            _predictor(channels, num * 4, kind, norm_cfg, act_cfg) for channels, num, kind in layers
        )

    @property
    def num_classes(self) -> int:
        """Number of classes without the background."""
        return self.layout.num_classes

    def _check_loss(self) -> None:
        """Check that the loss fits the kind of targets that the matcher gives, and the activation of the outputs."""
        loss, matcher = type(self.loss_multibox).__name__, type(self.matcher).__name__
        if not isinstance(self.matcher, Matcher):
            raise ValueError(f'matcher must be SSDMatcher, ManyToManyMatcher or another Matcher, got {matcher}')
        if not isinstance(self.loss_multibox, NormalizedLoss):
            raise ValueError(f'loss_multibox must be MultiBoxLoss or another NormalizedLoss, got {loss}')
        pairs = self.matcher.gives is PairMatches
        if pairs != (self.loss_multibox.takes is PairTargets):
            given, remedy = ('pairs', 'ManyToManyLoss') if pairs else ('one object per prior', 'MultiBoxLoss')
            raise ValueError(
                f'{matcher} gives {given}, which {loss} does not take; change matcher, or loss_multibox (to {remedy}, '
                'for example)'
            )
        if self.loss_multibox.activation != self.layout.activation:
            wanted = self.loss_multibox.activation == 'sigmoid'
            other = 'MultiBoxLoss' if wanted else 'FocalMultiBoxLoss'
            raise ValueError(
                f'{loss} is defined for {self.loss_multibox.activation} outputs; set use_sigmoid={wanted}, or take '
                f'{other} as loss_multibox'
            )

    def init_weights(self) -> None:
        """Initialize the parameters according to ``init_cfg``, and the biases of sigmoid outputs.

        Sigmoid outputs start at a confidence of 0.01: at a half, the many background priors would dominate the loss of
        the first iterations (arXiv 1708.02002, section 4.1).
        """
        super().init_weights()
        if self.layout.activation == 'sigmoid':
            for layers in self.cls_convs:
                # The last parameter of a predictor is the bias of its last convolution.
                *_, bias = layers.parameters()
                nn.init.constant_(bias, bias_init_with_prob(0.01))

    def forward(self, feats: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the raw outputs of each level.

        Args:
            feats: Per level, ``(B, channels, H, W)``.

        Returns:
            Class logits ``(B, A * K, H, W)`` and offsets ``(B, A * 4, H, W)`` per level, A the priors of a cell and K
            the outputs of a prior (the C classes, the background unless ``use_sigmoid``, and the unused ones).
        """
        # An iterator would be exhausted after the classes.
        feats = tuple(feats)
        return (
            [conv(feat) for conv, feat in zip(self.cls_convs, feats)],
            [conv(feat) for conv, feat in zip(self.reg_convs, feats)],
        )

    def predictions(self, cls_maps: Sequence[Tensor], box_maps: Sequence[Tensor]) -> Predictions:
        """Return the outputs of :meth:`forward` with everything needed to decode them."""
        sizes = [m.shape[-2:] for m in cls_maps]
        grids = self.prior_generator.grid_priors(sizes, dtype=torch.float32, device=cls_maps[0].device)
        priors = torch.cat([get_box_tensor(grid) for grid in grids])
        return Predictions(cls_maps, box_maps, self.layout, priors, _TensorCoder(self.bbox_coder))

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list[InstanceData | None] | None = None,
    ) -> dict[str, Tensor]:
        """Return the losses of a batch.

        Args:
            cls_scores: Class logits per level, as from :meth:`forward`.
            bbox_preds: Offsets per level.
            batch_gt_instances: Per image, ``bboxes`` (G, 4) in pixels and ``labels`` (G,).
            batch_img_metas: Unused; MMDetection passes them.
            batch_gt_instances_ignore: Per image, the objects with an ignore flag, with ``labels`` or without; ``None``
                for an image, or for the batch, without any.

        Returns:
            ``loss_cls``, ``loss_bbox`` and any other losses, scalars, and ``num_positives``, by which they are divided.
        """
        predictions = self.predictions(cls_scores, bbox_preds)
        with torch.no_grad():
            ground_truth = padded_ground_truth(batch_gt_instances, batch_gt_instances_ignore)
            targets = self.targets(predictions.priors, ground_truth)
        return self.loss_multibox(predictions, targets)

    def targets(self, priors: Tensor, ground_truth: GroundTruth) -> PriorTargets | PairTargets:
        """Return the training targets of the priors ``(P, 4)``, or of the pairs."""
        matches = self.matcher(priors, ground_truth)
        if isinstance(matches, PairMatches):
            labels = ground_truth.labels[matches.image, matches.object].clamp(min=0)
            boxes = ground_truth.boxes[matches.image, matches.object]
            return PairTargets(matches, labels, self.bbox_coder.encode(priors[matches.prior], boxes))
        return PriorTargets(
            prior_labels(matches, ground_truth.labels, self.num_classes),
            self._encode(priors, ground_truth.boxes, matches),
        )

    def _encode(self, priors: Tensor, boxes: Tensor, matches: PriorMatches) -> Tensor:
        """Return the offsets ``(B, P, 4)`` of each prior's object."""
        if isinstance(self.bbox_coder, VarianceBBoxCoder):
            return self.bbox_coder.encode_matches(priors, boxes, matches.object.clamp(min=0))
        # Flattened to (N, 4) for MMDetection's coders.
        matched = matched_boxes(matches, boxes)
        rows = self.bbox_coder.encode(priors.expand_as(matched).reshape(-1, 4), matched.reshape(-1, 4))
        return rows.view_as(matched)

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_img_metas: list[dict],
        cfg: dict | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Return the detections of a batch.

        Args:
            cls_scores: Class logits per level, as from :meth:`forward`.
            bbox_preds: Offsets per level.
            batch_img_metas: Per image, ``img_shape`` and, for ``rescale``, ``scale_factor``.
            cfg: Settings in place of ``test_cfg``.
            rescale: Give boxes in pixels of the original image.
            with_nms: Suppress overlapping boxes of a class.

        Returns:
            Per image, ``bboxes`` (N, 4), clipped at the border of the image unless the coder's ``clip_border`` is off,
            a tensor or, with the coder's ``use_box_type``, ``HorizontalBoxes``; ``scores`` (N,) and ``labels`` (N,),
            highest score first.
        """
        settings = self._settings(self.test_cfg or {} if cfg is None else cfg, with_nms)
        shapes = bbox_preds[0].new_tensor([meta['img_shape'][:2] for meta in batch_img_metas], dtype=torch.float32)
        results = []
        detections = detect(self.predictions(cls_scores, bbox_preds), shapes, settings)
        for found, meta in zip(detections, batch_img_metas):
            boxes = found.boxes
            if rescale:
                boxes = scale_boxes(boxes, [1 / factor for factor in meta['scale_factor']])
            if getattr(self.bbox_coder, 'use_box_type', False):
                boxes = HorizontalBoxes(boxes)
            results.append(InstanceData(bboxes=boxes, scores=found.scores, labels=found.labels))
        return results

    def _settings(self, cfg: dict, with_nms: bool) -> DetectionSettings:
        """Convert MMDetection's ``test_cfg`` to the settings of detection.

        Raises:
            ValueError: A number is out of its range, or the suppression is another than ``'nms'``.
        """
        if cfg.get('tiles') is not None:
            raise ValueError("test_cfg.tiles needs model.type='MultiBoxDetector', which detects in windows")
        nms = cfg.get('nms') or {}
        if nms.get('type', 'nms') != 'nms':
            raise ValueError(f"MultiBoxHead suppresses with test_cfg.nms.type='nms' only, got {nms['type']!r}")
        check_fractions(score_thr=cfg.get('score_thr', 0), iou_threshold=nms.get('iou_threshold', 0))
        check_counts(-1, nms_pre=cfg.get('nms_pre', -1), max_per_img=cfg.get('max_per_img', -1))
        return DetectionSettings(
            score_threshold=cfg.get('score_thr', 0.0),
            top_k=cfg.get('nms_pre', -1),
            iou_threshold=nms.get('iou_threshold') if with_nms else None,
            max_per_image=cfg.get('max_per_img', -1),
            min_box_size=cfg.get('min_bbox_size', -1),
            # Not every coder of MMDetection has the switch; those without it clip.
            clip=getattr(self.bbox_coder, 'clip_border', True),
            best_class_only=cfg.get('best_class_only', False),
        )


class _TensorCoder(NamedTuple):
    """A box coder whose boxes are tensors, whatever its ``use_box_type``."""

    coder: BoxCoder

    def encode(self, bboxes: Tensor, gt_bboxes: Tensor) -> Tensor:
        return self.coder.encode(bboxes, gt_bboxes)

    def decode(self, bboxes: Tensor, pred_bboxes: Tensor) -> Tensor:
        return get_box_tensor(self.coder.decode(bboxes, pred_bboxes))


def _predictor(
    in_channels: int, out_channels: int, kind: str, norm_cfg: dict | None, act_cfg: dict | None
) -> nn.Sequential:
    """Return the prediction layer of a level."""
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


def padded_ground_truth(
    instances: Sequence[InstanceData], ignored: Sequence[InstanceData | None] | None = None
) -> GroundTruth:
    """Return the ground truth of a batch, padded; ignored objects follow the others of their image.

    Padding is marked by value, so that no lengths have to be copied to the device.

    Args:
        instances: Per image, ``bboxes`` (G, 4) and ``labels`` (G,).
        ignored: Per image, the objects with an ignore flag: ``bboxes``, and ``labels`` where their class is known.
            ``None`` for an image, or no fields, for none.
    """
    boxes, labels = [get_box_tensor(part.bboxes) for part in instances], [part.labels for part in instances]
    others = [part if part else None for part in ignored or ()]
    flags, classless = None, any(part is not None and 'labels' not in part for part in others)
    if any(part is not None for part in others):
        more_boxes = [b[:0] if part is None else get_box_tensor(part.bboxes) for b, part in zip(boxes, others)]
        more_labels = [_labels_of(part, b, c) for part, b, c in zip(others, more_boxes, labels)]
        per_image = [torch.cat([torch.zeros_like(a), torch.ones_like(b)]) for a, b in zip(labels, more_labels)]
        flags = pad_sequence(per_image, batch_first=True).bool()
        boxes = [torch.cat(parts) for parts in zip(boxes, more_boxes)]
        labels = [torch.cat(parts) for parts in zip(labels, more_labels)]
    lengths = [len(part) for part in labels]
    padded = pad_sequence(boxes, batch_first=True)
    padded_labels = pad_sequence(labels, batch_first=True, padding_value=-1)
    if padded.shape[1] == 0:
        padded = padded.new_zeros(len(padded), 1, 4)
        padded_labels = padded_labels.new_full((len(padded), 1), -1)
    return GroundTruth(padded, padded_labels, flags, lengths, classless)


def _labels_of(ignored: InstanceData | None, boxes: Tensor, like: Tensor) -> Tensor:
    """Return the labels of the ignored objects with these boxes, -1 without a class, in the type of other labels."""
    if ignored is None or 'labels' not in ignored:
        return like.new_full((len(boxes),), -1)
    return ignored.labels
