"""Evaluate a detector.

python tools/test.py configs/ssd300_voc.py CHECKPOINT [--work-dir DIR] [--out FILE.pkl] [--show-dir DIR]
                     [--tiles [WIDTHxHEIGHT]] [--cfg-options KEY=VALUE ...] [--launcher pytorch|slurm|mpi]
"""

import argparse

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmdet.utils import setup_cache_size_limit_of_dynamo
from torch.distributed.elastic.multiprocessing.errors import record

from ssd_plugin.cli.arguments import add_run_arguments, add_tile_arguments
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.cli.quiet_runner import build_runner
from ssd_plugin.cli.run_config import load_config
from ssd_plugin.cli.trained_settings import check_for_inference
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Evaluate a detector.')
    parser.add_argument('config', help='config file, or ssd_plugin::NAME for one that comes with the package')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='write the detections to this .pkl file, for offline evaluation')
    parser.add_argument('--show', action='store_true', help='show the detections in a window')
    parser.add_argument('--show-dir', help='save images with the detections to work_dir/TIMESTAMP/SHOW_DIR')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds between images, with --show')
    parser.add_argument(
        '--ignore-mismatch',
        action='store_true',
        help='evaluate although the checkpoint does not fill the model, or was trained with other priors, box coder, '
        'classes, mean or std',
    )
    add_tile_arguments(parser)
    add_run_arguments(parser)
    return parser.parse_args()


def main() -> None:
    """Evaluate a checkpoint on the test data of a config."""
    args = parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise UserError(f'--out {args.out}: the file must end in .pkl or .pickle')
    setup_cache_size_limit_of_dynamo()
    cfg = load_config(args, ('test',))
    check_checkpoint(args.checkpoint, 'checkpoint')
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
        if cfg.default_hooks.visualization.type == 'DetVisualizationHook':
            cfg.default_hooks.visualization.type = 'DrawingHook'

    with explained(cfg, args.checkpoint, in_tool=True):
        if not args.ignore_mismatch:
            check_for_inference(cfg, args.checkpoint, ('test',))
        runner = build_runner(cfg)
        if args.out:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()


if __name__ == '__main__':
    # For torchrun, which shows the error of the rank that failed first.
    exit_on_user_error(record(main))
