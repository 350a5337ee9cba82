import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import HOOKS
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import nn

from ssd_plugin.engine.optimizers.finite_steps_hook import all_finite
from ssd_plugin.engine.optimizers.pooled_optim_wrapper import PooledOptimWrapper
from ssd_plugin.errors import UserError


class Model(nn.Sequential):
    """A linear layer behind a batch norm, whose losses report two positives."""

    def __init__(self):
        super().__init__(nn.BatchNorm1d(3), nn.Linear(3, 1))

    def forward(self, inputs):
        return dict(loss=super().forward(inputs).square().mean(), num_positives=torch.tensor(2.0))


class Trainer:
    """Train a linear layer after a batch norm with the hook, as MMEngine's loop does."""

    def __init__(self, folder, wrapper=OptimWrapper, accumulate=1, iterations=100, **options):
        torch.manual_seed(0)
        self.model = Model()
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        self.optim_wrapper = wrapper(optimizer, accumulative_counts=accumulate)
        self.optim_wrapper.initialize_count_status(self.model, 0, iterations)
        self.iter, self.max_iters, self.work_dir = 0, iterations, str(folder)
        self.cfg, self.logger = Config(dict(a=1)), logging.getLogger('hook')
        self.logger.propagate = True
        self.hook = HOOKS.build(dict(type='FiniteStepsHook', **options))
        self.hook.before_train(self)

    def train(self, inputs, name='image.jpg'):
        instances = SimpleNamespace(bboxes=torch.zeros(1, 4), labels=torch.zeros(1, dtype=torch.long))
        batch = dict(
            inputs=inputs, data_samples=[SimpleNamespace(metainfo=dict(img_path=name), gt_instances=instances)]
        )
        self.hook.before_train_iter(self, self.iter, batch)
        with self.optim_wrapper.optim_context(self.model):
            loss = self.model(inputs)['loss']
        self.optim_wrapper.update_params(loss)
        self.hook.after_train_iter(self, self.iter, batch, dict(loss=loss.detach()))
        self.iter += 1

    def state(self):
        momenta = [s['momentum_buffer'] for s in self.optim_wrapper.optimizer.state.values() if 'momentum_buffer' in s]
        return [value.clone() for value in (*self.model.state_dict().values(), *momenta)]


def good():
    return torch.randn(4, 3)


def bad(value=float('nan')):
    inputs = good()
    inputs[0, 0] = value
    return inputs


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_step_with_nonfinite_gradients_changes_nothing(value, tmp_path, caplog):
    trainer = Trainer(tmp_path)
    trainer.train(good())
    before = trainer.state()
    with caplog.at_level(logging.INFO, 'hook'):
        trainer.train(bad(value), 'blood/7.jpg')
    after = trainer.state()
    # Except for the batch count of batch norm.
    assert all(torch.equal(a, b) for a, b in zip(before, after) if a.is_floating_point())
    assert (
        'iteration 2' in caplog.text
        and 'blood/7.jpg' in caplog.text
        and 'the step is skipped (1 so far)' in caplog.text
    )
    trainer.train(good())
    assert all(value.isfinite().all() for value in trainer.state()) and not torch.equal(trainer.state()[4], after[4])


def test_finite_steps_are_the_same_as_without_the_hook(tmp_path):
    with_hook, without = Trainer(tmp_path), Trainer(tmp_path)
    without.optim_wrapper.step = without.hook._step
    torch.manual_seed(1)
    for inputs in [good() for _ in range(5)]:
        with_hook.train(inputs)
        without.train(inputs)
    assert all(torch.equal(a, b) for a, b in zip(with_hook.state(), without.state()))


def test_too_many_skipped_steps_in_a_row_abort_training_and_name_the_images(tmp_path):
    trainer = Trainer(tmp_path, max_in_a_row=3)
    for _ in range(2):
        trainer.train(bad())
    # A finite step resets the count.
    trainer.train(good())
    trainer.train(bad())
    trainer.train(bad())
    with pytest.raises(
        UserError, match=r'iteration 6: 3 steps in a row, 5 in total.*blood/9.jpg.*learning rate.*nonfinite_iter_4.pth'
    ):
        trainer.train(bad(), 'blood/9.jpg')
    assert all(value.isfinite().all() for value in trainer.state())
    assert sorted(path.name for path in tmp_path.iterdir()) == ['nonfinite_iter_1.pth', 'nonfinite_iter_4.pth']


def test_too_large_a_fraction_of_skipped_steps_aborts_training(tmp_path):
    trainer = Trainer(tmp_path, max_in_a_row=100, max_share=0.3, window=10)
    for index in range(4):
        trainer.train(good() if index % 2 else bad())
    with pytest.raises(UserError, match='iteration 5'):
        trainer.train(bad())


def test_a_short_run_with_too_many_skipped_steps_ends_with_an_error(tmp_path):
    trainer = Trainer(tmp_path)
    for _ in range(4):
        trainer.train(good())
    trainer.hook.after_train(trainer)
    for _ in range(4):
        trainer.train(bad(), 'blood/3.jpg')
    with pytest.raises(UserError, match='iteration 8: 4 steps in a row.*blood/3.jpg'):
        trainer.hook.after_train(trainer)
    Trainer(tmp_path).hook.after_train(trainer)


def test_the_first_batch_of_a_series_is_kept_for_replay(tmp_path):
    trainer = Trainer(tmp_path)
    inputs = bad()
    trainer.train(inputs, 'a.jpg')
    kept = torch.load(tmp_path / 'nonfinite_iter_1.pth', weights_only=True)
    torch.testing.assert_close(kept['inputs'], inputs, equal_nan=True)
    assert (
        kept['samples'][0]['metainfo']['img_path'] == 'a.jpg' and kept['iteration'] == 1 and 'a = 1' in kept['config']
    )
    assert all(value.isfinite().all() for value in kept['state_dict'].values())


def test_only_the_batches_of_the_last_series_are_kept(tmp_path):
    trainer = Trainer(tmp_path, max_share=1.0, max_kept=2)
    for index in range(12):
        trainer.train(bad() if index % 3 == 0 else good())
    assert {path.name for path in tmp_path.iterdir()} == {'nonfinite_iter_7.pth', 'nonfinite_iter_10.pth'}


@pytest.mark.parametrize('wrapper', [OptimWrapper, PooledOptimWrapper])
def test_one_bad_micro_batch_skips_the_accumulated_step(wrapper, tmp_path, caplog):
    trainer, plain = Trainer(tmp_path, wrapper, accumulate=2), Trainer(tmp_path, wrapper, accumulate=2)
    torch.manual_seed(1)
    first, second = [good(), good()], [good(), good()]
    with caplog.at_level(logging.INFO, 'hook'):
        for index, inputs in enumerate([*first, bad(), good(), *second]):
            trainer.train(inputs, f'{index}.jpg')
    for inputs in [*first, *second]:
        plain.train(inputs)
    assert '2.jpg, 3.jpg' in caplog.text and '1.jpg' not in caplog.text
    assert all(torch.equal(a, b) for a, b in zip(trainer.state(), plain.state()) if a.is_floating_point())


def test_large_values_whose_sum_overflows_are_finite():
    large = torch.full((4,), 3e38)
    assert all_finite([large, torch.zeros(2)]) and all_finite([])
    for value in (float('nan'), float('inf'), -float('inf')):
        assert not all_finite([large, torch.tensor([0.0, value])])
