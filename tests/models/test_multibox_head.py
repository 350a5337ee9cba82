import copy
import math

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from ssd_plugin.models.heads.multibox_head import padded_ground_truth
from ssd_plugin.ops.boxes import encode, pairwise_iou
from ssd_plugin.ops.matching import match_priors
from ssd_plugin.ops.multibox_loss import multibox_loss
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.predictions import Predictions
from ssd_plugin.ops.targets import GroundTruth, PriorTargets
from tests.ops.predictions import predictions_of
from tests.support import CONFIGS

SIZE = 64
HEAD = dict(
    type='MultiBoxHead',
    num_classes=3,
    in_channels=(8, 8),
    prior_generator=dict(
        type='SSDPriorGenerator',
        input_size=SIZE,
        strides=[16, 32],
        sizes=[(20, 30), (40, 50)],
        aspect_ratios=[[2], [2]],
        centers='step',
    ),
    matcher=dict(type='SSDMatcher', ignored='match'),
)
TEST_CFG = ConfigDict(score_thr=0.01, nms_pre=400, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200)
THEIR_PRIORS = dict(
    type='SSDAnchorGenerator',
    scale_major=False,
    strides=[16, 32],
    ratios=[[2], [2]],
    min_sizes=[20, 40],
    max_sizes=[30, 50],
)
THEIR_CODER = dict(type='DeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2])


PAIRS = dict(matcher=dict(type='ManyToManyMatcher', ignored='exclude'), loss_multibox=dict(type='ManyToManyLoss'))
FOCAL = dict(use_sigmoid=True, loss_multibox=dict(type='FocalMultiBoxLoss', quality=True, box_loss='diou'))


def build_head(**options):
    head = MODELS.build({**copy.deepcopy(HEAD), 'test_cfg': TEST_CFG, **options})
    head.init_weights()
    return head


def test_feature_maps_may_come_from_a_generator():
    feats = [torch.randn(2, 8, 4, 4), torch.randn(2, 8, 2, 2)]
    head = build_head()
    for found, expected in zip(head(feat for feat in feats), head(feats)):
        assert len(found) == 2 and all(torch.equal(a, b) for a, b in zip(found, expected))


def their_head(prior_generator, bbox_coder):
    """MMDetection's SSDHead around given parts."""
    head = MODELS.build(
        dict(
            type='SSDHead',
            num_classes=3,
            in_channels=(8, 8),
            anchor_generator=prior_generator,
            bbox_coder=bbox_coder,
            train_cfg=ConfigDict(
                assigner=dict(
                    type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.0, gt_max_assign_all=False
                ),
                sampler=dict(type='PseudoSampler'),
                smoothl1_beta=1.0,
                allowed_border=-1,
                pos_weight=-1,
                neg_pos_ratio=3,
            ),
            test_cfg=TEST_CFG,
        )
    )
    # Its prediction reads an attribute that it does not set.
    head.loss_cls = None
    return head


def features(batch=2):
    return [torch.randn(batch, 8, 4, 4), torch.randn(batch, 8, 2, 2)]


def ground_truth(*images, labels=None):
    boxes = [torch.tensor(image, dtype=torch.float32).reshape(-1, 4) for image in images]
    labels = labels or [[i % 3 for i in range(len(image))] for image in images]
    return [InstanceData(bboxes=b, labels=torch.tensor(c, dtype=torch.long)) for b, c in zip(boxes, labels)]


def metas(batch=2, shape=(SIZE, SIZE), **more):
    return [dict(img_shape=shape, pad_shape=shape, batch_input_shape=shape, **more) for _ in range(batch)]


def total(losses):
    """What MMEngine's ``parse_losses`` optimizes."""
    return sum(value for name, value in losses.items() if 'loss' in name)


OBJECTS = ([[4.0, 4.0, 28.0, 24.0], [30.0, 20.0, 62.0, 60.0]], [[10.0, 10.0, 50.0, 50.0]])


def test_loss_is_that_of_priors_matched_encoded_and_summed():
    head, feats = build_head(), features()
    losses = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    logits, deltas = (
        torch.cat([m.permute(0, 2, 3, 1).reshape(2, -1, n) for m in maps], 1) for maps, n in zip(head(feats), (4, 4))
    )
    priors = torch.cat(head.prior_generator.grid_priors([(4, 4), (2, 2)], device='cpu'))
    labels, targets = torch.full((2, len(priors)), 3), torch.zeros(2, len(priors), 4)
    for image, instances in enumerate(ground_truth(*OBJECTS)):
        matches = match_priors(priors, instances.bboxes[None], torch.ones(1, len(instances), dtype=torch.bool))[0]
        for p in (matches >= 0).nonzero().flatten().tolist():
            labels[image, p] = instances.labels[matches[p]]
            targets[image, p] = encode(priors[p], instances.bboxes[matches[p]], 0.1, 0.2)
    sums = multibox_loss(predictions_of(logits, deltas), PriorTargets(labels, targets))
    assert losses['num_positives'] == sums.num_positives > 0
    torch.testing.assert_close(losses['loss_cls'], sums.cls / sums.num_positives)
    torch.testing.assert_close(losses['loss_bbox'], sums.bbox / sums.num_positives)


def test_alpha_weighs_the_boxes_alone():
    feats = features()
    head = build_head()
    doubled = build_head(loss_multibox=dict(type='MultiBoxLoss', alpha=2.0))
    doubled.load_state_dict(head.state_dict())
    one, two = (h.loss_by_feat(*h(feats), ground_truth(*OBJECTS), metas()) for h in (head, doubled))
    torch.testing.assert_close(two['loss_bbox'], 2 * one['loss_bbox'])
    torch.testing.assert_close(two['loss_cls'], one['loss_cls'])
    for losses in (one, two):
        total(losses).backward()
    for ours, theirs in zip(doubled.reg_convs.parameters(), head.reg_convs.parameters()):
        torch.testing.assert_close(ours.grad, 2 * theirs.grad)
    for ours, theirs in zip(doubled.cls_convs.parameters(), head.cls_convs.parameters()):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize('images', [([], []), ([[5.0, 5.0, 5.0, 5.0]], [])])
def test_batch_without_usable_objects_gives_zero_loss_and_zero_gradients(images):
    head = build_head()
    losses = head.loss_by_feat(*head(features()), ground_truth(*images), metas())
    total(losses).backward()
    assert all(value == 0 for value in losses.values())
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())


