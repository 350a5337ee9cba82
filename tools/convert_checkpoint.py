"""Convert a checkpoint of another SSD implementation, or convert one of this package to MMDetection's format.

python tools/convert_checkpoint.py SOURCE TARGET [--format auto|NAME] [--config FILE] [--classes a,b,c]
python tools/convert_checkpoint.py SOURCE TARGET --to mmdet [--config FILE]
"""

import argparse

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.interop import FORMATS, convert_checkpoint, export_to_mmdet


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert checkpoints between SSD implementations.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='formats:\n' + '\n'.join(f'  {key:24} {form.title}' for key, form in FORMATS.items()),
    )
    parser.add_argument('source', help='checkpoint to read; code in it is never run')
    parser.add_argument('target', help='checkpoint to write')
    parser.add_argument(
        '--format',
        default='auto',
        choices=['auto', *FORMATS],
        metavar='NAME',
        help='format of the source; recognized by names and shapes by default',
    )
    parser.add_argument(
        '--to',
        choices=['ssd_plugin', 'mmdet'],
        default='ssd_plugin',
        help="convert to this package (default), or convert this package's SSD300 or SSD512 to MMDetection",
    )
    parser.add_argument(
        '--config',
        help='config to convert for, instead of that of the format; with --to mmdet, the config that the source was '
        'trained with',
    )
    parser.add_argument(
        '--classes', help="class names, comma-separated, for weights trained on a dataset other than the config's"
    )
    parser.add_argument(
        '--whole-model',
        action='store_true',
        help="the source is a whole pickled model, like the PyTorch tutorial's: extract its tensors; code in it is "
        'never run',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    classes = args.classes.split(',') if args.classes else None
    if args.to == 'mmdet':
        found = export_to_mmdet(args.source, args.target, args.config, classes)
        print(f'{args.source}: {found.num_tensors} tensors, converted to MMDetection')
    else:
        found = convert_checkpoint(args.source, args.target, args.format, args.config, classes, args.whole_model)
        print(f'{args.source}: {FORMATS[found.format].title} ({found.format}), {found.num_tensors} tensors')
    options = ' '.join(f'{key}={str(value).replace(" ", "")}' for key, value in found.options.items())
    print(f'config: {found.config}' + (f' with --cfg-options {options}' if options else ''))
    print(f'classes: {len(found.classes)} ({", ".join(found.classes[:5])}{", ..." if len(found.classes) > 5 else ""})')
    print(f'written: {args.target}')


if __name__ == '__main__':
    exit_on_user_error(main)
