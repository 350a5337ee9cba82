import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import HOOKS, TRANSFORMS

from ssd_plugin.errors import UnusableData


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


@pytest.mark.parametrize('split', ['val', 'test'])
def test_unreadable_images_of_an_evaluation_are_reported_and_too_many_are_an_error(split, tmp_path, caplog):
    step = TRANSFORMS.build(dict(type='LoadImageFromFile'))
    loader = SimpleNamespace(dataset=SimpleNamespace(pipeline=SimpleNamespace(transforms=[step])))
    runner = SimpleNamespace(val_dataloader=loader, test_dataloader=loader, logger=logging.getLogger('hook'))
    hook = HOOKS.build(dict(type='SkippedImagesHook', max_unreadable=0.5))
    before, after = getattr(hook, f'before_{split}'), getattr(hook, f'after_{split}_epoch')
    with caplog.at_level(logging.WARNING, 'hook'):
        before(runner)
        after(runner)
        assert not caplog.text
        before(runner)
        step.reads.counts[1] += torch.tensor([6, 3, 2])
        after(runner)
    assert '3 of the 6 images could not be read and were evaluated as gray ones' in caplog.text
    assert '2 of the 6 images have another size than annotated' in caplog.text
    before(runner)
    step.reads.counts[0] += torch.tensor([1, 1, 0])
    after(runner)
    before(runner)
    step.reads.counts[0] += torch.tensor([5, 3, 0])
    with pytest.raises(UnusableData, match=r'3 of the 5 images could not be read \(60.0%\), more than the 50%'):
        after(runner)
