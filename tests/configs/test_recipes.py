"""What sets each recipe apart, as its config has it."""

import copy
import math

import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.structures import InstanceData
from torch import nn

from ssd_plugin.ops.boxes import xyxy_to_cxcywh
from ssd_plugin.ops.targets import GroundTruth
from tests.support import WHOLE_CONFIGS, config


def detector_of(cfg):
    model = copy.deepcopy(cfg.model)
    model.backbone.init_cfg = None
    detector = MODELS.build(model)
    detector.init_weights()
    return detector


def priors_of(name):
    return TASK_UTILS.build(config(name).model.bbox_head.prior_generator)


@pytest.mark.parametrize(
    'name',
    [n for n in WHOLE_CONFIGS if n.startswith('ssd_depthwise_') and '320x240' in n]
    + ['bccd/comparison/bccd_baseline.py'],
)
def test_depthwise_scales_are_interpolated_and_the_last_extra_prior_has_its_own(name):
    generator = priors_of(name)
    width, height = generator.input_size
    assert (width, height) == (320, 240)
    # The square prior and the extra one, sqrt(s_k s_{k+1}), of each level; after the last there is no s_{k+1}.
    scales = [0.1, 0.2, 0.55, 0.9]
    for shapes, scale, following in zip(generator.shapes, scales, [*scales[1:], 0.9]):
        for shape, expected in zip(shapes, (scale, math.sqrt(scale * following))):
            assert (shape / torch.tensor([width, height])).tolist() == pytest.approx([expected, expected])


@pytest.mark.parametrize(
    'name, first',
    [
        ('ssd_depthwise_w8_320x240_voc.py', 8),
        ('ssd_depthwise_320x240_voc.py', 16),
        ('ssd_depthwise_w32_320x240_voc.py', 32),
    ],
)
def test_depthwise_widths_are_channels_of_the_first_layer_and_heads_are_separable_but_the_last(name, first):
    detector = detector_of(config(name))
    convs = [m for m in detector.backbone.modules() if isinstance(m, nn.Conv2d)]
    assert convs[0].out_channels == first and convs[-1].out_channels == 16 * first
    # Depthwise and pointwise, but for one plain 3x3 convolution.
    kinds = [
        [(conv.kernel_size, conv.groups == conv.in_channels) for conv in part.modules() if isinstance(conv, nn.Conv2d)]
        for part in detector.bbox_head.cls_convs
    ]
    assert kinds == [[((3, 3), True), ((1, 1), False)]] * 3 + [[((3, 3), False)]]


@pytest.mark.parametrize(
    'name',
    ['recipes/ssd300_manytomany_voc.py', 'recipes/ssd300_manytomany_coco.py', 'bccd/comparison/bccd_many_to_many.py'],
)
def test_many_to_many_matching_gives_a_prior_two_objects_and_objects_many_priors(name):
    head = detector_of(config(name)).bbox_head
    priors = torch.cat(head.prior_generator.grid_priors(head.prior_generator.featmap_sizes, device='cpu'))
    number = len(priors) // 2
    boxes = torch.stack([priors[number], priors[number] + 1]).unsqueeze(0)
    pairs = head.matcher(priors, GroundTruth(boxes, torch.zeros(1, 2, dtype=torch.long)))
    objects = pairs.object[pairs.valid & (pairs.prior == number)]
    assert sorted(objects.tolist()) == [0, 1]
    assert all((pairs.object[pairs.valid] == index).sum() > 1 for index in (0, 1))
    assert head.matcher.ignored == ('exclude' if 'coco' in name else 'match')


def test_random_init_has_scales_up_to_one_no_weights_and_four_accumulated_batches():
    cfg = config('recipes/ssd300_random_init_voc.py')
    assert cfg.model.backbone.init_cfg is None
    assert cfg.train_dataloader.batch_size == 8 and cfg.optim_wrapper.type == 'PooledOptimWrapper'
    assert cfg.optim_wrapper.accumulative_counts == 4 and cfg.train_cfg.max_iters == 4 * 120000
    scales = [0.1, 0.2, 0.375, 0.55, 0.725, 0.9, 1.0]
    for shapes, scale, following in zip(priors_of('recipes/ssd300_random_init_voc.py').shapes, scales, scales[1:]):
        assert shapes[0].tolist() == pytest.approx([300 * scale] * 2)
        assert shapes[1].tolist() == pytest.approx([300 * math.sqrt(scale * following)] * 2)