def test_background_is_mined_from_empty_images_when_asked():
    head = build_head(loss_multibox=dict(type='MultiBoxLoss', negatives_if_empty=10))
    losses = head.loss_by_feat(*head(features()), ground_truth([], []), metas())
    assert losses['loss_cls'] > 0 and losses['loss_bbox'] == 0


def test_box_without_area_leaves_the_loss_as_it_is_without_it():
    head, feats = build_head(), features()
    with_bad = ([[4.0, 4.0, 28.0, 24.0], [30.0, 30.0, 30.0, 30.0]], OBJECTS[1])
    bad = head.loss_by_feat(*head(feats), ground_truth(*with_bad), metas())
    good = head.loss_by_feat(*head(feats), ground_truth([OBJECTS[0][0]], OBJECTS[1]), metas())
    torch.testing.assert_close(bad, good)


@pytest.mark.parametrize('ignored, trains', [('match', True), ('exclude', False), ('background', False)])
def test_difficult_objects_train_when_told_to(ignored, trains):
    head = build_head(matcher=dict(type='SSDMatcher', ignored=ignored))
    feats, difficult = features(1), ground_truth([[10.0, 10.0, 50.0, 50.0]])
    losses = head.loss_by_feat(*head(feats), ground_truth([]), metas(1), difficult)
    assert bool(losses['loss_bbox'] > 0) == trains


@pytest.mark.parametrize('ignored', ['match', 'exclude', 'background'])
@pytest.mark.parametrize('nothing', [None, InstanceData(), InstanceData(bboxes=torch.zeros(0, 4))])
def test_images_without_ignored_objects_have_the_loss_of_their_objects(nothing, ignored):
    head, feats = build_head(matcher=dict(type='SSDMatcher', ignored=ignored)), features()
    alone = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    torch.testing.assert_close(head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas(), [nothing] * 2), alone)
    # One image has an ignored object, far from all priors: the other still has none.
    far = [*ground_truth([[900.0, 900.0, 901.0, 901.0]]), nothing]
    torch.testing.assert_close(head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas(), far), alone)


