import errno
import logging
import shutil
from pathlib import Path

import pytest
import torch
from mmdet.registry import HOOKS
from mmengine.logging import MessageHub

from ssd_plugin.engine.checkpointing.atomic_backend import AtomicBackend
from ssd_plugin.errors import UserError


class Runner:
    """The interface of MMEngine's runner that the hook uses; its checkpoints hold a few numbers."""

    def __init__(self, folder, **options):
        self.work_dir = str(folder)
        self.message_hub = MessageHub(str(folder))
        self.logger = logging.getLogger('hook')
        self.logger.propagate = True
        self.iter, self.epoch, self.max_iters = 0, 0, 100
        self.full = False
        # Too little room for a checkpoint with the optimizer, enough for weights.
        self.nearly_full = False
        self.hook = HOOKS.build(dict(type='WholeCheckpointHook', by_epoch=False, interval=1, **options))
        self.hook.before_train(self)

    def save_checkpoint(self, out_dir, filename, backend_args=None, save_optimizer=True, **options):
        if self.full or (self.nearly_full and save_optimizer):
            raise OSError(errno.ENOSPC, 'No space left on device')
        state = dict(meta={}, state_dict=dict(a=torch.zeros(3)), message_hub=self.message_hub.state_dict())
        torch.save(dict(state, optimizer={}) if save_optimizer else state, Path(out_dir, filename))

    def train(self, iterations):
        for _ in range(iterations):
            self.hook.after_train_iter(self, self.iter)
            self.iter += 1

    def files(self):
        return sorted(path.name for path in Path(self.work_dir).glob('*.pth'))


def test_at_most_max_keep_ckpts_checkpoints_are_kept(tmp_path):
    runner = Runner(tmp_path, max_keep_ckpts=2)
    runner.train(4)
    assert runner.files() == ['iter_3.pth', 'iter_4.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_4.pth')
    assert runner.message_hub.get_info('keep_ckpt_ids') == [3, 4]


def test_the_only_intact_checkpoint_is_never_deleted(tmp_path, caplog):
    runner = Runner(tmp_path, max_keep_ckpts=1)
    runner.train(1)
    runner.full = True
    with caplog.at_level(logging.ERROR, 'hook'):
        runner.train(2)
    assert runner.files() == ['iter_1.pth']
    last = tmp_path / 'iter_1.pth'
    expected = f'iter_3.pth could not be saved: No space left on device. The last one is {last}; training continues'
    assert expected in caplog.text
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_1.pth')
    runner.full = False
    runner.train(1)
    assert runner.files() == ['iter_4.pth'] and runner.hook.failure is None
    runner.hook.after_train(runner)


def test_no_checkpoint_is_deleted_when_the_new_one_is_damaged(tmp_path, monkeypatch):
    runner = Runner(tmp_path, max_keep_ckpts=1)
    runner.train(1)
    save = runner.save_checkpoint

    def save_half(out_dir, filename, **options):
        save(out_dir, filename, **options)
        path = Path(out_dir, filename)
        path.write_bytes(path.read_bytes()[:200])

    monkeypatch.setattr(runner, 'save_checkpoint', save_half)
    runner.train(1)
    assert 'iter_1.pth' in runner.files() and 'it is truncated' in runner.hook.failure


def test_training_ends_with_an_error_if_the_last_checkpoint_cannot_be_saved(tmp_path):
    runner = Runner(tmp_path)
    runner.full = True
    runner.train(1)
    with pytest.raises(
        UserError, match='iter_1.pth could not be saved: No space left on device. There is no earlier one'
    ):
        runner.hook.after_train(runner)


@pytest.mark.parametrize(
    'options, key',
    [
        (dict(save_best='auto'), 'mAP'),
        (dict(save_best='mAP', rule='greater'), 'mAP'),
        (dict(save_best=['mAP', 'AP50'], rule='greater'), 'mAP'),
    ],
)
def test_the_best_checkpoint_is_replaced_only_by_a_better_one_that_could_be_saved(options, key, tmp_path, caplog):
    runner = Runner(tmp_path, max_keep_ckpts=1, greater_keys=['mAP'], **options)

    def best():
        return [name for name in runner.files() if name.startswith(f'best_{key}')]

    for value, expected in [(0.3, 'best_mAP_iter_1.pth'), (0.2, 'best_mAP_iter_1.pth'), (0.4, 'best_mAP_iter_3.pth')]:
        runner.train(1)
        runner.hook.after_val_epoch(runner, dict(mAP=value, AP50=value))
        assert best() == [expected]
    runner.train(1)
    runner.full = True
    with caplog.at_level(logging.ERROR, 'hook'):
        runner.hook.after_val_epoch(runner, dict(mAP=0.9, AP50=0.9))
    assert best() == ['best_mAP_iter_3.pth'] and 'the best checkpoint could not be saved: No space left' in caplog.text
    runner.full = False
    # The one that could not be saved does not count as the best.
    runner.hook.after_val_epoch(runner, dict(mAP=0.5, AP50=0.5))
    assert best() == ['best_mAP_iter_4.pth']


def test_unfinished_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / '.iter_7.pth.part').write_bytes(b'half')
    runner = Runner(tmp_path)
    assert not list(tmp_path.glob('.*')) and isinstance(runner.hook.file_backend, AtomicBackend)


def test_the_previous_best_is_kept_until_a_checkpoint_records_the_new_one(tmp_path):
    runner = Runner(tmp_path, save_best='mAP', rule='greater')
    runner.train(1)
    runner.hook.after_val_epoch(runner, dict(mAP=0.1))
    runner.train(1)
    runner.nearly_full = True
    runner.hook.after_val_epoch(runner, dict(mAP=0.2))
    # The newest checkpoint that can be resumed from records the first one.
    assert {'best_mAP_iter_1.pth', 'best_mAP_iter_2.pth'} <= set(runner.files())
    runner.nearly_full = False
    runner.train(1)
    runner.hook.after_val_epoch(runner, dict(mAP=0.3))
    assert [name for name in runner.files() if name.startswith('best')] == ['best_mAP_iter_3.pth']


def test_a_copied_run_neither_reads_nor_deletes_the_best_of_the_original(tmp_path):
    (tmp_path / 'run').mkdir()
    runner = Runner(tmp_path / 'run', save_best='mAP', rule='greater')
    runner.train(1)
    runner.hook.after_val_epoch(runner, dict(mAP=0.1))
    runner.hook.on_exit(runner)
    shutil.copytree(tmp_path / 'run', tmp_path / 'copy')
    other = Runner(tmp_path / 'copy', save_best='mAP', rule='greater')
    other.message_hub.load_state_dict(runner.message_hub.state_dict())
    other.hook.before_train(other)
    assert other.hook.best_ckpt_path == str(tmp_path / 'copy/best_mAP_iter_1.pth')
    other.iter = 1
    other.train(1)
    other.hook.after_val_epoch(other, dict(mAP=0.2))
    assert [name for name in other.files() if name.startswith('best')] == ['best_mAP_iter_2.pth']
    assert 'best_mAP_iter_1.pth' in runner.files()
