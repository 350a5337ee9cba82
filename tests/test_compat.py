import importlib.metadata
import pickle
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import mmcv.ops
import numpy as np
import pytest
import torch
import torchvision
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_model
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner.checkpoint import CheckpointLoader
from torch.utils.data import DataLoader

from ssd_plugin import compat
from tests.support import ROOT, WHOLE_CONFIGS

STANDS_IN = isinstance(sys.modules['mmcv._ext'], compat._OpsStandIn)
SHAPES = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
needs_stand_in = pytest.mark.skipif(not STANDS_IN, reason='this mmcv has compiled ops')


def run_python(code, **options):
    return subprocess.run([sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True, **options)


def test_nms_of_mmcv_is_that_of_torchvision():
    boxes = torch.rand(50, 4) * 50
    boxes[:, 2:] += boxes[:, :2]
    scores = torch.rand(50)
    _, keep = mmcv.ops.nms(boxes, scores, 0.5)
    assert torch.equal(keep, torchvision.ops.nms(boxes, scores, 0.5))


@needs_stand_in
def test_nms_with_offset_1_counts_pixels_inclusively():
    # Intervals 0..9 and 5..14 share 5 of 15 pixels with inclusive ends, 4 of 14 otherwise.
    boxes, scores = torch.tensor([[0.0, 0.0, 9.0, 0.0], [5.0, 0.0, 14.0, 0.0]]), torch.tensor([0.9, 0.8])
    assert len(mmcv.ops.nms(boxes, scores, 0.32, offset=1)[1]) == 1
    assert len(mmcv.ops.nms(boxes, scores, 0.34, offset=1)[1]) == 2


@needs_stand_in
def test_a_missing_op_raises_with_its_name_and_a_remedy():
    with pytest.raises(NotImplementedError, match="'roi_align_forward'.*mmcv==2.1.0"):
        sys.modules['mmcv._ext'].roi_align_forward(1)


@needs_stand_in
def test_the_environment_report_works_without_compiled_ops():
    from mmdet.utils import collect_env

    assert 'MMDetection' in collect_env()


@pytest.mark.slow
def test_compiled_ops_are_used_where_they_exist_and_pkg_resources_is_not_needed(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'mmdet::_base_/default_runtime.py'\n")
    # Another installation than this one may be: with a module in place of compiled ops, and without pkg_resources.
    result = run_python(
        """
        import sys, types, importlib.machinery, importlib.util
        real = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *args: None if name == 'pkg_resources' else real(name, *args)
        sys.modules['pkg_resources'] = None
        import mmcv
        compiled = types.ModuleType('mmcv._ext')
        compiled.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
        def lookup(name):
            if name.startswith('__'):
                raise AttributeError(name)
            return print
        compiled.__getattr__ = lookup
        sys.modules['mmcv._ext'] = compiled
        import ssd_plugin
        assert sys.modules['mmcv._ext'] is compiled
        from mmengine.config import Config
        assert Config.fromfile('mine.py').default_scope == 'mmdet'
        """,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr


def test_a_checkpoint_with_log_history_loads_with_weights_only(tmp_path):
    history = HistoryBuffer([1.0, 2.0, 3.0], [1, 1, 1])
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(message_hub=dict(log_scalars=dict(loss=history)), lr=np.float64(0.1), seed=np.int64(3)), path)
    loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 2.0 and loaded['lr'] == 0.1
    assert torch.load(path, weights_only=True)['seed'] == 3


@pytest.mark.parametrize('core', ['core', '_core'])
def test_arrays_written_by_numpy_1_and_2_load(core, tmp_path):
    path = tmp_path / 'array.pth'
    torch.save(dict(array=np.arange(3.0)), path, _use_new_zipfile_serialization=False)
    # Pickle protocol 2 terminates the name of a module with a newline, so it can be replaced by a longer one.
    content = path.read_bytes()
    written = b'numpy._core' if b'numpy._core' in content else b'numpy.core'
    path.write_bytes(content.replace(written, f'numpy.{core}'.encode()))
    assert torch.load(path, weights_only=True)['array'].tolist() == [0, 1, 2]


class RunsCode:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    'make',
    [
        lambda marker: RunsCode(open, marker, 'w'),
        lambda marker: RunsCode(getattr, HistoryBuffer, '__init__'),
        lambda marker: RunsCode(getattr, dict, 'fromkeys'),
    ],
)
def test_a_checkpoint_that_runs_code_is_refused(make, tmp_path):
    marker = tmp_path / 'ran'
    path = tmp_path / 'evil.pth'
    torch.save(dict(state_dict=make(str(marker))), path)
    with pytest.raises(pickle.UnpicklingError):
        CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert not marker.exists()


@pytest.mark.parametrize('name', ['ssd300_voc.py', '_base_/default_runtime.py'])
def test_a_config_outside_the_repository_inherits_by_name(name, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        f"_base_ = 'ssd_plugin::{name}'\ndefault_hooks = dict(logger=dict(interval=7))\nhooks = _base_.custom_hooks\n"
    )
    cfg = Config.fromfile(path)
    assert cfg.default_hooks.logger.type == 'LoggerHook' and cfg.default_hooks.logger.interval == 7
    # With a scope, components would be looked up in a registry that does not exist.
    assert '_scope_' not in str(cfg._cfg_dict) and cfg.default_scope == 'mmdet'


@pytest.mark.parametrize(
    'name, found',
    [
        ('ssd_depthwise_bccd.py', 'did you mean bccd/ssd_depthwise_bccd.py'),
        ('nowhere.py', 'bccd/ssd_depthwise_bccd.py, .*, ssd300_voc.py'),
    ],
)
def test_unknown_config_name_says_which_folder_has_it_or_lists_them_all(name, found):
    with pytest.raises(FileNotFoundError, match=found) as error:
        compat.config_path(name)
    assert '_base_' not in str(error.value)


def test_an_unknown_config_name_is_an_error_that_lists_the_known_ones(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'ssd_plugin::ssd299_voc.py'\n")
    with pytest.raises(FileNotFoundError, match='ssd300_voc.py'):
        Config.fromfile(path)


def test_the_package_contains_every_config_and_tool():
    mim = ROOT / 'ssd_plugin/.mim'
    assert all((mim / 'configs' / name).is_file() for name in WHOLE_CONFIGS)
    assert (mim / 'tools/train.py').is_file()


def test_mmdetections_configs_resolve_by_name(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'mmdet::_base_/default_runtime.py'\n")
    assert Config.fromfile(tmp_path / 'mine.py').default_scope == 'mmdet'


@pytest.mark.parametrize('name', ['ssd_plugin::ssd300_voc.py', 'ssd_plugin::ssd300_voc'])
def test_a_config_is_read_by_name(name):
    assert Config.fromfile(name).filename == str(compat.CONFIGS / 'ssd300_voc.py')
    with pytest.raises(FileNotFoundError, match='bccd/ssd_depthwise_bccd.py'):
        Config.fromfile('ssd_plugin::ssd_depthwise_bccd')


def test_mmdetection_initializes_a_detector_by_name(shapes_checkpoint):
    model = init_detector(SHAPES, str(shapes_checkpoint), device='cpu')
    assert model.dataset_meta['classes'] == ('circle', 'square', 'triangle', 'star')
    assert len(inference_detector(model, np.zeros((120, 160, 3), np.uint8)).pred_instances) <= 200


def test_the_hub_builds_a_model_by_name_with_its_weights(monkeypatch):
    loaded = []
    monkeypatch.setattr('mmengine.hub.hub.load_checkpoint', lambda model, path: loaded.append((model, path)))
    model = get_model('ssd_plugin::pretrained/ssd300_mmdet_coco.py', pretrained=True)
    assert type(model.bbox_head).__name__ == 'MultiBoxHead' and model.bbox_head.num_classes == 80
    ((into, path),) = loaded
    assert into is model and path.endswith('ssd300_coco_20210803_015428-d231a06e.pth')
    # Runner.train would initialize it again.
    assert model.is_init
    assert type(get_model(SHAPES).bbox_head).__name__ == 'MultiBoxHead' and len(loaded) == 1


NEW_STYLE = """
from mmengine.config import read_base

from ssd_plugin.models import MultiBoxDetector

with read_base():
    from ssd_plugin.configs.{name} import *

model.update(type=MultiBoxDetector, val_loss=True)
model.bbox_head.num_classes = 3
"""


def test_a_config_inherits_by_import(tmp_path):
    (tmp_path / 'mine.py').write_text(NEW_STYLE.format(name='ssd300_voc'))
    (tmp_path / 'again.py').write_text(
        'from mmengine.config import read_base\nwith read_base():\n    from .mine import *\nload_from = 5\n'
    )
    cfg, plain = Config.fromfile(tmp_path / 'again.py'), Config.fromfile('ssd_plugin::ssd300_voc.py')
    assert set(cfg) - {'read_base', 'MultiBoxDetector'} == set(plain)
    assert {key for key in plain if cfg[key] != plain[key]} == {'model', 'load_from'}
    # Saved and read again, as training does.
    cfg.dump(tmp_path / 'dumped.py')
    dumped = Config.fromfile(tmp_path / 'dumped.py')
    assert dumped.model.bbox_head.num_classes == 3 and dumped.default_hooks == plain.default_hooks
    model = MODELS.build(dumped.model)
    assert model.val_loss and model.bbox_head.num_classes == 3


def test_a_config_that_inherits_an_unknown_one_by_import_is_an_error_that_names_it(tmp_path):
    (tmp_path / 'mine.py').write_text(NEW_STYLE.format(name='ssd299_voc'))
    with pytest.raises(RuntimeError, match='configs/ssd299_voc.py not found'):
        Config.fromfile(tmp_path / 'mine.py')


def versions(monkeypatch, **changed):
    real = importlib.metadata.version

    def version(name):
        if name in changed:
            if changed[name] is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return changed[name]
        return real(name)

    monkeypatch.setattr(importlib.metadata, 'version', version)


@pytest.mark.parametrize('version', ['3.1.0', '4.0.1'])
def test_an_unsupported_version_is_an_error_with_a_remedy(monkeypatch, version):
    versions(monkeypatch, mmdet=version)
    with pytest.raises(ImportError, match=rf'mmdet {version}.*Remedy'):
        compat.check_openmmlab_versions()


def test_a_version_newer_than_tested_is_a_warning(monkeypatch):
    versions(monkeypatch, mmdet='3.9.0')
    with pytest.warns(UserWarning, match='mmdet 3.9.0'):
        compat.check_openmmlab_versions()


def test_a_missing_package_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='mmengine is not installed.*Remedy'):
        compat.check_openmmlab_versions()


def test_a_torchvision_that_does_not_match_torch_is_an_error_with_a_remedy(monkeypatch):

    def fail(name):
        raise RuntimeError('operator torchvision::nms does not exist')

    monkeypatch.setattr(compat.importlib, 'import_module', fail)
    monkeypatch.setattr(torch, '__version__', '2.11.0')
    with pytest.raises(ImportError, match=r'torch 2.11.0 and torchvision .* do not match.*torchvision==0.26'):
        compat.check_torch_pair()


def test_an_old_torch_is_an_error(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.5.1')
    with pytest.raises(ImportError, match='torch >= 2.6'):
        compat.check_torch_pair()


@pytest.mark.parametrize('options, expected', [({}, 5), (dict(diff_rank_seed=True), 2)])
def test_the_seed_that_ranks_share_is_without_the_rank(options, expected, monkeypatch):
    monkeypatch.setattr('mmengine.dist.get_rank', lambda: 3)
    assert compat.shared_seed(SimpleNamespace(seed=5, _randomness_cfg=options)) == expected


def test_accumulation_steps_are_those_of_the_optimizer_wrapper():
    wrapper = OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), accumulative_counts=4)
    assert compat.accumulation_steps(wrapper) == 4
    # The wrappers inside accumulate, each by itself.
    assert compat.accumulation_steps(OptimWrapperDict(a=wrapper)) == 1


def test_endless_batches_begin_again():
    batches = compat.endless_batches(DataLoader([1, 2, 3], batch_size=2))
    assert [next(batches).tolist() for _ in range(4)] == [[1, 2], [3], [1, 2], [3]]
