"""MMDetection's own tools on the plugin's configs, logs and results."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import mmengine
import pytest

from ssd_plugin.cli import mmdet_tools
from ssd_plugin.errors import UserError
from tests.support import run_python_in

CONFIG = """
_base_ = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
data_root = {data_root!r}
train_cfg = dict(max_iters=4, val_interval=1)
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root)
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
test_evaluator = [
    dict(type='VOCMetric', metric='mAP', eval_mode='area'),
    dict(type='CocoMetric', ann_file=data_root + 'instances_test.json', metric='bbox'),
]
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.fixture
def folder(tmp_path, shapes) -> Path:
    """A folder with a config for the drawn data, which inherits by name."""
    (tmp_path / 'mine.py').write_text(CONFIG.format(data_root=f'{shapes}/'))
    return tmp_path


def run_mmdet(folder: Path, tool: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess:
    return run_python_in(folder, '-m', 'ssd_plugin', 'mmdet', tool, *arguments, **environment)


def succeeds(result: subprocess.CompletedProcess) -> str:
    """Check that a tool has ended without an error, and return its output."""
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_train_writes_a_log_that_analyze_logs_plots_and_averages(folder):
    succeeds(run_mmdet(folder, 'train', 'mine.py', '--work-dir', 'runs'))
    assert (folder / 'runs/iter_4.pth').is_file()
    (log,) = (folder / 'runs').glob('*/vis_data/scalars.json')
    needed = {}
    if importlib.util.find_spec('seaborn') is None:
        # The tool calls it for the style of the figure alone.
        (folder / 'packages').mkdir()
        (folder / 'packages/seaborn.py').write_text('def set_style(style):\n    assert style == "dark"\n')
        needed = dict(PYTHONPATH=str(folder / 'packages'))
    plotted = run_mmdet(
        folder, 'analyze_logs', 'plot_curve', log, '--keys', 'mAP', 'loss_cls', '--out', 'curve.png', **needed
    )
    assert 'save curve to: curve.png' in succeeds(plotted) and (folder / 'curve.png').is_file()
    averaged = run_mmdet(folder, 'analyze_logs.py', 'cal_train_time', log, **needed)
    times = [record['time'] for record in map(json.loads, log.read_text().splitlines()) if 'iter' in record]
    assert len(times) == 4 and f'average iter time: {sum(times[1:]) / 3:.4f}' in succeeds(averaged)


@pytest.mark.slow
def test_results_of_the_test_tool_are_analyzed(folder, shapes_checkpoint):
    tested = succeeds(run_mmdet(folder, 'test', 'mine.py', shapes_checkpoint, '--work-dir', 'runs', '--out', 'all.pkl'))
    assert 'pascal_voc/mAP' in tested and 'coco/bbox_mAP_50' in tested
    results = mmengine.load(folder / 'all.pkl')
    assert len(results) == 4 and all(len(result['pred_instances']['bboxes']) > 0 for result in results)
    succeeds(run_mmdet(folder, 'analysis_tools/confusion_matrix.py', 'mine.py', 'all.pkl', 'matrix'))
    assert (folder / 'matrix/confusion_matrix.png').is_file()
    succeeds(run_mmdet(folder, 'analyze_results', 'mine.py', 'all.pkl', 'analyzed', '--topk', '1'))
    assert len(list((folder / 'analyzed/good').iterdir())) == len(list((folder / 'analyzed/bad').iterdir())) == 1


def test_tools_take_a_config_by_name(tmp_path):
    printed = succeeds(run_mmdet(tmp_path, 'misc/print_config', 'ssd_plugin::ssd300_voc.py'))
    assert "type='MultiBoxHead'" in printed


@pytest.mark.slow
def test_a_fresh_interpreter_has_the_plugin_before_the_tool_imports_mmdetection(folder):
    # A script that is not MMDetection's own, such as a tool of a clone.
    (folder / 'tool.py').write_text(
        'import sys\nfrom mmcv.ops import nms\nfrom mmdet.registry import MODELS\n'
        'print(sys.argv, MODELS.get("MultiBoxHead").__name__)\n'
    )
    command = [sys.executable, '-m', 'ssd_plugin', 'mmdet', 'tool.py', '--flag']
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert succeeds(result).split('\n')[-2] == "['tool.py', '--flag'] MultiBoxHead"


def test_tools_are_found_by_name_with_or_without_folder_and_suffix():
    tools = mmdet_tools.find_tools()
    assert {'train', 'test', 'analysis_tools/get_flops', 'misc/print_config'} <= set(tools)
    for name in ('get_flops', 'get_flops.py', 'analysis_tools/get_flops', 'analysis_tools/get_flops.py'):
        assert mmdet_tools.find_tool(name) == tools['analysis_tools/get_flops']
    # Two tools have this file name.
    assert mmdet_tools.find_tool('browse_dataset') == tools['analysis_tools/browse_dataset']
    assert mmdet_tools.find_tool('analysis_tools/mot/browse_dataset') == tools['analysis_tools/mot/browse_dataset']


@pytest.mark.parametrize(
    'name, message',
    [
        ('confusion_matrx', 'did you mean analysis_tools/confusion_matrix'),
        ('fly', "no tool 'fly'; 'python -m ssd_plugin mmdet' lists"),
        ('dist_train.sh', 'python -m ssd_plugin dist_train'),
    ],
)
def test_a_name_that_cannot_be_run_is_an_error_with_a_remedy(name, message):
    with pytest.raises(UserError, match=message):
        mmdet_tools.find_tool(name)


def test_without_a_tool_the_tools_are_listed(capsys):
    mmdet_tools.run([])
    assert 'analysis_tools/analyze_results' in capsys.readouterr().out


@pytest.mark.parametrize('tool, arguments, package', [('benchmark', [], 'psutil'), ('tool.py', [], 'nowhere')])
def test_a_missing_package_is_one_line_with_its_name(tool, arguments, package, tmp_path, monkeypatch):
    (tmp_path / 'tool.py').write_text('import nowhere.inside\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [])
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setitem(sys.modules, 'psutil', None)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *_: None if name == 'psutil' else True)
    with pytest.raises(UserError, match=rf'needs the package {package}, .*pip install {package}\b'):
        mmdet_tools.run([tool, *arguments])


def test_each_validation_is_an_epoch_of_a_log_that_has_none(tmp_path):
    log = tmp_path / 'scalars.json'
    records = [
        {'pascal_voc/mAP': 0.1, 'time': 9.0, 'step': 1},
        dict(loss=5.0, iter=2, step=2),
        dict(loss=4.0, iter=4, step=4),
        {'pascal_voc/mAP': 0.2, 'val_loss': 3.0, 'data_time': 9.0, 'step': 4},
        dict(loss=2.0, iter=6, step=6),
    ]
    log.write_text('\n'.join(map(json.dumps, records)))
    found = mmdet_tools._by_validation(str(log), {})
    assert {number: values['mAP'] for number, values in found.items()} == {1: [0.1], 2: [0.2], 3: []}
    assert {number: values['loss'] for number, values in found.items()} == {1: [], 2: [5.0, 4.0], 3: [2.0]}
    # Steps are those of the losses, which are drawn over them.
    assert {number: values['step'] for number, values in found.items()} == {1: [], 2: [2, 4], 3: [6]}
    assert found[2]['val_loss'] == [3.0] and 'time' not in found[1]


def test_a_log_with_epochs_stays_as_the_tool_reads_it(tmp_path):
    log = tmp_path / 'scalars.json'
    log.write_text(json.dumps(dict(loss=5.0, epoch=1, iter=2)))
    assert mmdet_tools._by_validation(str(log), {1: {'loss': [5.0]}}) == {1: {'loss': [5.0]}}
