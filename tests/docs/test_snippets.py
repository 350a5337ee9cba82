"""Every Python snippet, config, setting and option of the documentation works; one that is not known here fails."""

import argparse
import re

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TASK_UTILS
from torchvision.ops import box_iou

from ssd_plugin.cli.arguments import add_run_arguments
from ssd_plugin.cli.run_config import load_config
from tests.docs.blocks import BLOCKS, OWN_DATA, PAGES
from tests.docs.sandbox import PLACEHOLDERS
from tests.support import ROOT, run_python_in, run_tool_in

TEXTS = [block for block in BLOCKS if block.kind == 'text' and not block.text.startswith('--')]
SCRIPTS = [block for block in BLOCKS if block.kind == 'script']
CONFIGS = [block for block in BLOCKS if block.kind == 'config' and not block.text.startswith('--')]
# Drawings and formulas, by how they begin.
DRAWINGS = ('tools/      ', 'annotation file\n', 'Predictions: maps', 'seconds = ')
SSD300 = "_base_ = 'ssd_plugin::ssd300_voc.py'\n"
# Parts of configs by how they begin, with what makes them complete; {} is the part.
COMPLETED = {
    '# my_coco_data.py': OWN_DATA[: OWN_DATA.index('__data = ')] + '{}',
    'custom_hooks = ': SSD300 + '{}',
    'model = dict(backbone=dict(_delete_=True': "_base_ = 'ssd_plugin::ssd320_resnet18_voc.py'\n{}",
    'train_pipeline = ': "_base_ = 'ssd_plugin::ssd300_coco.py'\n{}\n"
    'train_dataloader = dict(dataset=dict(pipeline=train_pipeline))',
}
# Expressions in sentences.
SETTINGS = {
    "box_loss='giou'": 'model = dict(bbox_head=dict(loss_multibox=dict({})))',
    'MultiBoxHead(use_sigmoid=True)': "loss = dict(_delete_=True, type='FocalMultiBoxLoss')\n"
    'model = dict(bbox_head=dict(loss_multibox=loss, use_sigmoid=True))',
    "CheckpointHook(backend_args=dict(backend='atomic'))": "backend_args = dict(backend='atomic')\n"
    "default_hooks = dict(checkpoint=dict(_delete_=True, type='CheckpointHook', backend_args=backend_args))",
    'augment=dict(_delete_=True)': "_base_ = 'ssd_plugin::bccd/ssd_depthwise_bccd.py'\n"
    'train_dataloader = dict(dataset=dict({}))',
    "augment=dict(crop_sampling='sides', color_jitter='torchvision', brightness=(0.5, 1.5), hue=18 / 255 * 360)": (
        'train_dataloader = dict(dataset=dict({}))'
    ),
    'train_dataloader = dict(dataset=dict(augment=dict(flip_prob=0)))': '{}',
    'augment.reduced_decoding=False': 'train_dataloader = dict(dataset=dict(augment=dict(reduced_decoding=False)))',
    "matcher.contested='next_best'": "model = dict(bbox_head=dict(matcher=dict(contested='next_best')))",
    "contested='next_best'": 'model = dict(bbox_head=dict(matcher=dict({})))',
    "contested='last'": 'model = dict(bbox_head=dict(matcher=dict({})))',
    "inclusive=False, contested='last'": 'model = dict(bbox_head=dict(matcher=dict({})))',
    'inclusive=False': 'model = dict(bbox_head=dict(matcher=dict({})))',
    "type='ManyToManyMatcher'": "loss = dict(_delete_=True, type='ManyToManyLoss')\n"
    'model = dict(bbox_head=dict(matcher=dict(_delete_=True, {}, iou_threshold=0.5), loss_multibox=loss))',
    'load_from=TARGET': "load_from = 'target.pth'",
    "default_hooks = dict(early_stopping=dict(type='ExactEarlyStoppingHook', monitor='pascal_voc/mAP', patience=5))": (
        '{}'
    ),
}
# What is no setting of a config, or only the form of one.
OTHER = {
    "_base_ = 'mmdet::...'",
    'train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_pipeline, ...]))',
    'strict=True',
    'weights_only=True',
    '#SBATCH --signal=USR1@120',
    'PreemptionHook(interval=...)',
    'matcher=dict(...)',
    'GOMP_SPINCOUNT=20000',
    'OMP_WAIT_POLICY=PASSIVE',
    'OMP_NUM_THREADS=1',
    'pretrained=True',
    'checkpoint=FILE',
    "dict(type='ToGray')",
}
# Configs that options are for, by the options, if not SSD300 on VOC.
CONFIG_OF = {
    'train_cfg.max_iters': 'configs/bccd/ssd_depthwise_bccd.py',
    'train_dataloader.batch_size=32': 'configs/recipes/ssd300_scratch_voc.py',
}
PROSE = '\n'.join(path.read_text() for path in PAGES)
SPANS = sorted({' '.join(span.split()) for span in re.findall(r'`([^`\n]+(?:\n[^`\n]+)?)`', PROSE)})
# Settings by dotted key, as --cfg-options takes them.
SECTION = r'(model|[a-z_]+_(dataloader|evaluator|cfg|wrapper)|randomness|data_root|sync_bn)'
DOTTED = [
    span.removeprefix('--cfg-options ')
    for span in SPANS
    if re.fullmatch(rf'(--cfg-options )?({SECTION}[\w.]*=\S+ ?)+', span)
]
CALLS = [span for span in SPANS if re.match(r'[\w.]*(init_detector|DetInferencer|get_config)\(', span)]


