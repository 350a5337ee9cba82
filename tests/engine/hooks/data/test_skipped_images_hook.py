import logging
from types import SimpleNamespace

import torch
from mmdet.registry import HOOKS, TRANSFORMS


def test_skipped_images_and_ones_of_another_size_are_reported_when_their_number_grows(caplog):
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
        step.reads.counts[0] += torch.tensor([10, 0, 0])
        step.reads.counts[3] += torch.tensor([20, 2, 0])
        hook.after_train_iter(runner, 9)
        assert caplog.text.count('2 of the 30 reads of images so far failed') == 1
        hook.after_train(runner)
        assert caplog.text.count('reads of images so far') == 1
        step.reads.counts[2] += torch.tensor([10, 0, 4])
        hook.after_train(runner)
        assert caplog.text.count('reads of images so far') == 2
        assert '4 of the 40 reads of images so far gave another size than annotated' in caplog.text
