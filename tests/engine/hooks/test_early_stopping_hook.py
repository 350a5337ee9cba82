"""A real runner on a toy model, whose validation scores are given by iteration."""

import pytest
import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub

from ssd_plugin.errors import UserError
from tests.engine.tiny_runner import TinyModel, tiny_runner

# The best of iteration 4 is followed by three that are not better, of which one is by less than min_delta.
SCORES = {1: 0.3, 2: 0.4, 3: 0.35, 4: 0.5, 5: 0.5004, 6: 0.2, 7: 0.45, 8: 0.9, 9: 0.9, 10: 0.9}


@METRICS.register_module()
class GivenScores(BaseMetric):
    """The score of each validation, whatever the model."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        # The iteration whose validation this is, also in a run that resumes with one.
        return dict(mAP=SCORES[MessageHub.get_current_instance().get_info('last_validation')])


class ScoredModel(TinyModel):
    def val_step(self, data):
        return [None]


def runner_in(folder, max_iters=10, interval=1, patience=3, monitor='mAP', **settings):
    loader = dict(
        batch_size=5,
        dataset=dict(type='TinyPoints'),
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
    )
    checkpoints = dict(type='WholeCheckpointHook', by_epoch=False, interval=interval, save_best='mAP', rule='greater')
    stopping = dict(type='ExactEarlyStoppingHook', monitor=monitor, patience=patience)
    options = dict(
        model=ScoredModel(),
        train_cfg=dict(type='StreamTrainLoop', max_iters=max_iters, val_interval=1),
        val_dataloader=loader,
        val_cfg=dict(),
        val_evaluator=dict(type='GivenScores'),
        default_hooks=dict(checkpoint=checkpoints, early_stopping=stopping),
        randomness=dict(seed=0),
    )
    return tiny_runner(folder, hooks=(), **{**options, **settings})


def train(folder, *args, **options):
    runner = runner_in(folder, *args, **options)
    runner.train()
    return runner.iter


def test_training_stops_after_as_many_validations_without_improvement_as_the_patience(tmp_path):
    assert train(tmp_path) == 7
    assert (tmp_path / 'iter_7.pth').is_file() and not (tmp_path / 'iter_8.pth').exists()
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_mAP_iter_5.pth']


@pytest.mark.parametrize('moment', [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize('interval', [1, 2])
def test_a_resumed_run_stops_where_an_uninterrupted_one_does(moment, interval, tmp_path):
    train(tmp_path, moment, interval)
    # With the count of MMEngine's hook, which begins anew, it would stop later.
    assert train(tmp_path, interval=interval, resume=True) == 7


def test_a_run_that_has_stopped_stops_again_or_goes_on_with_more_patience(tmp_path):
    train(tmp_path)
    assert train(tmp_path, resume=True) == 7
    assert train(tmp_path, resume=True, patience=4) == 10


def test_the_count_is_that_of_the_metric_and_saved_as_plain_numbers(tmp_path):
    train(tmp_path)
    saved = torch.load(tmp_path / 'iter_7.pth', weights_only=True)['message_hub']['runtime_info']
    # The checkpoint of iteration 7 is written before its validation.
    assert saved['early_stopping/mAP'] == dict(best=0.5, waited=2)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(monitor='mAP50'), "the validation gives no 'mAP50'; monitor must be one of mAP"),
        (dict(val_dataloader=None, val_cfg=None, val_evaluator=None), 'needs a validation, which gives mAP'),
    ],
)
def test_a_metric_that_there_is_not_is_an_error(settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        runner_in(tmp_path, **settings).train()
