import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import BaseDataElement, InstanceData

from tests.support import CONFIGS


def build_detector(**options):
    cfg = Config.fromfile(CONFIGS / 'ssd_depthwise_320x240_voc.py').model
    detector = MODELS.build(dict(cfg, type='MultiBoxDetector', **options)).eval()
    detector.init_weights()
    return detector


def batch(factor):
    """Images of the network's size, with ground truth in pixels of originals that are larger by ``factor``."""
    samples = []
    for corner in (20.0, 60.0):
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(240, 320),
                ori_shape=(240 * factor[1], 320 * factor[0]),
                batch_input_shape=(240, 320),
                scale_factor=(1 / factor[0], 1 / factor[1]),
            )
        )
        box = torch.tensor([[corner, corner, 200.0, 180.0]]) * torch.tensor([*factor, *factor])
        sample.gt_instances = InstanceData(bboxes=box, labels=torch.tensor([4]))
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        samples.append(sample)
    torch.manual_seed(1)
    return dict(inputs=[torch.randint(256, (3, 240, 320), dtype=torch.uint8) for _ in samples], data_samples=samples)


def test_validation_gives_detections_and_behind_them_the_losses():
    detector = build_detector(val_loss=True)
    with torch.no_grad():
        *found, losses = detector.val_step(batch((2, 3)))
        expected = build_detector_of(detector, val_loss=False).val_step(batch((2, 3)))
        data = detector.data_preprocessor(batch((1, 1)), False)
        trained = detector.loss(data['inputs'], data['data_samples'])
    # What MMEngine's ValLoop looks for.
    assert isinstance(losses, BaseDataElement) and losses.keys() == ['loss']
    assert len(found) == len(expected) == 2
    for ours, theirs in zip(found, expected):
        assert len(theirs.pred_instances) > 0
        torch.testing.assert_close(ours.pred_instances.bboxes, theirs.pred_instances.bboxes)
        torch.testing.assert_close(ours.pred_instances.scores, theirs.pred_instances.scores)
    # The loss is that of the ground truth in pixels of the network's input, which stays as it was for the metrics.
    assert set(losses.loss) == {'loss_cls', 'loss_bbox'}
    for name, value in losses.loss.items():
        assert value > 0
        torch.testing.assert_close(value, trained[name], rtol=1e-4, atol=1e-5)
    assert found[0].gt_instances.bboxes.tolist() == [[40.0, 60.0, 400.0, 540.0]]


def build_detector_of(detector, **options):
    """Another with the same weights."""
    other = build_detector(**options)
    other.load_state_dict(detector.state_dict())
    return other


@pytest.mark.parametrize('ignored', [None, InstanceData(bboxes=torch.tensor([[300.0, 0.0, 310.0, 10.0]]))])
def test_validation_takes_images_without_ignored_objects_and_those_without_a_class(ignored):
    data = batch((1, 1))
    for sample in data['data_samples']:
        del sample.ignored_instances
        if ignored is not None:
            sample.ignored_instances = ignored
    with torch.no_grad():
        *_, losses = build_detector(val_loss=True).val_step(data)
    assert losses.loss['loss_cls'] > 0
    assert all(sample.get('ignored_instances') is ignored for sample in data['data_samples'])


def test_the_loss_is_the_mean_over_ranks_so_that_all_decay_at_once(monkeypatch):
    detector = build_detector(val_loss=True)
    alone = detector.val_step(batch((1, 1)))[-1].loss['loss_cls']
    monkeypatch.setattr('ssd_plugin.models.detectors.multibox_detector.reduce_mean', lambda value: value * 3)
    assert detector.val_step(batch((1, 1)))[-1].loss['loss_cls'].item() == pytest.approx(3 * alone.item(), rel=1e-5)