@pytest.mark.parametrize('parts', [dict(), PAIRS])
@pytest.mark.parametrize('ignored, like', [('match', 'exclude'), ('exclude', 'exclude'), ('background', 'background')])
def test_ignored_objects_without_a_class_are_excluded_where_others_train(ignored, like, parts):
    head, reference = (
        build_head(**{**parts, 'matcher': {**parts.get('matcher', dict(type='SSDMatcher')), 'ignored': treatment}})
        for treatment in (ignored, like)
    )
    reference.load_state_dict(head.state_dict())
    feats, (crowd,) = features(), ground_truth([[40.0, 2.0, 62.0, 20.0]])
    boxes_only = InstanceData(bboxes=crowd.bboxes)
    found = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas(), [boxes_only, None])
    expected = reference.loss_by_feat(*reference(feats), ground_truth(*OBJECTS), metas(), [crowd, None])
    torch.testing.assert_close(found, expected)


def test_one_batch_may_have_ignored_objects_with_and_without_a_class():
    head, feats = build_head(matcher=dict(type='SSDMatcher', ignored='match')), features()
    with_class, without = ground_truth([[40.0, 2.0, 62.0, 20.0]], [[2.0, 40.0, 20.0, 62.0]])
    targets = head.targets(
        head.predictions(*head(feats)).priors,
        padded_ground_truth(ground_truth(*OBJECTS), [with_class, InstanceData(bboxes=without.bboxes)]),
    )
    as_object = padded_ground_truth(ground_truth([*OBJECTS[0], *with_class.bboxes.tolist()], labels=[[0, 1, 0]]))
    expected = head.targets(head.predictions(*head(feats)).priors, as_object)
    assert torch.equal(targets.labels[0], expected.labels[0])
    assert (targets.labels[1] == -1).any()


def test_box_types_of_mmdetection_give_the_same_loss():
    head, feats = build_head(), features()
    plain = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    wrapped = ground_truth(*OBJECTS)
    for instances in wrapped:
        instances.bboxes = HorizontalBoxes(instances.bboxes)
    torch.testing.assert_close(head.loss_by_feat(*head(feats), wrapped, metas()), plain)


def test_outputs_and_loss_equal_mmdetections_head():
    theirs, ours = their_head(THEIR_PRIORS, THEIR_CODER), build_head()
    ours.load_state_dict(theirs.state_dict())
    feats = features()
    torch.testing.assert_close(ours(feats), theirs(feats))
    found = ours.loss_by_feat(*ours(feats), ground_truth(*OBJECTS), metas())
    expected = theirs.loss_by_feat(
        *theirs(feats), ground_truth(*OBJECTS), metas(), [InstanceData(bboxes=torch.zeros(0, 4))] * 2
    )
    torch.testing.assert_close(found['loss_cls'], sum(expected['loss_cls']).squeeze())
    torch.testing.assert_close(found['loss_bbox'], sum(expected['loss_bbox']))


@pytest.mark.parametrize(
    'coder', [dict(type='VarianceBBoxCoder', use_box_type=True), dict(THEIR_CODER, use_box_type=True)]
)
@pytest.mark.parametrize('options', [dict(), FOCAL])
def test_detections_have_the_box_type_of_the_coder(coder, options):
    typed, plain = build_head(bbox_coder=coder, **options), build_head(**options)
    plain.load_state_dict(typed.state_dict())
    feats, more = features(), dict(scale_factor=(2.0, 0.5))
    losses = [head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas()) for head in (typed, plain)]
    torch.testing.assert_close(*losses)
    found, expected = (head.predict_by_feat(*head(feats), metas(**more), rescale=True)[0] for head in (typed, plain))
    assert isinstance(found.bboxes, HorizontalBoxes) and isinstance(expected.bboxes, torch.Tensor)
    torch.testing.assert_close(found.bboxes.tensor, expected.bboxes, rtol=1e-4, atol=1e-3)


