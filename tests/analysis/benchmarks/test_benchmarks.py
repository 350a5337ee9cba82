import json
import shutil
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from ssd_plugin.analysis.benchmarks import cases, reencoded_photos, startup, synthetic_batches
from ssd_plugin.analysis.benchmarks.memory import peak_memory
from ssd_plugin.analysis.benchmarks.peers import MMDET, OURS, TORCHVISION, build_peers

CPU = torch.device('cpu')
PEERS = (OURS, MMDET, TORCHVISION)


class Recorder:
    """A function that keeps the arguments of its calls."""

    def __init__(self, result: object = None):
        self.calls = []
        self.result = result

    def __call__(self, *args: object, **kwargs: object) -> object:
        self.calls.append((*args, *kwargs.values()))
        return self.result


@pytest.fixture
def recorders(monkeypatch):
    """What the cases call for each peer, recorded instead of computed."""
    found = {name: Recorder([torch.zeros(8732, 4)] * 2 if name == 'anchors' else None) for name in (*PEERS, 'anchors')}
    heads = {name: SimpleNamespace(loss_by_feat=found[name], predict_by_feat=found[name]) for name in (OURS, MMDET)}
    peers = {name: SimpleNamespace(bbox_head=head) for name, head in heads.items()}
    peers[TORCHVISION] = SimpleNamespace(postprocess_detections=found[TORCHVISION])
    for peer in peers.values():
        peer.eval = lambda peer=peer: peer
    monkeypatch.setattr(cases, 'build_peers', lambda classes, device: peers)
    monkeypatch.setattr(cases, 'torchvision_anchors', found['anchors'])
    monkeypatch.setattr(cases, 'torchvision_loss', lambda model, *rest: found[TORCHVISION](*rest))
    return found


def assert_same_outputs(maps: list, flat: torch.Tensor, background_first: bool) -> None:
    """``maps`` ``(B, A * values, H, W)`` hold, prior by prior, the rows of ``flat`` ``(B, P, values)``."""
    number, values = 0, flat.shape[-1]
    for level in maps:
        for row, column, anchor in ((0, 0, 0), (level.shape[2] - 1, 0, 1), (0, level.shape[3] - 1, 3)):
            prior = number + (row * level.shape[3] + column) * level.shape[1] // values + anchor
            expected = level[1, anchor * values : (anchor + 1) * values, row, column].tolist()
            if background_first:
                expected = expected[-1:] + expected[:-1]
            assert flat[1, prior].tolist() == expected
        number += level[0, 0].numel() * level.shape[1] // values
    assert number == flat.shape[1] == 8732


def test_each_peer_computes_one_loss_of_the_same_outputs_and_objects(recorders):
    functions = cases.loss(cases.Setting(batch=2, objects=5))
    for function in functions.values():
        function()
    assert set(functions) == set(PEERS) and all(len(recorders[name].calls) == 1 for name in PEERS)
    cls_maps, box_maps, objects, _, ignored = recorders[OURS].calls[0]
    for mine, theirs in zip((*cls_maps, *box_maps), (m for maps in recorders[MMDET].calls[0][:2] for m in maps)):
        assert torch.equal(mine, theirs)
    assert recorders[MMDET].calls[0][2] is objects and len(objects) == len(ignored) == 2
    assert all(len(instances.bboxes) == 5 for instances in objects) and not any(map(len, ignored))
    outputs, anchors, targets = recorders[TORCHVISION].calls[0]
    assert anchors is recorders['anchors'].result
    assert_same_outputs(cls_maps, outputs['cls_logits'], background_first=True)
    assert_same_outputs(box_maps, outputs['bbox_regression'], background_first=False)
    for target, instances in zip(targets, objects, strict=True):
        assert torch.equal(target['boxes'], instances.bboxes)
        # Its background is class 0.
        assert torch.equal(target['labels'] - 1, instances.labels)


def test_each_peer_detects_once_in_the_same_outputs(recorders):
    functions = cases.predict(cases.Setting(batch=2, objects=5), trained=False)
    for function in functions.values():
        function()
    assert set(functions) == set(PEERS) and all(len(recorders[name].calls) == 1 for name in PEERS)
    cls_maps, box_maps, metas = recorders[OURS].calls[0]
    assert recorders[MMDET].calls[0][0] is cls_maps and recorders[MMDET].calls[0][1] is box_maps and len(metas) == 2
    outputs, _, sizes = recorders[TORCHVISION].calls[0]
    assert sizes == [(300, 300)] * 2
    assert_same_outputs(cls_maps, outputs['cls_logits'], background_first=True)
    assert_same_outputs(box_maps, outputs['bbox_regression'], background_first=False)


@pytest.mark.slow
def test_losses_of_the_same_outputs_differ_by_the_peers_priors_only():
    """Up to a fifth at this size, where one that counted other objects or priors would be off by much more."""
    torch.manual_seed(0)
    ours, *others = [
        float(cases._total(function())) for function in cases.loss(cases.Setting(batch=2, objects=5)).values()
    ]
    assert others == pytest.approx([ours] * 2, rel=0.2)


def test_trained_like_outputs_are_detected_as_their_objects():
    torch.manual_seed(0)
    head = build_peers(20, CPU)[OURS].bbox_head
    maps = synthetic_batches.trained_outputs(head, 2, 20, 5, CPU)
    for found in head.predict_by_feat(*maps, batch_img_metas=synthetic_batches.metas(2)):
        assert 3 <= (found.scores > 0.5).sum() <= 12 and len(found) < 200


