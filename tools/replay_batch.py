"""Show where the numbers break in a batch that training has kept.

python tools/replay_batch.py work_dirs/ssd300_voc/nonfinite_iter_1234.pth

Prints, image by image, whether its pixels, boxes and losses are finite, and the first layer whose output is not.
"""

import argparse

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description='Show where the numbers break in a batch that training has kept.')
    parser.add_argument('batch', help='nonfinite_iter_N.pth of a work dir')
    path = parser.parse_args().batch
    try:
        kept = torch.load(path, map_location='cpu', weights_only=True)
        cfg = Config.fromstring(kept['config'], file_format='.py')
    except (OSError, KeyError, RuntimeError) as error:
        raise UserError(f'{path} is no batch that training has kept: {error}') from error
    init_default_scope('mmdet')
    model = MODELS.build(dict(cfg.model, backbone=dict(cfg.model.backbone, init_cfg=None)))
    model.load_state_dict(kept['state_dict'], strict=False)
    print(f'iteration {kept["iteration"]}, losses {kept["losses"]}')
    print(f'weights: {_largest(torch.cat([p.detach().flatten() for p in model.parameters()]))}')
    for image, sample in zip(kept['inputs'], kept['samples']):
        report(model, image, sample)


def report(model: nn.Module, image: Tensor, sample: dict) -> None:
    """What one image does, alone and with the statistics of batch norm that were learned."""
    print(sample['metainfo'].get('img_path', '?'))
    print(f'    inputs: {_largest(image.float())}')
    print(f'    boxes: {len(sample["bboxes"])}, {_largest(sample["bboxes"])}')
    broken = []

    def watch(name: str):

        def look(module, inputs, outputs):
            if isinstance(outputs, Tensor) and not broken and not outputs.isfinite().all():
                broken.append(name)

        return look

    hooks = [
        module.register_forward_hook(watch(name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    data = DetDataSample(metainfo=sample['metainfo'])
    data.gt_instances = InstanceData(bboxes=sample['bboxes'], labels=sample['labels'])
    data.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    model.eval()
    batch = model.data_preprocessor(dict(inputs=[image], data_samples=[data]), training=True)
    losses = model.loss(batch['inputs'], batch['data_samples'])
    for hook in hooks:
        hook.remove()
    model.zero_grad()
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    print(f'    first layer whose output is not finite: {broken[0] if broken else "none"}')
    print('    losses: ' + ', '.join(f'{name} {value.item():.4g}' for name, value in losses.items()))
    wrong = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    print(
        f'    gradients that are not finite: {", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "") if wrong else "none"}'
    )


def _largest(values: Tensor) -> str:
    if not values.isfinite().all():
        return f'not finite ({(~values.isfinite()).sum().item()} of {values.numel()} values)'
    return f'finite, the largest {values.abs().max().item():.4g}' if values.numel() else 'finite'


if __name__ == '__main__':
    exit_on_user_error(main)
