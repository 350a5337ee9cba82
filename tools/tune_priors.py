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
from mmengine.registry import init_default_scope

from ssd_plugin.analysis import tuned_config
from ssd_plugin.analysis.config_priors import level_lines, pixels
from ssd_plugin.analysis.figure_files import check_format
from ssd_plugin.analysis.prior_comparison import comparison_lines, draw_comparison
from ssd_plugin.analysis.prior_tuning_run import AUGMENTED, tune
from ssd_plugin.cli.arguments import SettingsAction, at_least_one, zero_or_more
from ssd_plugin.cli.data_paths import check_data_paths
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_target, write_atomically


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
        default=AUGMENTED,
        metavar='N',
        help='augmented training samples whose objects weigh as much as those that are annotated; 0 for none '
        f'(default: {AUGMENTED})',
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


def main() -> None:
    """Tune the priors, compare them, and write the config and the figure if they are better."""
    args = parse_args()
    check_files(args)
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    check_data_paths(cfg, ('train', 'val' if cfg.get('val_dataloader') else 'test'))
    with explained(cfg):
        tuning = tune(cfg, args.seed, args.augmented, args.priors_per_cell)
    lines = comparison_lines(tuning.unseen, tuning.before, tuning.after)
    print('\n'.join(['', *lines, '', *level_lines(tuning.tuned), '']))
    if not tuning.is_better:
        print(f'{tuning.split} is not fitted better: nothing is written, keep the priors of {args.config}')
        return
    head = [
        f'{args.config} with priors tuned on {tuning.training}.',
        f'Before: {tuning.before.summary()}, on {tuning.judged_on}, which the search has not seen.',
        f'Tuned: {tuning.after.summary()}.',
        f'Tuned by: python -m ssd_plugin tune_priors {shlex.join(sys.argv[1:])}',
        f'Train it: {train_command(args)}',
    ]
    size = tuning.priors.input_size
    reasons = tuned_config.level_reasons(tuning.tuned, tuning.boxes)
    base = tuned_config.base_of(args.config, args.output)
    text = tuned_config.config_text(base, tuning.key, tuning.changes, tuning.kept, reasons, head, size)
    title = f'{args.config}: {tuning.judged_on}, in pixels of the {pixels(*size)} input'
    draw_comparison(args.figure, tuning.unseen, (tuning.before, tuning.after), (tuning.priors, tuning.tuned), title)
    write_atomically(args.output, lambda file: file.write(text.encode()))
    print(f'{args.figure}: before and after\n{args.output}: {train_command(args)}')


if __name__ == '__main__':
    exit_on_user_error(main)
