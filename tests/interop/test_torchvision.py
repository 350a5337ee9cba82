import pytest
import torch
import torchvision
from torch import nn

from tests.interop.parity import (
    LOGITS,
    OFFSETS,
    assert_same_detections,
    calibrate,
    converted,
    outputs,
    random_images,
    randomize,
)

# COCO's ids without a class; torchvision uses the ids as labels.
UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
LABELS = [index for index in range(1, 91) if index not in UNUSED_IDS]
MODELS = {
    'ssd300_vgg16': ('torchvision-ssd300', 'ssd_plugin::pretrained/ssd300_torchvision_coco.py', 300),
    'ssdlite320_mobilenet_v3_large': ('torchvision-ssdlite320', 'ssd_plugin::ssdlite320_mobilenetv3_coco.py', 320),
}


def random_model(name, size, **options):
    model = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, **options).eval()
    # SSD300 takes seconds for each image.
    images = random_images(size, size, 2 if name.startswith('ssdlite') else 1)
    randomize(model, lambda: model([image.flip(0) / 255 for image in random_images(size, size, 8)]))
    rgb = [image.flip(0) / 255 for image in images]
    if name.startswith('ssdlite'):
        model.double()
        rgb = [image.flip(0).double() / 255 for image in images]
    heads = ((model.head.classification_head, LOGITS), (model.head.regression_head, OFFSETS))
    levels = [(level, deviation) for head, deviation in heads for level in head.module_list]
    calibrate(
        {level if isinstance(level, nn.Conv2d) else level[-1]: deviation for level, deviation in levels},
        lambda: model(rgb),
    )
    return model, images, rgb


@torch.no_grad()
def their_outputs(model, rgb):
    """Return the normalized images, scores and decoded boxes of all priors, computed by torchvision's own modules."""
    images, _ = model.transform(rgb)
    features = list(model.backbone(images.tensors).values())
    head = model.head(features)
    anchors = model.anchor_generator(images, features)
    boxes = torch.stack(
        [model.box_coder.decode_single(deltas, a) for deltas, a in zip(head['bbox_regression'], anchors)]
    )
    return images.tensors, head['cls_logits'].softmax(dim=-1), boxes


@pytest.mark.slow
@pytest.mark.parametrize('name', MODELS)
def test_outputs_and_detections_are_torchvisions(name, tmp_path):
    source_format, config, size = MODELS[name]
    model, images, rgb = random_model(name, size)
    detector, found = converted(model.state_dict(), tmp_path)
    assert (found.format, found.config, found.options, len(found.classes)) == (source_format, config, {}, 80)
    ours = outputs(detector, images)
    inputs, scores, boxes = their_outputs(model, rgb)
    torch.testing.assert_close(ours.inputs, inputs, rtol=1e-4, atol=1e-4, check_dtype=False)
    torch.testing.assert_close(ours.scores, scores[..., LABELS], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(ours.boxes, boxes, rtol=1e-4, atol=1e-2, check_dtype=False)
    # With random weights, torchvision also detects ids without a class. NMS is per class, so dropping them leaves the
    # other detections as they are.
    most, model.detections_per_img = model.detections_per_img, 10**6
    for mine, theirs in zip(ours.detections, model(rgb)):
        real = torch.isin(theirs['labels'], torch.tensor(LABELS))
        labels = torch.searchsorted(torch.tensor(LABELS), theirs['labels'][real])
        assert_same_detections(
            mine, theirs['boxes'][real][:most].detach(), theirs['scores'][real][:most].detach(), labels[:most]
        )


def test_model_for_other_classes_needs_their_names(tmp_path):
    model, images, rgb = random_model('ssdlite320_mobilenet_v3_large', 320, num_classes=4)
    detector, found = converted(model.state_dict(), tmp_path, classes=['cat', 'dog', 'owl'])
    assert found.options == {'model.bbox_head.num_classes': 3, 'model.bbox_head.unused_outputs': ()}
    assert found.classes == ('cat', 'dog', 'owl')
    for mine, theirs in zip(outputs(detector, images).detections, model(rgb)):
        assert_same_detections(mine, theirs['boxes'].detach(), theirs['scores'].detach(), theirs['labels'] - 1)