@pytest.mark.slow
def test_one_image_with_many_objects_needs_no_more_memory():
    torch.manual_seed(0)
    head = build_peers(20, CPU)[OURS].bbox_head
    maps, metas = synthetic_batches.network_outputs(32, 20, CPU), synthetic_batches.metas(32)
    few = synthetic_batches.ground_truth(32, 10, 20, CPU)
    many = [*few[:31], *synthetic_batches.ground_truth(1, 500, 20, CPU)]
    nothing = [synthetic_batches.no_objects(CPU)] * 32
    usual, crowded = (
        peak_memory(partial(head.loss_by_feat, *maps, objects, metas, nothing), CPU) for objects in (few, many)
    )
    assert usual > 10 and crowded < 1.2 * usual


@pytest.mark.parametrize(
    'command, rows',
    [
        pytest.param(('loss', '--batch', '1'), {OURS, MMDET, TORCHVISION}, marks=pytest.mark.slow),
        pytest.param(('predict', '--batch', '1'), {OURS, MMDET, TORCHVISION}, marks=pytest.mark.slow),
        (('infer', '--channels-last'), {OURS, 'network alone', 'backbone', 'extra layers', 'head', 'post-processing'}),
        pytest.param(
            ('train-step', '--batch', '1'), {OURS, MMDET, TORCHVISION, 'network alone'}, marks=pytest.mark.slow
        ),
    ],
)
def test_tool_prints_and_writes_its_figures(run_tool, tmp_path, command, rows):
    result = run_tool('benchmark.py', *command, '--rounds', '1', '--json', 'figures.json')
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert all(set(row['times']) == rows and row['times'][OURS]['median'] > 0 for row in figures)
    assert all(name in result.stdout for name in rows) and 'KaimingInit' not in result.stdout


def test_pipelines_are_compared_on_a_dataset(run_tool, shapes):
    result = run_tool('benchmark.py', 'pipeline', '--data', shapes, '--photos', '200x100', '--rounds', '4')
    assert result.returncode == 0 and 'MMDetection' in result.stdout and 'decoding alone' in result.stdout, (
        result.stderr
    )
    assert '--data FOLDER' in run_tool('benchmark.py', 'pipeline').stderr


@pytest.mark.parametrize('name', ['trainval', 'val', 'test'])
def test_pipelines_take_the_images_of_any_list(shapes, tmp_path, name):
    data = shutil.copytree(shapes, tmp_path / 'data')
    lists = data / 'ImageSets/Main'
    images = (lists / 'train.txt').read_text().split()[:2]
    for path in lists.iterdir():
        path.unlink()
    (lists / f'{name}.txt').write_text('\n'.join(images))
    function = cases.pipeline(str(data))['decoding alone']
    assert [Path(function()['img_path']).stem for _ in range(3)] == [*images, images[0]]


def test_a_dataset_without_lists_is_an_error_that_says_how_to_make_them(run_tool, shapes, tmp_path):
    data = shutil.copytree(shapes, tmp_path / 'data')
    shutil.rmtree(data / 'ImageSets')
    for photos in ((), ('--photos', '200x100')):
        result = run_tool('benchmark.py', 'pipeline', '--data', data, '--rounds', '1', *photos)
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert f'{data}/ImageSets/Main has none of train.txt' in line and f'prepare_data.py split {data}' in line


def test_pipelines_are_measured_on_images_with_objects(shapes):
    functions = cases.pipeline(str(shapes))
    for name in (OURS, MMDET):
        samples = [functions[name]() for _ in range(12)]
        assert all(len(sample['data_samples'].gt_instances.labels) > 0 for sample in samples)
        assert all(sample['inputs'].shape == (3, 300, 300) for sample in samples)


def test_photographs_are_encoded_again_with_their_boxes(shapes, tmp_path):
    reencoded_photos.reencode_images(shapes, tmp_path / 'small', (160, 60), quality=90)
    name = (shapes / 'ImageSets/Main/train.txt').read_text().split()[0]
    assert cv2.imread(str(tmp_path / f'small/JPEGImages/{name}.jpg')).shape == (60, 160, 3)
    before, after = (ET.parse(root / f'Annotations/{name}.xml') for root in (shapes, tmp_path / 'small'))
    assert after.findtext('size/width') == '160' and after.findtext('size/height') == '60'
    for tag, factor in (('xmin', 0.5), ('ymax', 0.25)):
        assert [int(n.text) for n in after.iter(tag)] == [round(int(n.text) * factor) for n in before.iter(tag)]
    assert reencoded_photos.classes_of(shapes) == ('circle', 'square', 'star', 'triangle')


@pytest.mark.slow
def test_the_start_is_measured_with_its_workers(tmp_path):
    cv2.imwrite(str(tmp_path / '0.jpg'), np.zeros((48, 64, 3), np.uint8))
    startup.generate(tmp_path / 'a.json', 40, 300)
    content = json.loads((tmp_path / 'a.json').read_text())
    assert len(content['images']) == 40 and len(content['annotations']) == 300
    for image in content['images']:
        image['file_name'] = '0.jpg'
    (tmp_path / 'a.json').write_text(json.dumps(content))
    for kind in (startup.STOCK, startup.OURS):
        found = startup.measure(kind, str(tmp_path / 'a.json'), str(tmp_path), 1, str(tmp_path / 'cache'))
        assert found['seconds'] > 0 and found['memory'] > 50


@pytest.mark.slow
def test_sweep_is_drawn(run_tool, tmp_path):
    result = run_tool('benchmark.py', 'loss', '--batch', '1', '--rounds', '1', '--sweep', 'classes')
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'benchmark_loss_classes.png').stat().st_size > 10000


def test_missing_gpu_is_an_error(run_tool):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    assert 'no GPU' in run_tool('benchmark.py', 'loss', '--device', 'cuda').stderr
