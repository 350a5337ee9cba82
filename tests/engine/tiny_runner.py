"""A runner that trains a linear model in milliseconds, for tests of hooks and loops."""

import itertools

import torch
from mmdet.registry import DATASETS
from mmengine.model import BaseModel
from mmengine.runner import Runner

_names = itertools.count()


class TinyModel(BaseModel):
    """Pull the output of a linear layer to zero, and call a function in each iteration."""

    def __init__(self, in_iteration=lambda iteration: None):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.in_iteration = in_iteration
        self.iteration = 0

    def forward(self, inputs, data_samples=None, mode='loss'):
        self.iteration += 1
        self.in_iteration(self.iteration)
        return dict(loss=self.layer(torch.stack(inputs)).square().sum())


@DATASETS.register_module()
class TinyPoints(torch.utils.data.Dataset):
    """Ten samples."""

    def __init__(self):
        self.metainfo = {}

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return dict(inputs=torch.tensor([float(index), 1.0]))


def tiny_runner(folder, in_iteration=lambda iteration: None, hooks=('PreemptionHook',), **settings):
    """Return a runner for four iterations of two samples, which trains when its ``train`` is called.

    Args:
        folder: The work dir.
        in_iteration: Function of the number of the iteration, from 1 on, called by the model.
        hooks: Types of the custom hooks.
        settings: Arguments of MMEngine's ``Runner`` that differ.
    """
    options = dict(
        model=TinyModel(in_iteration),
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=dict(type='TinyPoints'),
            batch_size=2,
            sampler=dict(type='StreamSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='StreamTrainLoop', max_iters=4),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3)),
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=100)),
        custom_hooks=[dict(type=name) for name in hooks],
        default_scope='mmdet',
        experiment_name=f'tiny{next(_names)}',
        log_level='WARNING',
    )
    return Runner(**{**options, **settings})