def test_predictions_equal_mmdetections_head():
    theirs, ours = their_head(THEIR_PRIORS, THEIR_CODER), build_head()
    ours.load_state_dict(theirs.state_dict())
    feats = [5 * f for f in features()]
    more = dict(scale_factor=(2.0, 0.5))
    expected = theirs.predict_by_feat(*theirs(feats), batch_img_metas=metas(**more), rescale=True)
    found = ours.predict_by_feat(*ours(feats), batch_img_metas=metas(**more), rescale=True)
    for a, b in zip(found, expected):
        assert len(a) and torch.equal(a.labels, b.labels)
        torch.testing.assert_close(a.scores, b.scores)
        torch.testing.assert_close(a.bboxes, b.bboxes, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('prior_generator', [HEAD['prior_generator'], THEIR_PRIORS])
@pytest.mark.parametrize('bbox_coder', [dict(type='VarianceBBoxCoder'), THEIR_CODER])
def test_priors_and_coders_are_exchanged_both_ways(prior_generator, bbox_coder):
    feats = features()
    ours = build_head(prior_generator=prior_generator, bbox_coder=bbox_coder)
    theirs = their_head(prior_generator, bbox_coder)
    theirs.load_state_dict(ours.state_dict())
    reference = build_head()
    reference.load_state_dict(ours.state_dict())
    expected = reference.loss_by_feat(*reference(feats), ground_truth(*OBJECTS), metas())
    found = ours.loss_by_feat(*ours(feats), ground_truth(*OBJECTS), metas())
    torch.testing.assert_close(found, expected)
    other = theirs.loss_by_feat(
        *theirs(feats), ground_truth(*OBJECTS), metas(), [InstanceData(bboxes=torch.zeros(0, 4))] * 2
    )
    torch.testing.assert_close(sum(other['loss_cls']).squeeze(), expected['loss_cls'])
    for a, b in zip(
        ours.predict_by_feat(*ours(feats), batch_img_metas=metas()),
        theirs.predict_by_feat(*theirs(feats), batch_img_metas=metas()),
    ):
        torch.testing.assert_close(a.scores, b.scores)


def test_retina_head_runs_with_our_priors_and_coder():
    head = MODELS.build(
        dict(
            type='RetinaHead',
            num_classes=3,
            in_channels=8,
            feat_channels=8,
            stacked_convs=1,
            anchor_generator=HEAD['prior_generator'],
            bbox_coder=dict(type='VarianceBBoxCoder'),
            train_cfg=ConfigDict(
                assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
                sampler=dict(type='PseudoSampler'),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
            test_cfg=ConfigDict(
                nms_pre=100, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10, min_bbox_size=0
            ),
        )
    )
    feats = features()
    losses = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    assert all(sum(value).isfinite() for value in losses.values())
    assert len(head.predict_by_feat(*head(feats), batch_img_metas=metas())[0]) == 10


def test_detections_stay_in_the_image_and_come_best_first():
    head = build_head()
    found = head.predict_by_feat(*head([9 * f for f in features()]), batch_img_metas=metas(shape=(40, 50)))
    for image in found:
        assert (image.bboxes >= 0).all() and (image.bboxes[:, ::2] <= 50).all() and (image.bboxes[:, 1::2] <= 40).all()
        assert torch.equal(image.scores, image.scores.sort(descending=True).values)


def test_test_cfg_bounds_scores_numbers_and_sizes():
    head, feats = build_head(), [5 * f for f in features()]
    cfg = ConfigDict(TEST_CFG, score_thr=0.3, max_per_img=5, min_bbox_size=12)
    for image in head.predict_by_feat(*head(feats), batch_img_metas=metas(), cfg=cfg):
        assert (
            len(image) <= 5 and (image.scores >= 0.3).all() and (image.bboxes[:, 2:] - image.bboxes[:, :2] > 12).all()
        )
    all_of_them = head.predict_by_feat(
        *head(feats), batch_img_metas=metas(), cfg=ConfigDict(score_thr=0.0), with_nms=False
    )
    assert len(all_of_them[0]) == 80 * 3


@pytest.mark.parametrize('options', [dict(), dict(background='first'), FOCAL])
def test_best_class_only_gives_each_prior_at_most_once(options):
    head, feats = build_head(**options), [5 * f for f in features()]
    outputs = head(feats)
    first, both = (
        head.predict_by_feat(*outputs, metas(), ConfigDict(score_thr=0.0, **cfg), with_nms=False)[0]
        for cfg in (dict(best_class_only=True), dict())
    )
    num_outputs = head.layout.num_outputs
    logits = torch.cat([m.permute(0, 2, 3, 1).reshape(2, -1, num_outputs) for m in outputs[0]], dim=1)[0]
    best = logits.argmax(dim=1) - int(options.get('background') == 'first')
    # The background is -1 or 3.
    expected = best[(best >= 0) & (best < 3)]
    assert first.labels.bincount(minlength=3).tolist() == expected.bincount(minlength=3).tolist()
    assert 0 < len(first) < len(both) == 80 * 3


def test_other_suppression_is_refused_by_name():
    with pytest.raises(ValueError, match='soft_nms'):
        build_head(test_cfg=ConfigDict(nms=dict(type='soft_nms')))
    head = build_head()
    with pytest.raises(ValueError, match='soft_nms'):
        head.predict_by_feat(*head(features()), metas(), cfg=ConfigDict(nms=dict(type='soft_nms')))


def test_predictors_differ_by_level():
    head = build_head(predictor=['separable', 'dense'])
    assert {name for name, _ in head.cls_convs.named_parameters()} == {
        '0.0.conv.weight',
        '0.0.conv.bias',
        '0.1.weight',
        '0.1.bias',
        '1.0.weight',
        '1.0.bias',
    }
    assert head.cls_convs[0][0].conv.groups == 8 and head.cls_convs[1][0].kernel_size == (3, 3)


def test_pointwise_predictors_are_1x1_convolutions():
    head = build_head(predictor=['dense', 'pointwise'])
    assert head.cls_convs[1][0].kernel_size == head.reg_convs[1][0].kernel_size == (1, 1)
    assert head(features())[0][1].shape == (2, 16, 2, 2)


def reordered(head, order, **options):
    """A head whose output i of a prior is output ``order[i]`` of another head, or one of its own where that is none."""
    other = build_head(**options)
    for mine, source in zip(other.cls_convs, head.cls_convs):
        for name in ('weight', 'bias'):
            per_prior = getattr(mine[0], name).data.unflatten(0, (4, len(order)))
            for i, index in enumerate(order):
                if index is not None:
                    per_prior[:, i] = getattr(source[0], name).data.unflatten(0, (4, 4))[:, index]
    other.reg_convs.load_state_dict(head.reg_convs.state_dict())
    return other


def test_background_as_first_output_gives_the_same_loss_and_detections():
    head, feats = build_head(), [5 * f for f in features()]
    first = reordered(head, [3, 0, 1, 2], background='first')
    torch.testing.assert_close(
        first.loss_by_feat(*first(feats), ground_truth(*OBJECTS), metas()),
        head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas()),
    )
    for a, b in zip(first.predict_by_feat(*first(feats), metas()), head.predict_by_feat(*head(feats), metas())):
        assert len(a) and torch.equal(a.labels, b.labels)
        torch.testing.assert_close(a.bboxes, b.bboxes)
        torch.testing.assert_close(a.scores, b.scores)


def test_unused_outputs_share_the_softmax_and_are_never_detected():
    head, feats = build_head(), [5 * f for f in features()]
    more = reordered(head, [3, 0, None, 1, 2], background='first', unused_outputs=(2,))
    cfg = ConfigDict(score_thr=0.0)
    found = more.predict_by_feat(*more(feats), metas(), cfg=cfg, with_nms=False)[0]
    logits = torch.cat([m.permute(0, 2, 3, 1).reshape(2, -1, 5) for m in more(feats)[0]], dim=1)[0]
    expected = logits.softmax(dim=-1)[:, [1, 3, 4]]
    torch.testing.assert_close(found.scores, expected.flatten().sort(descending=True).values)
    assert set(found.labels.tolist()) == {0, 1, 2}
    losses = more.loss_by_feat(*more(feats), ground_truth(*OBJECTS), metas())
    same_classes = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    torch.testing.assert_close(losses['loss_bbox'], same_classes['loss_bbox'])
    assert losses['loss_cls'] > same_classes['loss_cls']


def test_unused_outputs_of_more_classes_fall_away_with_one_line(caplog, monkeypatch):
    monkeypatch.setattr(MMLogger.get_current_instance(), 'handlers', [caplog.handler])
    head = build_head(background='first', unused_outputs=(2, 26))
    assert head.layout == OutputLayout(3, 'first')
    line = 'bbox_head.unused_outputs has no effect: it is for more classes than num_classes=3, whose 4 outputs are all'
    assert caplog.text.count('unused_outputs') == caplog.text.count(line) == 1


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(background='middle'), 'middle'),
        (dict(unused_outputs=(3, 3)), 'different'),
        (dict(background='first', unused_outputs=(0,)), 'not the background'),
        (dict(unused_outputs=(-1,)), r'0\.\.4'),
        (dict(num_classes=0), 'num_classes must be 1 or more'),
        (dict(FOCAL, background='first'), "no output for the background; remove background='first'"),
        (dict(FOCAL, unused_outputs=(1,)), 'sigmoid outputs are independent'),
    ],
)
def test_contradictory_outputs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_head(**options)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(loss_multibox=dict(type='FocalMultiBoxLoss')), 'sigmoid outputs; set use_sigmoid=True'),
        (dict(use_sigmoid=True), 'MultiBoxLoss is defined for softmax outputs; set use_sigmoid=False'),
        (
            dict(matcher=dict(type='ManyToManyMatcher')),
            'ManyToManyMatcher gives pairs, which MultiBoxLoss does not take',
        ),
        (dict(loss_multibox=dict(type='ManyToManyLoss')), 'gives one object per prior, which ManyToManyLoss does not'),
        (
            dict(loss_multibox=dict(type='CrossEntropyLoss')),
            'loss_multibox must be MultiBoxLoss .* got CrossEntropyLoss',
        ),
        (
            dict(matcher=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5)),
            'matcher must be SSDMatcher.* got MaxIoUAssigner',
        ),
    ],
)
def test_matcher_loss_and_outputs_that_do_not_fit_are_refused_when_the_head_is_built(options, message):
    with pytest.raises(ValueError, match=message):
        build_head(**options)


