import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from ssd_plugin.configs import leaf_datasets
from ssd_plugin.datasets.augment_option import augmented_pipeline
from tests.support import WHOLE_CONFIGS, config


@pytest.fixture(params=WHOLE_CONFIGS)
def cfg(request):
    return config(request.param)


def split_of(cfg, split):
    return [dataset for _, dataset in leaf_datasets(cfg[f'{split}_dataloader'].dataset, split)]


def test_no_helper_name_reaches_the_resolved_config(cfg):
    assert set(cfg.keys()) <= {
        *('model', 'data_root', 'metainfo', 'train_pipeline', 'test_pipeline', 'randomness'),
        *(f'{split}_{part}' for split in ('train', 'val', 'test') for part in ('dataloader', 'cfg', 'evaluator')),
        *('optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'default_hooks', 'custom_hooks', 'custom_imports'),
        *('default_scope', 'env_cfg', 'visualizer', 'log_processor', 'log_level', 'load_from', 'resume'),
    }


def test_every_part_is_registered_and_builds(cfg):
    cfg.model.backbone.init_cfg = None
    MODELS.build(cfg.model)
    for hook in cfg.custom_hooks:
        assert HOOKS.get(hook.type)
    for split in ('train', 'val', 'test'):
        for dataset in split_of(cfg, split):
            assert DATASETS.get(dataset.type)
            for step in dataset.pipeline:
                TRANSFORMS.build(step)


def test_network_gives_the_feature_maps_that_the_priors_are_made_for(cfg):
    cfg.model.backbone.init_cfg = None
    # On the meta device, where tensors have shapes and nothing is computed.
    detector = MODELS.build(cfg.model).eval().to('meta')
    width, height = detector.bbox_head.prior_generator.input_size
    logits, deltas = detector(torch.zeros(1, 3, height, width, device='meta'), mode='tensor')
    assert [tuple(m.shape[-2:]) for m in logits] == detector.bbox_head.prior_generator.featmap_sizes
    for outputs, offsets, priors in zip(logits, deltas, detector.bbox_head.prior_generator.num_base_priors):
        assert outputs.shape[1] == priors * detector.bbox_head.layout.num_outputs and offsets.shape[1] == priors * 4


@pytest.mark.parametrize(
    'name',
    [
        'pretrained/ssd300_mobilenetv1_qfgaohao_voc.py',
        'pretrained/ssdlite300_mobilenetv2_qfgaohao_voc.py',
        'ssdlite320_mobilenetv2_coco.py',
        'ssdlite320_mobilenetv3_coco.py',
        'pretrained/ssd_face_slim_320x240.py',
        pytest.param('pretrained/ssd300_qfgaohao_voc.py', marks=pytest.mark.slow),
        pytest.param('pretrained/ssd300_torchvision_coco.py', marks=pytest.mark.slow),
        pytest.param('recipes/ssd300_tutorial_voc.py', marks=pytest.mark.slow),
    ],
)
def test_detectors_for_converted_weights_train(name):
    cfg = config(name).model
    cfg.backbone.init_cfg = None
    detector = MODELS.build(cfg)
    detector.init_weights()
    width, height = detector.bbox_head.prior_generator.input_size
    samples = []
    for corner in (20.0, 90.0):
        sample = DetDataSample(metainfo=dict(img_shape=(height, width), batch_input_shape=(height, width)))
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[corner, corner, 200.0, 180.0]]), labels=torch.tensor([0])
        )
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        samples.append(sample)
    data = detector.data_preprocessor(
        dict(inputs=[torch.randint(256, (3, height, width), dtype=torch.uint8) for _ in samples], data_samples=samples),
        training=True,
    )
    losses = detector.loss(data['inputs'], data['data_samples'])
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())


def test_images_come_in_the_size_that_the_priors_are_made_for(cfg):
    size = cfg.model.bbox_head.prior_generator.input_size
    size = (size, size) if isinstance(size, int) else tuple(size)
    for steps in [
        *training_steps(cfg),
        *[dataset.pipeline for split in ('val', 'test') for dataset in split_of(cfg, split)],
    ]:
        assert [tuple(step.scale) for step in steps if 'scale' in step][-1:] == [size]


def training_steps(cfg):
    """Return the steps of each training dataset, those of a mix of images last, with the options of ``augment``."""
    whole = cfg.train_dataloader.dataset
    mixed = whole.get('pipeline', []) if 'dataset' in whole else []
    return [
        [
            ConfigDict(step.get('augment', step))
            for step in augmented_pipeline([*dataset.pipeline, *mixed], whole.get('augment'))
        ]
        for dataset in split_of(cfg, 'train')
    ]


def test_images_are_decoded_and_augmented_in_one_go_and_sent_as_one_tensor(cfg):
    for steps in training_steps(cfg):
        assert [step.type for step in steps] == [
            'LoadEncodedImage',
            'LoadAnnotations',
            'FusedSSDAugment',
            'PackDetInputs',
        ]
    assert cfg.train_dataloader.collate_fn.type == 'stack_collate' and cfg.train_dataloader.persistent_workers


def test_outside_of_an_image_is_the_mean_that_is_subtracted(cfg):
    for steps in training_steps(cfg):
        for step in steps:
            if step.type == 'FusedSSDAugment':
                assert [round(level) for level in step.fill] == pytest.approx(cfg.model.data_preprocessor.mean, abs=1)


def test_head_has_as_many_classes_as_the_data(cfg):
    for split in ('train', 'val', 'test'):
        for dataset in split_of(cfg, split):
            if dataset.type != 'JsonListsDataset':  # whose classes are in its files
                classes = dataset.get('metainfo', {}).get('classes') or DATASETS.get(dataset.type).METAINFO['classes']
                assert len(classes) == cfg.model.bbox_head.num_classes


def test_ground_truth_of_evaluation_stays_in_pixels_of_the_original(cfg):
    for dataset in split_of(cfg, 'test'):
        types = [step.type for step in dataset.pipeline]
        assert types.index('LoadAnnotations') > types.index('Resize')


@pytest.mark.parametrize(
    'name, iterations, milestones',
    [
        ('ssd300_voc.py', 120000, [80000, 100000]),
        ('ssd512_voc.py', 120000, [80000, 100000]),
        ('ssd300_coco.py', 400000, [280000, 360000]),
        ('ssd512_coco.py', 400000, [280000, 360000]),
    ],
)
def test_schedule_is_that_of_the_original_release(name, iterations, milestones):
    cfg = config(name)
    assert cfg.train_cfg.max_iters == iterations and cfg.train_dataloader.batch_size == 32
    assert cfg.param_scheduler[1].milestones == milestones and cfg.param_scheduler[1].gamma == 0.1
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4)
    assert cfg.optim_wrapper.paramwise_cfg == dict(bias_lr_mult=2.0, bias_decay_mult=0.0)
    assert cfg.auto_scale_lr.base_batch_size == 32
    assert cfg.model.test_cfg == dict(
        score_thr=0.01, nms_pre=400, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200
    )


def test_voc_trains_on_both_years_and_on_difficult_objects_and_scores_as_in_2007():
    cfg = config('ssd300_voc.py')
    assert [dataset.ann_file for dataset in split_of(cfg, 'train')] == [
        'VOC2007/ImageSets/Main/trainval.txt',
        'VOC2012/ImageSets/Main/trainval.txt',
    ]
    assert cfg.model.bbox_head.matcher.ignored == 'match'
    assert cfg.val_evaluator == dict(type='VOCMetric', metric='mAP', eval_mode='11points')
    assert split_of(cfg, 'test')[0].ann_file == 'VOC2007/ImageSets/Main/test.txt'
