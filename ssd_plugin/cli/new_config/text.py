"""Text of a new config, in which every number has its reason."""

import shlex
from pathlib import Path
from typing import Any

from mmdet.visualization.palette import get_palette

from ssd_plugin.cli.config_text import Code, Commented, assignment, comment

from .choices import NewConfig

# Colors that differ clearly (sashamaps.net/docs/resources/20-colors), the most different ones first.
COLORS = [
    (230, 25, 75),
    (0, 130, 200),
    (255, 225, 25),
    (60, 180, 75),
    (145, 30, 180),
    (70, 240, 240),
    (245, 130, 48),
    (240, 50, 230),
    (210, 245, 60),
    (0, 128, 128),
]
# Classes that are named at the top.
MAX_NAMED = 10
# Most iterations of the warm-up, which takes a tenth of a shorter training.
WARM_UP = 100
METRICS = [dict(type='VOCMetric', metric='mAP', eval_mode='area'), dict(type='CocoMetric', metric='bbox')]


def text_of(config: NewConfig) -> str:
    """Return the text of a config."""
    return '\n'.join([_head(config), _model(config), _data(config), _schedule(config), _command(config)])


def train_command(path: Path) -> str:
    """Return the command that trains a config."""
    return f'python -m ssd_plugin train {shlex.quote(str(path))}'


def palette(classes: int) -> list[tuple[int, int, int]]:
    """Return a color (R, G, B) for each class."""
    if classes <= len(COLORS):
        return COLORS[:classes]
    return [(int(red), int(green), int(blue)) for red, green, blue in get_palette('random', classes)]


def _head(config: NewConfig) -> str:
    statistics, data = config.statistics, config.data
    counts = [f'{count} {name}' for name, count in statistics.objects.items()]
    counts = counts[:MAX_NAMED] + ['...'] * (len(counts) > MAX_NAMED)
    return ''.join(
        [
            comment(
                f'{config.detector.title} on {data.root} ({data.title}): {statistics.images} training images with '
                f'{", ".join(counts)}.'
            ),
            comment(f'{config.splits.about}.'),
            comment('Everything can be changed here, or with --cfg-options.'),
            assignment('_base_', config.detector.base),
        ]
    )


def _model(config: NewConfig) -> str:
    classes = config.data.classes
    generator: dict[str, Any] = dict(
        input_size=Code('__input_size'),
        sizes=Commented(config.sizes, f'In pixels of the input: {config.about_priors}.'),
    )
    if config.ratios is not None:
        generator['aspect_ratios'] = config.ratios
    return ''.join(
        [
            assignment('data_root', f'{config.data.root.absolute()}/'),
            assignment('metainfo', dict(classes=classes, palette=palette(len(classes)))),
            assignment('__input_size', Commented(config.size.value, f'Width and height: {config.size.reason}.')),
            assignment('model', dict(bbox_head=dict(num_classes=len(classes), prior_generator=generator))),
        ]
    )


def _data(config: NewConfig) -> str:
    common, own = _shared(config.splits.datasets)
    test_mode = dict(test_mode=True, pipeline=Code('__test_pipeline'))
    shared = {'**': Code('__dataset')}
    train = dict(own['train'], pipeline=Code('_base_.train_pipeline'), augment=_augment(config), **shared)
    val, test = (dict(own[name], **test_mode, **shared) for name in ('val', 'test'))
    batch = Commented(config.batch.value, f'Images of a batch: {config.batch.reason}.')
    return ''.join(
        [
            assignment('__dataset', dict(common, data_root=Code('data_root'), metainfo=Code('metainfo'))),
            assignment(
                '__test_pipeline',
                Code("[dict(step, scale=__input_size) if 'scale' in step else step for step in _base_.test_pipeline]"),
            ),
            assignment('train_dataloader', dict(batch_size=batch, dataset=train)),
            assignment('val_dataloader', dict(dataset=val)),
            assignment('test_dataloader', Code('val_dataloader') if val == test else dict(dataset=test)),
            comment("AP of each class at an IoU of 0.5 (VOC's), and of IoU 0.5 to 0.95 and by object size (COCO's)."),
            assignment('val_evaluator', METRICS),
            assignment('test_evaluator', Code('val_evaluator')),
        ]
    )


def _augment(config: NewConfig) -> dict[str, Any]:
    """Return the options of the augmentation, each group with its reason above."""
    options: dict[str, Any] = dict(scale=Code('__input_size'))
    for name, choice in (('Zoom', config.zoom), ('Flips', config.flips), ('Colors', config.colors)):
        if choice is not None:
            first, *_ = choice.value
            options |= choice.value
            options[first] = Commented(options[first], f'{name}: {choice.reason}.')
    return options


def _shared(datasets: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the settings that all datasets share, and the others of each, without the folder and the classes."""
    plain = {
        name: {key: value for key, value in dataset.items() if key not in ('data_root', 'metainfo')}
        for name, dataset in datasets.items()
    }
    common = {
        key: value
        for key, value in plain['train'].items()
        if all(key in dataset and dataset[key] == value for dataset in plain.values())
    }
    return common, {name: {k: v for k, v in dataset.items() if k not in common} for name, dataset in plain.items()}


def _schedule(config: NewConfig) -> str:
    number, every = config.iterations.value, config.interval
    warm_up = min(WARM_UP, number // 10)
    return ''.join(
        [
            comment(
                f'{number} iterations of {config.batch.value} images: {config.iterations.reason}. --max-iters N of '
                'tools/train.py changes all numbers of the schedule together.'
            ),
            assignment('train_cfg', dict(max_iters=number, val_interval=every)),
            '__warmup, __cosine = _base_.param_scheduler\n',
            assignment(
                'param_scheduler',
                Code(f'[dict(__warmup, end={warm_up}), dict(__cosine, begin={warm_up}, end={number})]'),
            ),
            assignment('default_hooks', dict(checkpoint=dict(interval=every))),
            assignment('randomness', dict(seed=config.seed)),
        ]
    )


def _command(config: NewConfig) -> str:
    return comment(f'Train: {train_command(config.path)}')
