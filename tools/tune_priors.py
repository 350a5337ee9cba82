"""Fit the sizes and aspect ratios of a config's priors to its objects, and write a config that inherits it.

python tools/tune_priors.py CONFIG [--output CONFIG_tuned_priors.py] [--figure tune_priors.png] [--priors-per-cell N]

The search looks at the objects of the training split, as annotated and augmented. The validation split, which it does
not see, decides: priors that fit it no better are not written, and the exit status is 0 as well.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from ssd_plugin.analysis import prior_objects, prior_tuning, tuned_config
from ssd_plugin.analysis.config_priors import level_lines, pixels, priors_of
from ssd_plugin.analysis.prior_comparison import comparison_lines, draw_comparison, fit_of
from ssd_plugin.analysis.prior_figures import check_format
from ssd_plugin.analysis.prior_matches import matcher_of
from ssd_plugin.cli.arguments import SettingsAction, at_least_one, zero_or_more
from ssd_plugin.cli.data_paths import check_data_paths
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_target, write_atomically

# Fewer training objects are said to be few.
FEW_OBJECTS = 200


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Fit the priors of a config to its objects.')
    parser.add_argument('config', help='config file, or ssd_plugin::NAME for one that comes with the package')
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='config to write (default: CONFIG_tuned_priors.py in this folder)'
    )
    parser.add_argument('--force', action='store_true', help='replace a file that exists already')
    parser.add_argument(
        '--figure',
        type=Path,
        default=Path('tune_priors.png'),
        metavar='FILE',
        help='figure of the priors before and after (default: tune_priors.png)',
    )
    parser.add_argument(
        '--priors-per-cell', type=at_least_one, metavar='N', help='priors of a cell (default: as many as in the config)'
    )
    parser.add_argument(
        '--augmented',
        type=zero_or_more,
        default=1000,
        metavar='N',
        help='augmented training samples whose objects weigh as much as those that are annotated; 0 for none '
        '(default: 1000)',
    )
    parser.add_argument('--seed', type=zero_or_more, default=0, help='seed of augmentation and search (default: 0)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        metavar='KEY=VALUE',
        help='override settings of the config as key=value',
    )
    args = parser.parse_args()
    if args.output is None:
        args.output = Path(f'{Path(args.config.split("::")[-1]).stem}_tuned_priors.py')
    return args


def check_files(args: argparse.Namespace) -> None:
    """Check that the config and the figure can be written."""
    if args.output.suffix != '.py':
        raise UserError(f'--output {args.output}: the name of a config ends in .py')
    if args.output.exists() and not args.output.is_dir():
        if '::' not in args.config and Path(args.config).exists() and args.output.samefile(args.config):
            raise UserError(f'--output {args.output} is the config that it would inherit; give another file')
        if not args.force:
            raise UserError(
                f'{args.output} exists already; give another file with --output, or replace it with --force'
            )
    for path in (args.output, args.figure):
        check_target(path)
    check_format(args.figure)


def option_text(value: Any) -> str:
    """Return the value of an option as ``--cfg-options`` reads it."""
    if isinstance(value, (list, tuple)):
        left, right = '[]' if isinstance(value, list) else '()'
        return f'{left}{",".join(map(option_text, value))}{right}'
    return str(value)


def train_command(args: argparse.Namespace) -> str:
    """Return the command that trains the config to write."""
    command = ['python', '-m', 'ssd_plugin', 'train', str(args.output)]
    if args.cfg_options:
        command += ['--cfg-options', *(f'{key}={option_text(value)}' for key, value in args.cfg_options.items())]
    return shlex.join(command)


def read_objects(
    cfg: Config, args: argparse.Namespace, with_ignored: bool
) -> tuple[list[prior_objects.Objects], prior_objects.Objects, str]:
    """Return the objects to tune on, as annotated and as augmented, those to judge on, and the split of these."""
    splits = prior_objects.splits_of(cfg, args.seed)
    size = priors_of(cfg).input_size
    training = [prior_objects.annotated_objects(splits.training_leaves, size, with_ignored)]
    unseen = prior_objects.annotated_objects(splits.unseen, size, with_ignored)
    for objects, least, name in ((training[0], 2, 'the training split'), (unseen, 1, splits.name)):
        if len(objects) < least:
            raise UserError(f'{name} of {cfg.filename} has {len(objects)} usable object(s), too few to tune priors')
    if args.augmented:
        training.append(prior_objects.augmented_objects(splits.training, args.augmented, args.seed, with_ignored))
    return [objects for objects in training if len(objects)], unseen, splits.name


def main() -> None:
    """Tune the priors, compare them, and write the config and the figure if they are better."""
    args = parse_args()
    check_files(args)
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    key, options, generator = tuned_config.generator_of(cfg)
    priors, matcher = priors_of(cfg), matcher_of(cfg)
    check_data_paths(cfg, ('train', 'val' if cfg.get('val_dataloader') else 'test'))
    with explained(cfg):
        parts, unseen, split = read_objects(cfg, args, matcher.ignored == 'match')
    training = f'{len(parts[0])} objects of the training split'
    if len(parts) > 1:
        training += f', and {len(parts[1])} in {args.augmented} augmented samples of it'
    print(f'tuned on {training}; judged on {len(unseen)} objects of {split}')
    if len(parts[0]) < FEW_OBJECTS:
        print(f'{len(parts[0])} training objects are few (under {FEW_OBJECTS}): others may differ from them')

    flip = options.get('flip', True)
    own = prior_tuning.own_settings(options, generator)
    if args.priors_per_cell:
        own = prior_tuning.with_number(own, args.priors_per_cell, flip)
    boxes, weights = prior_tuning.pooled(parts)
    with tqdm(total=prior_tuning.GENERATIONS, desc='searching', disable=None) as bar:
        levels = prior_tuning.propose(own, priors, boxes, weights, matcher.iou_threshold, flip, args.seed, bar.update)
    changes = tuned_config.changes_of(options, levels)
    tuned = priors_of(tuned_config.with_changes(cfg, key, changes))
    before, after = (fit_of(each, matcher, unseen) for each in (priors, tuned))
    print('\n'.join(['', *comparison_lines(unseen, before, after), '', *level_lines(tuned), '']))
    if not after.is_better_than(before):
        print(f'{split} is not fitted better: nothing is written, keep the priors of {args.config}')
        return
    head = [
        f'{args.config} with priors tuned on {training}.',
        f'Before: {before.summary()}, on {len(unseen)} objects of {split}, which the search has not seen.',
        f'Tuned: {after.summary()}.',
        f'Tuned by: python -m ssd_plugin tune_priors {shlex.join(sys.argv[1:])}',
        f'Train it: {train_command(args)}',
    ]
    reasons = tuned_config.level_reasons(tuned, boxes)
    kept = [level == old for level, old in zip(levels, own)]
    base = tuned_config.base_of(args.config, args.output)
    text = tuned_config.config_text(base, key, changes, kept, reasons, head, priors.input_size)
    title = f'{args.config}: {len(unseen)} objects of {split}, in pixels of the {pixels(*priors.input_size)} input'
    draw_comparison(args.figure, unseen, (before, after), (priors, tuned), title)
    write_atomically(args.output, lambda file: file.write(text.encode()))
    print(f'{args.figure}: before and after\n{args.output}: {train_command(args)}')


if __name__ == '__main__':
    exit_on_user_error(main)
