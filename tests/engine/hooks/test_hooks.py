import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, TRANSFORMS
from torch import nn

from ssd_plugin.datasets.samplers import SeededDataset
from ssd_plugin.errors import UserError


class Boxes:
    """A dataset with given boxes, one image each."""

    def __init__(self, *boxes):
        self.boxes = boxes

    def __len__(self):
        return len(self.boxes)

    def get_data_info(self, index):
        return dict(img_path=f'{index}.jpg', instances=[dict(bbox=self.boxes[index])])


def report(dataset, caplog, **options):
    logger = logging.getLogger('hook')
    logger.propagate = True
    with caplog.at_level(logging.INFO, 'hook'):
        hook = HOOKS.build(dict(type='UnusableBoxesHook', **{**dict(max_share=1.0), **options}))
        hook.before_train(SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset), logger=logger))
    return caplog.text


def test_boxes_without_area_are_counted_and_their_images_named(caplog):
    text = report(Boxes([0, 0, 5, 5], [3, 3, 3, 9], [0, 0, float('nan'), 5], [5, 5, 1, 1]), caplog)
    assert '3 ground-truth box(es) in 3 image(s)' in text and '1.jpg, 2.jpg, 3.jpg' in text and '0.jpg' not in text


def test_more_bad_boxes_than_allowed_are_an_error(caplog):
    boxes = [[0, 0, 5, 5]] * 19 + [[3, 3, 3, 9]]
    assert '1 ground-truth box(es)' in report(Boxes(*boxes), caplog, max_share=0.05)
    with pytest.raises(UserError, match=r'5.3%.*max_share.*no area \(1\)'):
        report(Boxes(*boxes[1:]), caplog, max_share=0.05)


def test_usable_boxes_are_not_reported(caplog):
    assert not report(Boxes([0, 0, 5, 5], [1, 1, 2, 2]), caplog)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda inner: SimpleNamespace(dataset=inner),
        lambda inner: SimpleNamespace(datasets=[Boxes([0, 0, 1, 1]), SimpleNamespace(dataset=inner)]),
    ],
)
def test_datasets_inside_wrappers_are_checked(wrap, caplog):
    assert '1 ground-truth box(es)' in report(wrap(Boxes([3, 3, 3, 9])), caplog)


def test_boxes_of_a_voc_dataset_are_checked(shapes, caplog):
    path = next((shapes / 'Annotations').iterdir())
    original = path.read_text()
    try:
        path.write_text(
            original.replace(
                '</annotation>',
                '<object><name>circle</name><bndbox><xmin>5</xmin><ymin>5</ymin>'
                '<xmax>5</xmax><ymax>9</ymax></bndbox></object></annotation>',
            )
        )
        names = (shapes / 'ImageSets/Main/train.txt').read_text().split()
        dataset = DATASETS.build(
            dict(
                type='VOCDataset',
                data_root=str(shapes),
                metainfo=dict(classes=('circle',)),
                ann_file=f'ImageSets/Main/{"train" if path.stem in names else "test"}.txt',
                data_prefix=dict(sub_data_root=''),
            )
        )
        assert f'{path.stem}.jpg' in report(dataset, caplog)
    finally:
        path.write_text(original)


def test_channels_last_keeps_the_numbers_and_changes_the_layout():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8))
    image = torch.randn(2, 3, 16, 16)
    before = model(image)
    HOOKS.build(dict(type='ChannelsLastHook')).before_run(SimpleNamespace(model=model))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    after = model(image)
    assert after.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)


def test_memory_can_be_allocated_after_keep_host_memory_hook():
    HOOKS.build(dict(type='KeepHostMemoryHook')).before_run(SimpleNamespace())
    assert torch.ones(2**26).sum() == 2**26


def test_skipped_images_are_reported_when_their_number_grows(caplog):
    step = TRANSFORMS.build(dict(type='LoadEncodedImage'))
    dataset = SimpleNamespace(get_data_info=None, pipeline=SimpleNamespace(transforms=[step]))
    plain = SimpleNamespace(get_data_info=None)
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(datasets=[dataset, plain])),
        logger=logging.getLogger('hook'),
        iter=9,
    )
    hook = HOOKS.build(dict(type='SkippedImagesHook', interval=10))
    with caplog.at_level(logging.WARNING, 'hook'):
        hook.after_train_iter(runner, 9)
        assert not caplog.text
        step.counts[0] += torch.tensor([10, 0])
        step.counts[3] += torch.tensor([20, 2])
        hook.after_train_iter(runner, 9)
        assert caplog.text.count('2 of the 30 images read so far') == 1
        hook.after_train(runner)
        assert caplog.text.count('images read so far') == 1


def mixed_config(shapes):
    """Config of a dataset that makes mosaics of the drawn images."""
    loading = [dict(type='LoadEncodedImage'), dict(type='LoadAnnotations', with_bbox=True)]
    augment = dict(type='FusedSSDAugment', scale=(64, 48))
    return dict(
        type='MultiImageMixDataset',
        dataset=dict(
            type='VOCDataset',
            data_root=str(shapes),
            ann_file='ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root=''),
            pipeline=loading,
        ),
        pipeline=[dict(type='MosaicSSDAugment', augment=augment), dict(type='PackDetInputs')],
    )


@pytest.mark.parametrize('repeated', [False, True])
def test_mosaics_end_with_the_last_fraction_of_the_iterations_also_after_a_resume(repeated, shapes, caplog):
    hook = HOOKS.build(dict(type='MosaicSwitchHook', share=0.25))
    config, restarts = mixed_config(shapes), []
    built = DATASETS.build(dict(type='RepeatDataset', dataset=config, times=2) if repeated else config)
    active = (built.dataset if repeated else built).pipeline[0].active
    # As StreamTrainLoop wraps it.
    dataset = SeededDataset(built)
    runner = SimpleNamespace(
        iter=0,
        max_iters=8,
        train_dataloader=SimpleNamespace(dataset=dataset),
        logger=logging.getLogger('hook'),
        train_loop=SimpleNamespace(restart_data=restarts.append),
    )
    runner.logger.propagate = True
    with caplog.at_level(logging.INFO, 'hook'):
        hook.before_train(runner)
        for runner.iter in range(8):
            assert bool(active) == (runner.iter < 6)
            hook.after_train_iter(runner, runner.iter)
    assert caplog.text.count('No more mosaics from iteration 7 on') == 1 and restarts == [6]
    active.fill_(True)
    HOOKS.build(dict(type='MosaicSwitchHook', share=0.25)).before_train(runner)
    assert not active and restarts == [6]


def test_data_without_mosaics_has_none_to_end():
    runner = SimpleNamespace(iter=9, max_iters=10, train_dataloader=SimpleNamespace(dataset=Boxes()))
    HOOKS.build(dict(type='MosaicSwitchHook')).after_train_iter(runner, 9)