def loaded(path, *options, splits=('train', 'val', 'test')):
    """Return a config after all checks before a run, which build its parts."""
    given = argparse.ArgumentParser()
    add_run_arguments(given)
    given.add_argument('config')
    with pytest.MonkeyPatch.context() as patch:
        # load_config sets it.
        patch.setenv('LOCAL_RANK', '0')
        return load_config(given.parse_args([str(path), *(['--cfg-options', *options] if options else [])]), splits)


def complete(text):
    """Return the text of a complete config."""
    if '_base_ =' in text:
        return text
    frames = [frame for start, frame in COMPLETED.items() if text.startswith(start)]
    assert frames, f'tests/docs/test_snippets.py does not say what completes this part of a config: {text}'
    return frames[0].replace('{}', text)


def test_every_other_block_is_known_as_a_drawing():
    unknown = [str(block) for block in TEXTS if not block.text.startswith(DRAWINGS)]
    assert not unknown, 'neither a command nor Python; a drawing goes into DRAWINGS'
    assert all(any(block.text.startswith(start) for block in TEXTS) for start in DRAWINGS)


@pytest.mark.slow
@pytest.mark.parametrize('block', SCRIPTS, ids=str)
def test_scripts_run(block, sandbox):
    (sandbox.folder / 'script.py').write_text(sandbox.adapt(block.text))
    result = run_python_in(sandbox.folder, 'script.py')
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize('block', CONFIGS, ids=str)
def test_configs_can_be_built_and_prepare_images(block, sandbox):
    path = sandbox.folder / 'mine.py'
    path.write_text(sandbox.adapt(complete(block.text)))
    cfg = loaded(path, 'model.backbone.init_cfg=None')
    for split in ('train', 'test'):
        assert DATASETS.build(cfg[f'{split}_dataloader'].dataset)[0]['inputs'].ndim == 3


@pytest.mark.parametrize('settings', DOTTED)
def test_settings_by_dotted_key_can_be_built(settings, sandbox):
    configs = [path for start, path in CONFIG_OF.items() if settings.startswith(start)]
    config = configs[0] if configs else 'configs/ssd300_voc.py'
    loaded(config, *sandbox.filled(settings).split())


@pytest.mark.parametrize('setting', SETTINGS)
def test_settings_in_sentences_can_be_built(setting, sandbox):
    assert setting in SPANS
    path = sandbox.folder / 'mine.py'
    text = SETTINGS[setting].replace('{}', setting)
    path.write_text(sandbox.adapt(text if '_base_' in text else SSD300 + text))
    loaded(path)


