import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmengine.structures import InstanceData

from ssd_plugin.analysis import inference
from ssd_plugin.analysis.inference import CONFIGURED, DetectionOptions, draw, predict
from ssd_plugin.errors import UserError

META = dict(classes=('circle', 'square'), palette=[(255, 0, 0), (0, 255, 0)])


@pytest.fixture(scope='module')
def image(shapes):
    return cv2.imread(str(sorted((shapes / 'JPEGImages').iterdir())[0]))


def rows(found):
    return list(zip(found.bboxes.tolist(), found.scores.tolist(), found.labels.tolist()))


def test_options_take_the_place_of_the_settings_of_the_config_which_stay():
    given = dict(score_thr=0.01, nms_pre=400, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200)
    before = {**given, 'nms': dict(given['nms'])}
    assert DetectionOptions(0.2, 0.5, 7).test_cfg(given) == dict(
        score_thr=0.2, nms_pre=400, nms=dict(type='nms', iou_threshold=0.5), max_per_img=7
    )
    assert CONFIGURED.test_cfg(given) == given == before
    assert DetectionOptions(max_overlap=0.0).test_cfg(None) == dict(nms=dict(type='nms', iou_threshold=0.0))


@pytest.mark.parametrize(
    'values, message',
    [
        (dict(min_score=1.01), 'min_score must be in 0..1, got 1.01'),
        (dict(min_score=-0.1), 'min_score must be in 0..1'),
        (dict(min_score=float('nan')), 'min_score must be in 0..1, got nan'),
        (dict(max_overlap=50), 'max_overlap must be in 0..1, got 50'),
        (dict(top_k=0), 'top_k must be 1 or more, got 0'),
    ],
)
def test_values_out_of_their_range_are_errors(values, message):
    with pytest.raises(UserError, match=message):
        DetectionOptions(**values)


@pytest.mark.parametrize('values', [dict(min_score=0.0, max_overlap=0.0, top_k=1), dict(min_score=1, max_overlap=1)])
def test_the_ends_of_the_ranges_are_allowed(values):
    assert DetectionOptions(**values)


def test_without_options_the_detections_are_those_of_the_config(shapes_model, image):
    expected = inference_detector(shapes_model, image).pred_instances
    assert len(expected) and rows(predict(shapes_model, image)) == rows(expected)


def test_thresholds_hold_for_one_call(shapes_model, image):
    before = shapes_model.bbox_head.test_cfg
    everything = predict(shapes_model, image, DetectionOptions(0.0, 1.0, 10**6))
    middle = everything.scores.median().item()
    assert rows(predict(shapes_model, image, DetectionOptions(middle, 1.0, 10**6))) == rows(
        everything[everything.scores >= middle]
    )
    assert rows(predict(shapes_model, image, DetectionOptions(0.0, 1.0, 3))) == rows(everything[:3])
    assert shapes_model.bbox_head.test_cfg is before


def test_the_settings_return_after_an_error(shapes_model, image, monkeypatch):
    before = shapes_model.bbox_head.test_cfg
    monkeypatch.setattr(inference, 'inference_detector', lambda model, image: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        predict(shapes_model, image, DetectionOptions(0.5))
    assert shapes_model.bbox_head.test_cfg is before


def test_suppressed_classes_take_no_place_of_the_others(shapes_model, image):
    everything = predict(shapes_model, image, DetectionOptions(0.0, 0.5, 10**6))
    names = [shapes_model.dataset_meta['classes'][label] for label in everything.labels]
    # The best detection is of one of the two classes.
    suppressed = tuple(dict.fromkeys(names))[:2]
    others = everything[[name not in suppressed for name in names]]
    assert len(others) > 4
    for top_k in (4, 10**6):
        found = predict(shapes_model, image, DetectionOptions(0.0, 0.5, top_k, suppressed))
        assert rows(found) == rows(others[:top_k])


def test_an_unknown_class_to_suppress_is_an_error_that_lists_the_classes(shapes_model, image):
    with pytest.raises(UserError, match="suppress names 'heart', .* circle, square, triangle, star"):
        predict(shapes_model, image, DetectionOptions(suppress=('circle', 'heart')))


def test_every_detection_is_drawn_whatever_its_score():
    image = np.full((60, 80, 3), 100, np.uint8)
    found = InstanceData(
        bboxes=torch.tensor([[5.0, 5, 25, 55], [40, 5, 75, 55]]),
        scores=torch.tensor([0.9, 0.0]),
        labels=torch.tensor([0, 1]),
    )
    drawn = draw(image, found, META)
    # Edges in the colors of the classes, RGB; the rest of the image stays.
    assert drawn[50, 5, 0] > 200 and drawn[50, 5, 1] < 100
    assert drawn[50, 75, 1] > 200 and drawn[50, 75, 0] < 100
    assert (drawn[50, 32] == 100).all() and (image == 100).all() and drawn.shape == image.shape


def test_an_image_without_detections_is_drawn_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    nothing = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.long))
    drawn = draw(image, nothing, META)
    assert (drawn == image).all() and drawn is not image