@pytest.mark.parametrize(
    'name, network, maps',
    [
        ('recipes/ssd300_tf2_voc.py', 'SSDVGG16', 38),
        ('recipes/ssd300_tf2_mobilenetv1_voc.py', 'MobileNetV1', 19),
        ('recipes/ssd300_tf2_mobilenetv2_voc.py', 'MobileNetV2', 19),
    ],
)
def test_tensorflow_guide_has_three_backbones_and_no_loss_without_objects(name, network, maps):
    cfg = config(name)
    detector = detector_of(cfg)
    assert type(detector.backbone).__name__ == network
    generator, head = detector.bbox_head.prior_generator, detector.bbox_head
    assert generator.featmap_sizes[0] == (maps, maps)
    scales = [0.1, 0.2, 0.375, 0.55, 0.725, 0.9]
    assert [shapes[0][0].item() / 300 for shapes in generator.shapes] == pytest.approx(scales)
    # Offsets of a box by a tenth of the prior's sides, and e^(1/5) times as large.
    prior, grown = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), math.exp(0.2) * 5
    box = torch.tensor([[6 - grown, 6 - grown, 6 + grown, 6 + grown]])
    torch.testing.assert_close(head.bbox_coder.encode(prior, box), torch.ones(1, 4))
    outputs = [
        [torch.randn(1, channels * n, *size) for n, size in zip(generator.num_base_priors, generator.featmap_sizes)]
        for channels in (21, 4)
    ]
    nothing = [InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))]
    assert all(loss == 0 for loss in head.loss_by_feat(*outputs, nothing, [{}]).values())


def test_tutorial_clips_priors_in_center_form_and_initializes_by_xavier():
    cfg = config('recipes/ssd300_tutorial_voc.py')
    detector = detector_of(cfg)
    generator = detector.bbox_head.prior_generator
    priors = xyxy_to_cxcywh(torch.cat(generator.grid_priors(generator.featmap_sizes, device='cpu')))
    # Center and size within the image; corners of large priors at the border are not.
    assert priors.shape == (8732, 4) and priors.min() >= 0 and priors.max() <= 300 + 1e-3
    assert (priors[:, 0] - priors[:, 2] / 2).min() < -10
    for conv in [m for part in (detector.neck, detector.bbox_head) for m in part.modules() if isinstance(m, nn.Conv2d)]:
        fan = (conv.in_channels + conv.out_channels) * conv.kernel_size[0] ** 2
        bound = math.sqrt(6 / fan)
        assert 0.95 * bound < conv.weight.abs().max() <= bound and not conv.bias.any()
    assert cfg.model.test_cfg == dict(
        score_thr=0.01, nms_pre=-1, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200
    )


def test_a_learned_alpha_of_the_tutorial_has_no_weight_decay():
    cfg = config('recipes/ssd300_tutorial_voc.py')
    cfg.model.bbox_head.loss_multibox.alpha = 'learned'
    detector = detector_of(cfg)
    optimizer = build_optim_wrapper(detector, cfg.optim_wrapper).optimizer
    groups = {id(group['params'][0]): group for group in optimizer.param_groups}
    group = groups[id(detector.bbox_head.loss_multibox.log_alpha)]
    assert (group['lr'], group['weight_decay']) == (1e-3, 0)