def test_every_setting_is_known():
    found = {span for span in SPANS if '=' in span and not re.match(r'(\$ )?([A-Z_]+=\S+ )?(python|bash|--)', span)}
    assert found - {*SETTINGS, *OTHER, *DOTTED, *CALLS} == set()
    assert found >= OTHER


@pytest.mark.slow
@pytest.mark.parametrize('call', CALLS)
def test_calls_work(call, sandbox):
    start = 'from mmdet.apis import DetInferencer, init_detector\nimport mmengine.hub\nimport ssd_plugin\n'
    code = sandbox.adapt(re.sub(r'\bFILE\b', repr(PLACEHOLDERS['FILE']), call))
    (sandbox.folder / 'script.py').write_text(start + code)
    result = run_python_in(sandbox.folder, 'script.py')
    assert result.returncode == 0, result.stderr


def test_every_option_is_one_of_a_tool():
    sources = [*(ROOT / 'tools').glob('*'), ROOT / 'ssd_plugin/cli/arguments.py']
    known = {option for path in sources for option in re.findall(r'(--[a-z][\w-]+)', path.read_text())}
    for block in BLOCKS:
        if block.text.startswith('--'):
            assert set(re.findall(r'(--[a-z][\w-]+)', block.text)) <= known, str(block)


def test_every_file_that_is_named_exists():
    for page in PAGES:
        for link in re.findall(r'\]\(([^)#]+)\)', page.read_text()):
            assert '://' in link or (page.parent / link).exists(), (page, link)
        for span in re.findall(r'`((?:tools|tests|docs|configs|ssd_plugin|requirements)/[\w./-]+)`', page.read_text()):
            assert (ROOT / span).exists() or 'NAME' in span, (page, span)


@pytest.mark.parametrize('start', ['# my_data.py', '# my_coco_data.py'])
def test_the_snippets_for_other_classes_suit_photographs_of_everyday_objects(start, sandbox):
    path = sandbox.folder / 'mine.py'
    path.write_text(sandbox.adapt(complete(next(block.text for block in CONFIGS if block.text.startswith(start)))))
    cfg = loaded(path)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    augment = next(step for step in dataset.pipeline.transforms if type(step).__name__ == 'FusedSSDAugment')
    assert augment.flips == dict(horizontal=0.5)
    # Objects with sides of 16 to 230 pixels in the input and aspect ratios of up to 4.
    rng = np.random.default_rng(0)
    side, ratio = np.exp(rng.uniform(np.log(16), np.log(230), 2000)), np.exp(rng.normal(0, 0.5, 2000)).clip(1 / 4, 4)
    sides = np.minimum(np.stack([side * ratio**0.5, side / ratio**0.5], axis=1), (320, 240))
    corners = rng.uniform(0, (320, 240) - sides)
    priors = TASK_UTILS.build(cfg.model.bbox_head.prior_generator)
    grid = torch.cat(priors.grid_priors(priors.featmap_sizes, device='cpu'))
    objects = torch.tensor(np.concatenate([corners, corners + sides], axis=1), dtype=grid.dtype)
    assert (box_iou(objects, grid).amax(dim=1) < 0.5).float().mean() < 0.05


@pytest.mark.slow
def test_the_snippets_for_other_classes_train(sandbox):
    for part in ('# my_data.py', '# my_coco_data.py'):
        block = next(block for block in CONFIGS if block.text.startswith(part))
        (sandbox.folder / 'mine.py').write_text(sandbox.adapt(complete(block.text)))
        quick = ('train_dataloader.batch_size=2', 'train_dataloader.num_workers=0')
        settings = (*quick, 'train_dataloader.persistent_workers=False')
        result = run_tool_in(sandbox.folder, 'train.py', 'mine.py', '--max-iters', '1', '--cfg-options', *settings)
        assert result.returncode == 0 and 'mAP' in result.stdout, result.stderr[-2000:]
        checked = run_tool_in(sandbox.folder, 'check_dataset.py', '--config', 'mine.py', '--skip-files')
        unreached = re.search(r'([\d.]+)% of \d+ objects have no prior', checked.stdout)
        assert unreached and float(unreached[1]) < 5, checked.stdout