def test_boxes_are_not_cut_when_the_coder_says_so():
    coder = dict(type='VarianceBBoxCoder', clip_border=False)
    head, whole = build_head(), build_head(bbox_coder=coder)
    whole.load_state_dict(head.state_dict())
    feats = [9 * f for f in features()]
    cfg = ConfigDict(score_thr=0.0)
    cut, uncut = (h.predict_by_feat(*h(feats), metas(), cfg=cfg, with_nms=False)[0].bboxes for h in (head, whole))
    assert uncut.min() < 0 and uncut.max() > SIZE
    torch.testing.assert_close(uncut.clamp(0, SIZE), cut)


@pytest.mark.parametrize('options', [dict(in_channels=(8, 8, 8)), dict(predictor=['dense'])])
def test_levels_that_do_not_agree_are_refused(options):
    with pytest.raises(ValueError, match='levels do not agree'):
        build_head(**options)


def test_unknown_predictor_is_refused():
    with pytest.raises(ValueError, match='thick'):
        build_head(predictor='thick')


@pytest.mark.parametrize(
    'options', [dict(matcher=dict(type='SSDMatcher', ignored='exclude')), dict(background='first'), FOCAL, PAIRS]
)
def test_loss_path_compiles_without_a_graph_break(options):
    head = build_head(**options)
    priors = torch.cat(head.prior_generator.grid_priors([(4, 4), (2, 2)], device='cpu'))

    def loss(cls_scores, bbox_preds, boxes, labels, ignored):
        targets = head.targets(priors, GroundTruth(boxes, labels, ignored))
        return head.loss_multibox(Predictions(cls_scores, bbox_preds, head.layout, priors, head.bbox_coder), targets)

    inputs = (
        *head(features()),
        torch.tensor([OBJECTS[0]] * 2),
        torch.tensor([[0, 2], [1, -1]]),
        torch.zeros(2, 2, dtype=torch.bool),
    )
    compiled = torch.compile(loss, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(*inputs), loss(*inputs))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU to wait for')