def test_gradients_of_the_tutorial_can_be_clipped_as_its_config_says():
    cfg = config('recipes/ssd300_tutorial_voc.py')
    cfg.merge_from_dict({'optim_wrapper.clip_grad.type': 'value', 'optim_wrapper.clip_grad.clip_value': 10})
    detector = detector_of(cfg)
    wrapper = build_optim_wrapper(detector, cfg.optim_wrapper)
    conv = detector.bbox_head.cls_convs[0][0]
    conv.weight.grad = torch.full_like(conv.weight, 1e4)
    before = conv.weight.detach().clone()
    wrapper.step()
    torch.testing.assert_close(before - conv.weight.detach(), 1e-3 * (10 + 5e-4 * before), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    'name, patience', [('recipes/ssd300_tutorial_plateau_voc.py', 10), ('bccd/comparison/bccd_tutorial.py', 2)]
)
def test_plateau_takes_a_step_when_the_validation_loss_no_longer_falls(name, patience):
    cfg = config(name)
    assert cfg.model.type == 'MultiBoxDetector' and cfg.model.val_loss
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler[-1], optimizer=optimizer))
    rates = []
    for loss in [4.0, 3.0] + [3.0] * (patience + 1) + [2.0]:
        scheduler.step(dict(val_loss=loss))
        rates.append(optimizer.param_groups[0]['lr'])
    assert rates == pytest.approx([1e-3] * (patience + 2) + [1e-4] * 2)


@pytest.mark.parametrize('name', ['ssd512_voc.py', 'ssd512_coco.py'])
def test_ssd512_has_seven_maps(name):
    generator = priors_of(name)
    assert [size for size, _ in generator.featmap_sizes] == [64, 32, 16, 8, 4, 2, 1]
    assert sum(n * h * w for n, (h, w) in zip(generator.num_base_priors, generator.featmap_sizes)) == 24564


@pytest.mark.parametrize('name', ['recipes/ssd300_modern_voc.py', 'bccd/comparison/bccd_modern.py'])
def test_modern_training_is_cosine_ema_focal_loss_overlap_and_mosaics_that_end(name):
    cfg = config(name)
    assert cfg.param_scheduler[1].type == 'CosineAnnealingLR' and cfg.param_scheduler[1].end == cfg.train_cfg.max_iters
    assert cfg.param_scheduler[0].end == cfg.param_scheduler[1].begin
    loss = cfg.model.bbox_head.loss_multibox
    assert loss.type == 'FocalMultiBoxLoss' and loss.box_loss == 'diou' and 'neg_pos_ratio' not in loss
    assert {'EMAHook', 'MosaicSwitchHook'} <= {hook.type for hook in cfg.custom_hooks}
    assert cfg.train_dataloader.dataset.pipeline[0].type == 'MosaicSSDAugment'


@pytest.mark.parametrize('name', [n for n in WHOLE_CONFIGS if 'modern' not in n])
def test_modern_training_is_off_by_default(name):
    cfg = config(name)
    head = cfg.model.bbox_head
    assert not head.get('use_sigmoid') and head.loss_multibox.get('box_loss', 'smooth_l1') == 'smooth_l1'
    assert 'MosaicSwitchHook' not in {hook.type for hook in cfg.custom_hooks}
    assert cfg.optim_wrapper.type in ('OptimWrapper', 'PooledOptimWrapper') or 'cluster' in name


@pytest.mark.parametrize('data', ['voc', 'coco'])
def test_eight_gpus_see_as_many_images_at_as_much_learning_rate_each(data):
    cluster, one = config(f'ssd300_cluster_{data}.py'), config(f'ssd300_{data}.py')
    assert 8 * cluster.train_cfg.max_iters == one.train_cfg.max_iters
    assert [8 * step for step in cluster.param_scheduler[1].milestones] == one.param_scheduler[1].milestones
    assert cluster.optim_wrapper.optimizer.lr == pytest.approx(8 * one.optim_wrapper.optimizer.lr)
    assert cluster.auto_scale_lr.base_batch_size == 8 * cluster.train_dataloader.batch_size == 256
    assert cluster.train_cfg.val_interval % cluster.default_hooks.checkpoint.interval == 0
    assert {'EMAHook', 'ChannelsLastHook', 'CompileHook', 'FiniteStepsHook', 'PreemptionHook'} <= {
        hook.type for hook in cluster.custom_hooks
    }


@pytest.mark.parametrize('name', [n for n in WHOLE_CONFIGS if n.startswith('bccd/comparison/')])
def test_recipes_on_bccd_see_the_same_number_of_images(name):
    cfg = config(name)
    assert cfg.train_cfg.max_iters * cfg.train_dataloader.batch_size == 900 * 16
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
