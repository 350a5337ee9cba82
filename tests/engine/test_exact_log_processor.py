from types import SimpleNamespace

import pytest
from mmdet.registry import LOG_PROCESSORS
from mmengine.logging import MessageHub


@pytest.mark.parametrize('kind, shown', [('ExactLogProcessor', 2.0), ('LogProcessor', 3.0)])
def test_a_validation_shows_its_own_loss_where_mmengine_shows_the_mean_of_several(kind, shown):
    hub = MessageHub('exact')
    for loss in (4.0, 2.0):
        hub.update_scalar('val/val_loss', loss)
    loop = SimpleNamespace(dataloader=[0])
    runner = SimpleNamespace(message_hub=hub, val_loop=loop, iter=4)
    processor = LOG_PROCESSORS.build(dict(type=kind, window_size=50, by_epoch=False))
    record, line = processor.get_log_after_epoch(runner, 1, 'val')
    assert record['val_loss'] == shown and f'val_loss: {shown:.4f}' in line
    assert processor.window_size == 50


def test_training_losses_stay_smoothed():
    hub = MessageHub('smoothed')
    for loss in (4.0, 2.0):
        hub.update_scalar('train/loss', loss)
    loop = SimpleNamespace(dataloader=[0])
    runner = SimpleNamespace(message_hub=hub, train_loop=loop, _train_loop=loop, iter=4, max_iters=9, model=None)
    processor = LOG_PROCESSORS.build(dict(type='ExactLogProcessor', window_size=50, by_epoch=False))
    record, _ = processor.get_log_after_iter(runner, 1, 'train')
    assert record['loss'] == 3.0