@pytest.mark.parametrize('options', [dict(), PAIRS, FOCAL])
def test_loss_does_not_wait_for_the_gpu(options):
    head = build_head(**options).cuda()
    feats = [feat.cuda() for feat in features()]
    objects = [instances.to('cuda') for instances in ground_truth(*OBJECTS)]
    outputs = head(feats)
    head.loss_by_feat(*outputs, objects, metas())  # makes the priors
    torch.cuda.set_sync_debug_mode('error')
    try:
        losses = head.loss_by_feat(*outputs, objects, metas())
        total(losses).backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')


def test_detector_trains_predicts_and_gives_tensors():
    cfg = Config.fromfile(CONFIGS / 'ssd_depthwise_320x240_voc.py').model
    detector = MODELS.build(cfg)
    sample = DetDataSample(metainfo=dict(img_shape=(240, 320), scale_factor=(1.0, 1.0), batch_input_shape=(240, 320)))
    (sample.gt_instances,) = ground_truth([[20.0, 20.0, 120.0, 150.0]])
    (sample.ignored_instances,) = ground_truth([])
    image = torch.rand(1, 3, 240, 320)
    losses = detector.loss(image, [sample])
    assert set(losses) == {'loss_cls', 'loss_bbox', 'num_positives'} and all(value > 0 for value in losses.values())
    logits, deltas = detector(image, mode='tensor')
    assert logits[0].shape == (1, 4 * 21, 30, 40) and deltas[3].shape == (1, 4 * 4, 4, 5)
    assert detector.eval().predict(image, [sample])[0].pred_instances.bboxes.shape[1] == 4


