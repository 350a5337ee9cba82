"""Components for configs of tests: a record of what a rank computes, and data that lead to non-finite numbers."""

import json
from pathlib import Path

from mmcv.transforms import BaseTransform
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import HOOKS, MODELS, TRANSFORMS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from torch import nn


@HOOKS.register_module(force=True)
class RecordingHook(Hook):
    """Write loss and images of each iteration to ``rank_N.json`` in the work dir; freeze batch-norm statistics."""

    def before_train(self, runner):
        self.lines = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        images = [sample.metainfo['img_id'] for sample in data_batch['data_samples']]
        self.lines.append(dict(loss=float(outputs['loss']), images=images))

    def after_train(self, runner):
        Path(runner.work_dir, f'rank_{get_rank()}.json').write_text(json.dumps(self.lines))


@HOOKS.register_module(force=True)
class WeightsHook(Hook):
    """Write the sum of the weights before each iteration to ``weights_N.json`` in the work dir."""

    def before_train(self, runner):
        self.sums = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.sums.append(sum(float(parameter.detach().double().sum()) for parameter in runner.model.parameters()))

    def after_train(self, runner):
        Path(runner.work_dir, f'weights_{get_rank()}.json').write_text(json.dumps(self.sums))


@MODELS.register_module(force=True)
class DoubleDetector(SingleStageDetector):
    """A detector in double precision, in which the order of summation does not change the course of a training."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.double()
        self.data_preprocessor.register_forward_hook(
            lambda module, inputs, data: dict(data, inputs=data['inputs'].double())
        )


@TRANSFORMS.register_module(force=True)
class Poison(BaseTransform):
    """Replace pixels or boxes of some packed samples by NaN or absurd values, which then reach the network."""

    def __init__(self, what, every=1):
        self.what = what
        self.every = every

    def transform(self, results):
        sample = results['data_samples']
        if int(sample.img_id) % self.every:
            return results
        boxes = sample.gt_instances.bboxes
        if self.what == 'pixels':
            results['inputs'] = results['inputs'].float()
            results['inputs'][:, :5] = float('nan')
        elif self.what == 'no area':
            boxes[:, 2:] = boxes[:, :2]
        elif self.what == 'huge':
            boxes[:, 2:] = 1e9
        return results
