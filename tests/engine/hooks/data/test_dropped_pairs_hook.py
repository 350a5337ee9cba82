from types import SimpleNamespace

from mmdet.registry import HOOKS, MODELS


class Log(list):
    def warning(self, text):
        self.append(text)


def test_dropped_pairs_are_reported_once():
    loss = MODELS.build(dict(type='ManyToManyLoss'))
    runner = SimpleNamespace(model=loss, logger=Log(), iter=0)
    hook = HOOKS.build(dict(type='DroppedPairsHook', interval=2))
    hook.after_train_iter(runner, 0)
    loss.dropped_pairs += 3
    # The first iteration is not reported: the interval is 2.
    hook.after_train_iter(runner, 0)
    assert not runner.logger
    runner.iter = 1
    hook.after_train_iter(runner, 1)
    assert len(runner.logger) == 1 and runner.logger[0].startswith('3 matched pairs')
    assert 'matcher.pairs_per_prior' in runner.logger[0]
    hook.after_train(runner)
    assert len(runner.logger) == 1
    loss.dropped_pairs += 1
    hook.after_train(runner)
    assert len(runner.logger) == 2 and runner.logger[1].startswith('4 matched pairs')


def test_another_loss_has_nothing_to_report():
    runner = SimpleNamespace(model=MODELS.build(dict(type='MultiBoxLoss')), logger=Log(), iter=1)
    HOOKS.build(dict(type='DroppedPairsHook')).after_train(runner)
    assert not runner.logger
