import json

import pytest
import torch
from ssd_plugin.benchmarks import cases, data
from ssd_plugin.benchmarks.memory import peak_memory
from ssd_plugin.benchmarks.peers import MMDET, OURS, TORCHVISION, build_peers

CPU = torch.device('cpu')


def test_the_same_work_is_measured():
    """The peers' losses of the same outputs and objects differ by what they define differently only: torchvision and MMDetection
    have other priors."""
    setting = cases.Setting(batch=2, objects=5)
    torch.manual_seed(0)
    losses = {name: float(cases._total(function())) for name, function in cases.loss(setting).items()}
    assert max(losses.values()) < 1.2 * min(losses.values())


def test_trained_like_outputs_are_detected_as_their_objects():
    torch.manual_seed(0)
    head = build_peers(20, CPU)[OURS].bbox_head
    maps = data.trained_outputs(head, 2, 20, 5, CPU)
    for found in head.predict_by_feat(*maps, batch_img_metas=data.metas(2)):
        assert 3 <= (found.scores > 0.5).sum() <= 12 and len(found) < 200


def test_one_image_with_many_objects_needs_no_more_memory():
    torch.manual_seed(0)
    head = build_peers(20, CPU)[OURS].bbox_head
    maps, metas = data.network_outputs(32, 20, CPU), data.metas(32)
    few = data.ground_truth(32, 10, 20, CPU)
    many = [*few[:31], *data.ground_truth(1, 500, 20, CPU)]
    nothing = [data.nothing(CPU)] * 32
    usual, crowded = (peak_memory(lambda: head.loss_by_feat(*maps, objects, metas, nothing), CPU) for objects in (few, many))
    assert 10 < usual and crowded < 1.2 * usual


@pytest.mark.parametrize('command, rows', [
    (('loss', '--batch', '1'), {OURS, MMDET, TORCHVISION}),
    (('predict', '--batch', '1'), {OURS, MMDET, TORCHVISION}),
    (('infer', '--channels-last'), {OURS, 'network alone', 'backbone', 'extra layers', 'head', 'post-processing'}),
    (('train-step', '--batch', '1'), {OURS, MMDET, TORCHVISION, 'network alone'}),
])
def test_tool_prints_and_writes_its_figures(run_tool, tmp_path, command, rows):
    result = run_tool('benchmark.py', *command, '--rounds', '1', '--json', 'figures.json')
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert all(set(row['times']) == rows and row['times'][OURS]['median'] > 0 for row in figures)
    assert all(name in result.stdout for name in rows) and 'KaimingInit' not in result.stdout


def test_pipelines_are_compared_on_a_data_set(run_tool, shapes):
    result = run_tool('benchmark.py', 'pipeline', '--data', shapes, '--rounds', '4')
    assert result.returncode == 0 and 'MMDetection' in result.stdout and 'loading alone' in result.stdout, result.stderr
    assert '--data FOLDER' in run_tool('benchmark.py', 'pipeline').stderr


def test_sweep_is_drawn(run_tool, tmp_path):
    result = run_tool('benchmark.py', 'loss', '--batch', '1', '--rounds', '1', '--sweep', 'classes')
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'benchmark_loss_classes.png').stat().st_size > 10000


def test_missing_gpu_is_said(run_tool):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    assert 'no GPU' in run_tool('benchmark.py', 'loss', '--device', 'cuda').stderr