def test_normalizer_is_the_mean_over_ranks(monkeypatch):
    head, feats = build_head(), features()
    alone = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    monkeypatch.setattr('ssd_plugin.models.losses.normalized_loss.reduce_mean', lambda value: value * 2)
    shared = head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())
    torch.testing.assert_close(shared['loss_cls'] * 2, alone['loss_cls'])


def test_many_to_many_matching_trains_priors_for_each_of_their_objects():
    cfg = Config.fromfile(CONFIGS / 'ssd300_coco.py').model.bbox_head
    cfg.update(matcher=dict(type='ManyToManyMatcher'), loss_multibox=dict(type='ManyToManyLoss'))
    head = MODELS.build(cfg)
    priors = torch.cat(head.prior_generator.grid_priors(head.prior_generator.featmap_sizes, device='cpu'))
    chosen = priors[5000]
    # Two objects of different classes at one prior's place, a crowd far away, and an image without objects.
    objects = [
        InstanceData(bboxes=torch.stack([chosen, chosen + 2]), labels=torch.tensor([3, 7])),
        InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)),
    ]
    ignored = [InstanceData(bboxes=torch.tensor([[0.0, 0.0, 60.0, 60.0]]), labels=torch.tensor([1])), objects[1]]
    sizes = list(zip(head.prior_generator.num_base_priors, head.prior_generator.featmap_sizes))
    cls_maps = [torch.zeros(2, a * 81, *size, requires_grad=True) for a, size in sizes]
    box_maps = [torch.zeros(2, a * 4, *size, requires_grad=True) for a, size in sizes]
    losses = head.loss_by_feat(cls_maps, box_maps, objects, [{}] * 2, ignored)
    assert set(losses) == {'loss_cls', 'loss_no_match', 'loss_bbox', 'num_positives'}
    assert losses['num_positives'] == (pairwise_iou(objects[0].bboxes, priors) > 0.5).sum()
    assert losses['loss_cls'].item() == pytest.approx(math.log(81), rel=1e-5)
    assert losses['loss_no_match'].item() == pytest.approx(3 * math.log(81), rel=1e-5)
    total(losses).backward()
    assert all(m.grad[1].abs().sum() == 0 for m in cls_maps + box_maps)
    gradients = torch.cat([m.grad[0].view(-1, 81, *m.shape[-2:]).permute(2, 3, 0, 1).reshape(-1, 81) for m in cls_maps])
    # Both classes are wanted of the prior that serves both.
    assert gradients[5000, 3] < 0 and gradients[5000, 7] < 0 and gradients[5000, 5] > 0


def many_to_many_losses(**options):
    torch.manual_seed(0)
    head = build_head(matcher=dict(type='ManyToManyMatcher'), loss_multibox=dict(type='ManyToManyLoss', **options))
    return head, head.loss_by_feat(*head(features()), ground_truth(*OBJECTS), metas())


def test_losses_over_pairs_can_be_plain_sums():
    (_, divided), (_, sums) = many_to_many_losses(), many_to_many_losses(reduction='sum')
    assert sums['num_pairs'] == divided['num_positives'] > 1 and 'num_positives' not in sums
    for name in ('loss_cls', 'loss_no_match', 'loss_bbox'):
        torch.testing.assert_close(sums[name], divided[name] * sums['num_pairs'])


def test_pairs_without_room_are_counted_over_the_run():
    torch.manual_seed(0)
    head = build_head(
        matcher=dict(type='ManyToManyMatcher', pairs_per_prior=1e-9), loss_multibox=dict(type='ManyToManyLoss')
    )
    for count in (1, 2):
        losses = head.train().loss_by_feat(*head(features()), ground_truth(*OBJECTS), metas())
        # A validation loss does not count.
        head.eval().loss_by_feat(*head(features()), ground_truth(*OBJECTS), metas())
        all_pairs = many_to_many_losses()[1]['num_positives']
        assert losses['num_positives'] == 1 and head.loss_multibox.dropped_pairs == count * (all_pairs - 1) > 0
    assert 'loss_multibox.dropped_pairs' not in head.state_dict()


