"""Each recipe against the text that it is named after: tables written from the texts, one line each.

Where a text says nothing, the line is that of the SSD paper; docs/recipes.md lists these points and all other
differences.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmcv.cnn import is_norm
from mmdet.registry import LOOPS, PARAM_SCHEDULERS, TASK_UTILS, TRANSFORMS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from torch import nn
from torch.utils.data import DataLoader

from ssd_plugin.configs import leaf_datasets
from ssd_plugin.datasets.augment_option import augmented_pipeline
from ssd_plugin.datasets.samplers import StreamSampler
from ssd_plugin.ops.targets import BACKGROUND, GroundTruth
from tests.configs.test_recipes import detector_of
from tests.support import config

# Images with objects.
VOC07, VOC0712, COCO = 5011, 16551, 117266
VGG = 'ImageNet VGG-16 with fc6 and fc7'
TUTORIAL_DECAYS = ([154, 193], 0.1)
# Eighty and a hundred of 120 thousand iterations of 32 images.
PAPER_DECAYS = ([80000 * 32 / VOC0712, 100000 * 32 / VOC0712], 0.1)
COCO_DECAYS = ([280000 * 32 / COCO, 360000 * 32 / COCO], 0.1)
HALVED = ([40, 50, 60, 70, 80, 90], 0.5)
PLATEAU = ('val_loss', 0.1)


class Training(NamedTuple):
    """How long a text trains, on what, and how fast.

    Attributes:
        images: Number of training images.
        batch: Images of a step of the optimizer.
        epochs: Passes over the images.
        decays: Epochs after which the learning rate falls, or the metric whose plateau it waits for, and the factor.
        rates: Learning rate of weights and of biases of convolutions.
        bias_decay: Weight decay of biases; that of weights is 5e-4, but for sums, whose rate is a 500th.
        weights: What the backbone starts from.
    """

    images: int
    batch: int
    epochs: float
    decays: tuple
    rates: tuple
    bias_decay: float
    weights: str


TRAININGS = {
    'ssd300_tutorial_voc': Training(VOC0712, 8, 232, TUTORIAL_DECAYS, (1e-3, 2e-3), 5e-4, VGG),
    'ssd300_tutorial_lists_voc': Training(VOC0712, 8, 232, TUTORIAL_DECAYS, (1e-3, 2e-3), 5e-4, VGG),
    'ssd300_tutorial_plateau_voc': Training(VOC0712, 8, 232, PLATEAU, (1e-3, 2e-3), 5e-4, VGG),
    'ssd300_scratch_voc': Training(VOC07, 8, 100, HALVED, (1e-3, 1e-3), 5e-4, VGG),
    'ssd300_tf2_voc': Training(VOC0712, 32, 120000 * 32 / VOC0712, PAPER_DECAYS, (1e-3, 2e-3), 0, VGG),
    'ssd300_tf2_mobilenetv1_voc': Training(VOC0712, 32, 120000 * 32 / VOC0712, PAPER_DECAYS, (1e-2, 2e-2), 0, 'random'),
    'ssd300_tf2_mobilenetv1_imagenet_voc': Training(
        VOC0712, 32, 120000 * 32 / VOC0712, PAPER_DECAYS, (1e-3, 2e-3), 0, 'ImageNet mobilenetv1_100'
    ),
    'ssd300_tf2_mobilenetv2_voc': Training(
        VOC0712, 32, 120000 * 32 / VOC0712, PAPER_DECAYS, (1e-3, 2e-3), 0, 'ImageNet mobilenet_v2'
    ),
    'ssd300_manytomany_coco': Training(COCO, 32, 400000 * 32 / COCO, COCO_DECAYS, (2e-6, 4e-6), 0, VGG),
    'ssd300_manytomany_voc': Training(VOC0712, 32, 120000 * 32 / VOC0712, PAPER_DECAYS, (2e-6, 4e-6), 0, VGG),
    'ssd_depthwise_notes_voc': Training(VOC0712, 32, 120000 * 32 / VOC0712, PAPER_DECAYS, (1e-2, 2e-2), 0, 'random'),
}


@pytest.fixture(params=TRAININGS)
def recipe(request):
    return f'recipes/{request.param}.py', TRAININGS[request.param]


def loop_of(cfg, images):
    """The training loop of a config, on a dataset that has only a length."""
    loader = DataLoader(range(images), cfg.train_dataloader.batch_size, sampler=StreamSampler(range(images)))
    return LOOPS.build(cfg.train_cfg, default_args=dict(runner=None, dataloader=loader))


def schedulers_of(cfg, loop):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    defaults = dict(optimizer=optimizer, epoch_length=len(loop.dataloader), end=loop.max_epochs)
    return [PARAM_SCHEDULERS.build(scheduler, default_args=defaults) for scheduler in cfg.param_scheduler]


def check_schedule(cfg, text, batch_size, accumulation=1):
    loop = loop_of(cfg, text.images)
    images = batch_size / text.images
    # An epoch is a whole number of iterations.
    assert loop.max_iters * images == pytest.approx(text.epochs, rel=3e-3)
    assert cfg.train_dataloader.batch_size == batch_size
    assert cfg.optim_wrapper.get('accumulative_counts', 1) == accumulation
    # One scheduler: there is no warm-up.
    (scheduler,) = schedulers_of(cfg, loop)
    where, factor = text.decays
    if where == 'val_loss':
        assert (scheduler.monitor, scheduler.factor) == (where, factor)
        assert loop.val_interval == len(loop.dataloader)
    else:
        assert not scheduler.by_epoch and scheduler.gamma == factor
        assert [step * images for step in sorted(scheduler.milestones)] == pytest.approx(where, rel=3e-3)


def test_epochs_and_decays_are_those_of_the_text_without_a_warm_up(recipe):
    name, text = recipe
    check_schedule(config(name), text, text.batch)


@pytest.mark.parametrize('name', ['tutorial', 'tutorial_lists', 'tutorial_plateau'])
def test_the_tutorial_trains_as_many_epochs_with_batches_of_32(name):
    cfg = config(f'recipes/ssd300_{name}_voc.py')
    cfg.merge_from_dict({'train_dataloader.batch_size': 32})
    check_schedule(cfg, TRAININGS[f'ssd300_{name}_voc'], 32)


@pytest.mark.parametrize('batch, accumulation', [(8, 1), (32, 8), (32, 1)])
def test_from_scratch_has_the_three_settings_of_its_text(batch, accumulation):
    cfg = config('recipes/ssd300_scratch_voc.py')
    cfg.merge_from_dict({'train_dataloader.batch_size': batch, 'optim_wrapper.accumulative_counts': accumulation})
    check_schedule(cfg, TRAININGS['ssd300_scratch_voc'], batch, accumulation)


def test_rates_and_decay_are_those_of_the_text_and_gradients_are_not_clipped(recipe):
    name, text = recipe
    cfg = config(name)
    assert 'clip_grad' not in cfg.optim_wrapper
    detector = detector_of(cfg)
    optimizer = build_optim_wrapper(detector, cfg.optim_wrapper).optimizer
    assert isinstance(optimizer, torch.optim.SGD)
    groups = {id(group['params'][0]): group for group in optimizer.param_groups}
    norms = {id(p) for module in detector.modules() if is_norm(module) for p in module.parameters()}
    for parameter_name, parameter in detector.named_parameters():
        if id(parameter) in norms:
            continue
        group, bias = groups[id(parameter)], parameter_name.endswith('bias')
        assert group['lr'] == pytest.approx(text.rates[bias]) and group['momentum'] == 0.9
        weight_decay = 500 * 5e-4 if 'manytomany' in name else 5e-4
        assert group['weight_decay'] == pytest.approx(text.bias_decay if bias else weight_decay)


def test_initial_weights_are_those_of_the_text(recipe):
    name, text = recipe
    init = config(name).model.backbone.get('init_cfg')
    kind = init and init['type']
    found = {
        None: 'random',
        'DecimatedVGG16Init': VGG,
        'TimmInit': f'ImageNet {init and init.get("model", "").split(".")[0]}',
        'Pretrained': f'ImageNet {init and str(init.get("checkpoint")).rsplit("/")[-1]}',
    }[kind]
    assert found == text.weights


LISTS = {
    VOC07: ['VOC2007/ImageSets/Main/trainval.txt'],
    VOC0712: ['VOC2007/ImageSets/Main/trainval.txt', 'VOC2012/ImageSets/Main/trainval.txt'],
    COCO: ['annotations/instances_train2017.json'],
}


def test_training_images_are_those_of_the_text(recipe):
    name, text = recipe
    cfg = config(name)
    found = [dataset.ann_file for _, dataset in leaf_datasets(cfg.train_dataloader.dataset)]
    assert found == (['TRAIN_images.json'] if 'lists' in name else LISTS[text.images])
    assert [dataset.ann_file for _, dataset in leaf_datasets(cfg.val_dataloader.dataset)] == [
        'TEST_images.json'
        if 'lists' in name
        else 'annotations/instances_val2017.json'
        if 'coco' in name
        else 'VOC2007/ImageSets/Main/test.txt'
    ]


class Augmentation(NamedTuple):
    """What a text's augmentation may do.

    Attributes:
        sides: Range of the sides of a crop over those of the image.
        aspect: Range of a crop's width over its height; ``None`` where it is that of the sides as fractions.
        gray: Range of the levels that a gray of 100 becomes.
        hue: Largest rotation, in degrees.
        minimal_overlaps: The constraints of a crop.
        tries: Patches drawn for a constraint.
    """

    sides: tuple
    aspect: tuple | None
    gray: tuple
    hue: float = 18
    minimal_overlaps: set = frozenset({None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9})
    tries: int = 50


# The release's 0.3 to 1 is for the root of the area: with an aspect ratio of 2, a side is 0.3 / sqrt(2).
RELEASE = Augmentation((0.3 / math.sqrt(2), 1), None, ((100 - 32) * 0.5, (100 + 32) * 1.5))
AUGMENTATIONS = {
    'ssd300_tutorial_voc': Augmentation((0.3, 1), (0.5, 2), (50, 150), 18 / 255 * 360),
    'ssd300_tutorial_lists_voc': Augmentation((0.3, 1), (0.5, 2), (50, 150), 18 / 255 * 360),
    'ssd300_tutorial_plateau_voc': Augmentation((0.3, 1), (0.5, 2), (50, 150), 18 / 255 * 360),
    'ssd300_scratch_voc': Augmentation((0.3, 1), (0.5, 2), (87, 113), tries=40),
    'ssd300_tf2_voc': RELEASE,
    'ssd300_manytomany_voc': RELEASE,
    'ssd_depthwise_notes_voc': RELEASE,
}


def augmentation_of(cfg):
    dataset = cfg.train_dataloader.dataset
    _, leaf = next(leaf_datasets(dataset))
    pipeline = augmented_pipeline(leaf.pipeline, dataset.get('augment'))
    return next(TRANSFORMS.build(step) for step in pipeline if step['type'] == 'FusedSSDAugment')


@pytest.mark.slow
@pytest.mark.parametrize('name', AUGMENTATIONS)
def test_the_augmentation_stays_in_the_ranges_of_the_text_and_reaches_their_ends(name):
    cfg, text = config(f'recipes/{name}.py'), AUGMENTATIONS[name]
    transform = augmentation_of(cfg)
    assert set(transform.crop_options['constraints']) == text.minimal_overlaps
    assert transform.crop_options['tries'] == text.tries
    assert (transform.zoom_out_prob, transform.zoom_out_ratio) == (0.5, (1.0, 4.0))
    assert transform.flips == dict(horizontal=0.5)
    assert transform.colors['saturation'] == transform.colors['contrast'] == (0.5, 1.5)
    assert transform.colors['hue'] == pytest.approx(text.hue)
    transform.zoom_out_prob = 0.0
    np.random.seed(0)
    image, boxes = np.full((375, 500, 3), 100, np.uint8), np.array([[100.0, 75.0, 400.0, 300.0]])
    sides, grays = [], set()
    for _ in range(3000):
        result = transform(dict(img=image, gt_bboxes=boxes.copy(), gt_bboxes_labels=np.zeros(1, np.int64)))
        x1, y1, x2, y2 = result['window']
        sides.append((x2 - x1, y2 - y1))
        grays.add(int(result['img'][150, 150, 0]))
    sides = np.array(sides)
    low, high = text.sides
    fractions = sides / (500, 375)
    # Of the release, whose windows snap to whole pixels.
    pixel = 0 if text.aspect else 1 / 375
    assert low - pixel <= fractions.min() < low + 0.05 and fractions.max() <= high
    ratios = sides[:, 0] / sides[:, 1] if text.aspect else fractions[:, 0] / fractions[:, 1]
    least, most = text.aspect or (0.5, 2)
    assert least * (1 - 3 * pixel) <= ratios.min() < least * 1.1 and most * 0.9 < ratios.max() <= most * (1 + 3 * pixel)
    assert text.gray[0] - 1 <= min(grays) < text.gray[0] + 6 and text.gray[1] - 6 < max(grays) <= text.gray[1] + 1


class Objective(NamedTuple):
    """How a text computes its loss.

    Attributes:
        variances: Divisors of the offsets of centers and of sizes.
        positive: Whether an IoU of exactly 0.5 makes a prior positive.
        contested: Who takes a prior that is the best one of two objects.
        divisor: ``'N'`` matched priors; ``'means'`` over priors and coordinates; ``'sum'`` for none.
    """

    variances: tuple
    positive: bool
    contested: str
    divisor: str


OBJECTIVES = {
    'ssd300_tutorial_voc': Objective((0.1, 0.2), True, 'last', 'N'),
    'ssd300_scratch_voc': Objective((1, 1), False, 'last', 'N'),
    'ssd300_tf2_voc': Objective((0.1, 0.2), False, 'highest', 'N'),
    'ssd_depthwise_notes_voc': Objective((0.1, 0.2), False, 'highest', 'means'),
}


def iou_of(box, priors):
    low, high = np.maximum(box[:2], priors[:, :2]), np.minimum(box[2:], priors[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(priors[:, 2:] - priors[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return shared / (area - shared)


def offsets_of(box, prior, variances):
    center, size = (prior[:2] + prior[2:]) / 2, prior[2:] - prior[:2]
    return np.concatenate(
        [
            ((box[:2] + box[2:]) / 2 - center) / size / variances[0],
            np.log((box[2:] - box[:2]) / size) / variances[1],
        ]
    )


def smooth_l1(error):
    error = np.abs(error)
    return np.where(error < 1, error**2 / 2, error - 0.5).sum()


class Example:
    """A head with the maps of an image with random outputs, and objects of which two want the same prior."""

    def __init__(self, name):
        torch.manual_seed(1)
        self.cfg = config(f'recipes/{name}.py')
        self.head = head = detector_of(self.cfg).bbox_head.double()
        generator = head.prior_generator
        sizes = list(zip(generator.num_base_priors, generator.featmap_sizes))
        outputs = head.layout.num_outputs
        self.cls_maps = [torch.randn(1, n * outputs, *size, dtype=torch.float64) for n, size in sizes]
        self.box_maps = [torch.randn(1, n * 4, *size, dtype=torch.float64) for n, size in sizes]
        predictions = head.predictions(self.cls_maps, self.box_maps)
        self.priors = predictions.priors.double().numpy()
        logits = predictions.logits()[0].numpy()
        self.probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        self.background = head.layout.background_output
        self.classes = np.arange(outputs)[head.layout.foreground_outputs]
        self.deltas = predictions.deltas()[0].numpy()
        number = int(iou_of(np.array([90.0, 80.0, 190.0, 180.0]), self.priors).argmax())
        prior = self.priors[number]
        shift = (prior[2:] - prior[:2])[[0, 1, 0, 1]] * 0.01
        self.boxes = np.array([prior, prior + shift, [5.0, 10.0, 60.0, 70.0]])
        self.labels = [3, 5, 11]

    def losses(self):
        objects = InstanceData(bboxes=torch.tensor(self.boxes), labels=torch.tensor(self.labels))
        nothing = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        found = self.head.loss_by_feat(self.cls_maps, self.box_maps, [objects], [{}], [nothing])
        return {key: float(value) for key, value in found.items()}


@pytest.mark.parametrize('name', OBJECTIVES)
def test_the_loss_of_an_example_is_that_of_the_text(name):
    example, text = Example(name), OBJECTIVES[name]
    ious = np.array([iou_of(box, example.priors) for box in example.boxes])
    owner = {}
    for prior in range(len(example.priors)):
        best = int(ious[:, prior].argmax())
        if ious[best, prior] > 0.5:
            owner[prior] = best
    forced = {}
    for number in range(len(example.boxes)):
        prior = int(ious[number].argmax())
        if prior not in forced or text.contested == 'last' or ious[number, prior] > ious[forced[prior], prior]:
            forced[prior] = number
    owner.update(forced)
    positives = sorted(owner)
    conf = sum(-np.log(example.probabilities[p, example.classes[example.labels[owner[p]]]]) for p in positives)
    background = -np.log(example.probabilities[:, example.background])
    negatives = sorted(set(range(len(example.priors))) - set(positives), key=lambda p: -background[p])
    negatives = negatives[: 3 * len(positives)]
    conf += background[negatives].sum()
    loc = sum(
        smooth_l1(example.deltas[p] - offsets_of(example.boxes[owner[p]], example.priors[p], text.variances))
        for p in positives
    )
    divisors = (len(positives),) * 2
    if text.divisor == 'means':
        divisors = len(positives) + len(negatives), 4 * len(positives)
    found = example.losses()
    assert found['num_positives'] == len(positives)
    assert found['loss_cls'] == pytest.approx(conf / divisors[0], rel=1e-5)
    assert found['loss_bbox'] == pytest.approx(loc / divisors[1], rel=1e-5)


@pytest.mark.parametrize('name', OBJECTIVES)
def test_a_prior_at_the_threshold_is_positive_if_the_text_says_so(name):
    matcher = TASK_UTILS.build(config(f'recipes/{name}.py').model.bbox_head.matcher)
    priors = torch.tensor([[0.0, 0.0, 10.0, 5.0], [0.0, 0.0, 10.0, 10.0]])
    truth = GroundTruth(priors[:1].unsqueeze(0), torch.zeros(1, 1, dtype=torch.long))
    # The first prior is the best one, the second has an IoU of exactly 0.5.
    assert matcher(priors, truth).object.tolist() == [[0, 0 if OBJECTIVES[name].positive else BACKGROUND]]


@pytest.mark.slow
@pytest.mark.parametrize('name', ['ssd300_manytomany_coco', 'ssd300_manytomany_voc'])
def test_the_many_to_many_loss_of_an_example_is_the_plain_sum_of_the_text(name):
    example = Example(name)
    ious = np.array([iou_of(box, example.priors) for box in example.boxes])
    pairs = [(j, i) for j, i in zip(*np.nonzero(ious > 0.5))]
    conf = sum(-np.log(example.probabilities[i, example.classes[example.labels[j]]]) for j, i in pairs)
    loc = sum(smooth_l1(example.deltas[i] - offsets_of(example.boxes[j], example.priors[i], (1, 1))) for j, i in pairs)
    # c_max / sum(c) of each prior.
    highest = example.probabilities[:, example.classes].max(axis=1)
    free = sorted(set(range(len(example.priors))) - {i for _, i in pairs}, key=lambda p: -highest[p])
    no_match = np.log(1 + highest[free[: 3 * len(pairs)]]).sum()
    found = example.losses()
    assert found['num_pairs'] == len(pairs) > len({i for _, i in pairs})
    assert found['loss_cls'] == pytest.approx(conf, rel=1e-5)
    assert found['loss_no_match'] == pytest.approx(no_match, rel=1e-5)
    assert found['loss_bbox'] == pytest.approx(loc, rel=1e-5)


def test_scales_of_the_notes_are_interpolated_over_all_four_maps():
    head = detector_of(config('recipes/ssd_depthwise_notes_voc.py')).bbox_head
    generator = head.prior_generator
    scales = [0.1, 0.1 + 0.8 / 3, 0.1 + 1.6 / 3, 0.9]
    ratios = {4: [1, 1, 2, 1 / 2], 6: [1, 1, 2, 3, 1 / 2, 1 / 3]}
    for shapes, scale in zip(generator.shapes, scales):
        sides = (shapes / torch.tensor(generator.input_size)).tolist()
        assert sides[0] == pytest.approx([scale, scale])
        expected = [(scale * math.sqrt(a), scale / math.sqrt(a)) for a in ratios[len(sides)][2:]]
        assert [tuple(side) for side in sides[2:]] == [pytest.approx(pair) for pair in expected]


@pytest.mark.parametrize('name', ['tutorial', 'tutorial_lists', 'tutorial_plateau'])
def test_the_tutorial_validates_each_epoch_with_the_loss(name):
    cfg = config(f'recipes/ssd300_{name}_voc.py')
    assert cfg.model.type == 'MultiBoxDetector' and cfg.model.val_loss
    loop = loop_of(cfg, VOC0712)
    assert loop.val_interval == len(loop.dataloader) == 2069


@pytest.mark.parametrize('name', ['ssd300_tutorial_voc', 'ssd300_scratch_voc'])
def test_new_layers_are_initialized_by_xavier(name):
    detector = detector_of(config(f'recipes/{name}.py'))
    for conv in [m for part in (detector.neck, detector.bbox_head) for m in part.modules() if isinstance(m, nn.Conv2d)]:
        bound = math.sqrt(6 / ((conv.in_channels + conv.out_channels) * conv.kernel_size[0] ** 2))
        assert 0.95 * bound < conv.weight.abs().max() <= bound and not conv.bias.any()


def test_timms_weights_come_with_their_activation_and_normalization():
    model = config('recipes/ssd300_tf2_mobilenetv1_imagenet_voc.py').model
    assert any(isinstance(module, nn.ReLU6) for module in detector_of(Config(dict(model=model))).backbone.modules())
    assert list(model.data_preprocessor.mean) == list(model.data_preprocessor.std) == [127.5] * 3


@pytest.mark.parametrize('name', ['recipes/ssd300_manytomany_coco.py', 'recipes/ssd300_manytomany_voc.py'])
def test_dropped_pairs_are_reported(name):
    assert 'DroppedPairsHook' in {hook.type for hook in config(name).custom_hooks}


def test_the_plateau_recipe_returns_to_the_best_checkpoint_by_the_validation_loss():
    cfg = config('recipes/ssd300_tutorial_plateau_voc.py')
    assert cfg.model.type == 'MultiBoxDetector' and cfg.model.val_loss
    assert cfg.default_hooks.checkpoint.save_best == 'val_loss'
    assert 'ReturnToBestHook' in {hook.type for hook in cfg.custom_hooks}
    for name in TRAININGS:
        if 'plateau' not in name:
            assert 'ReturnToBestHook' not in {hook.type for hook in config(f'recipes/{name}.py').custom_hooks}