def test_losses_can_be_means_over_priors_and_coordinates():
    torch.manual_seed(0)
    head, feats = build_head(), features()
    mean = build_head(loss_multibox=dict(type='MultiBoxLoss', reduction='mean'))
    mean.load_state_dict(head.state_dict())
    divided, means = (each.loss_by_feat(*each(feats), ground_truth(*OBJECTS), metas()) for each in (head, mean))
    # Three negatives for each positive, four coordinates of each box.
    for name in ('loss_cls', 'loss_bbox'):
        torch.testing.assert_close(means[name], divided[name] / 4)
    assert means['num_positives'] == divided['num_positives']


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(type='MultiBoxLoss', reduction='sum'), "reduction must be 'positives' or 'mean', got 'sum'"),
        (dict(type='MultiBoxLoss', reduction='mean', box_loss='giou'), "which 'giou' does not have"),
        (dict(type='ManyToManyLoss', reduction='mean'), "reduction must be 'positives' or 'sum', got 'mean'"),
        (dict(type='ManyToManyLoss', no_match='none'), 'no_match must be one of'),
    ],
)
def test_unknown_options_of_losses_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(options)


@pytest.mark.parametrize('quality', [False, True])
def test_a_head_with_sigmoids_has_an_output_for_each_class_and_none_for_the_background(quality):
    head = build_head(use_sigmoid=True, loss_multibox=dict(type='FocalMultiBoxLoss', quality=quality, box_loss='giou'))
    feats = features()
    logits, deltas = head(feats)
    assert [m.shape[1] for m in logits] == [3 * 4] * 2
    # It begins sure of nothing, so that the background does not swamp the first losses.
    assert all((conv[-1].bias.sigmoid() - 0.01).abs().max() < 1e-6 for conv in head.cls_convs)
    losses = head.loss_by_feat(logits, deltas, ground_truth(*OBJECTS), metas())
    assert set(losses) == {'loss_cls', 'loss_bbox', 'num_positives'}
    assert all(0 < losses[name] < 10 for name in ('loss_cls', 'loss_bbox'))
    total(losses).backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())
    nothing = head.loss_by_feat(*head(feats), ground_truth([], []), metas())
    # Without an object the background is learned still.
    assert nothing['loss_cls'] > 0 and nothing['loss_bbox'] == 0
    scores = torch.cat([m.permute(0, 2, 3, 1).reshape(2, -1, 3) for m in logits], 1).sigmoid()
    found = head.predict_by_feat(logits, deltas, metas(), ConfigDict(TEST_CFG, score_thr=0.0, max_per_img=5))
    assert [image.scores.max().item() for image in found] == pytest.approx(scores.flatten(1).amax(1).tolist())


@pytest.mark.parametrize('kind', ['giou', 'diou', 'ciou'])
@pytest.mark.parametrize('coder', [dict(type='VarianceBBoxCoder'), THEIR_CODER])
def test_losses_of_decoded_boxes_fall_as_the_boxes_come_closer(kind, coder):
    head, feats = build_head(bbox_coder=coder, loss_multibox=dict(type='MultiBoxLoss', box_loss=kind)), features()
    optimizer = torch.optim.Adam(head.reg_convs.parameters(), lr=0.03)
    values = []
    for _ in range(100):
        optimizer.zero_grad()
        values.append(head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())['loss_bbox'])
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.2 * values[0]


def test_a_learned_alpha_settles_at_one_over_the_localization_loss():
    head, feats = build_head(loss_multibox=dict(type='MultiBoxLoss', alpha='learned')), features()
    fixed = build_head()
    fixed.load_state_dict(head.state_dict(), strict=False)
    log_alpha = head.loss_multibox.log_alpha

    def losses():
        return head.loss_by_feat(*head(feats), ground_truth(*OBJECTS), metas())

    # At first it is 1, and its gradient that of alpha L - log alpha.
    first, expected = losses(), fixed.loss_by_feat(*fixed(feats), ground_truth(*OBJECTS), metas())
    torch.testing.assert_close(first['loss_bbox'], expected['loss_bbox'])
    total(first).backward()
    torch.testing.assert_close(log_alpha.grad, first['loss_bbox'].detach() - 1)
    optimizer = torch.optim.SGD([log_alpha], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        total(losses()).backward()
        optimizer.step()
    torch.testing.assert_close(log_alpha.exp(), 1 / expected['loss_bbox'], rtol=1e-3, atol=0)
    # A batch without objects teaches it nothing.
    optimizer.zero_grad()
    nothing = head.loss_by_feat(*head(feats), ground_truth([], []), metas())
    total(nothing).backward()
    assert log_alpha.grad == 0 and all(loss == 0 for loss in nothing.values())


def test_alpha_must_be_a_number_or_learned():
    with pytest.raises(ValueError, match="alpha must be a number or 'learned', got 'auto'"):
        build_head(loss_multibox=dict(type='MultiBoxLoss', alpha='auto'))
