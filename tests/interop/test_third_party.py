"""Formats of implementations that are not installed, tested against a plain forward of their documented layers."""

from itertools import product
from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import nms

from tests.interop.parity import assert_same_detections, converted, outputs, random_images

VGG = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
VGG_NAMES = [
    'conv1_1',
    'conv1_2',
    'conv2_1',
    'conv2_2',
    'conv3_1',
    'conv3_2',
    'conv3_3',
    'conv4_1',
    'conv4_2',
    'conv4_3',
    'conv5_1',
    'conv5_2',
    'conv5_3',
    'conv6',
    'conv7',
]
VGG_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
LEVELS = ('conv4_3', 'conv7', 'conv8_2', 'conv9_2', 'conv10_2', 'conv11_2')


class Weights(dict):
    """State dict that creates the random parameters of a layer when the layer is first used."""

    def conv(self, name, x, out, kernel, bias=True, groups=1, **options):
        if f'{name}.weight' not in self:
            fan_in = x.shape[1] // groups * kernel**2
            self[f'{name}.weight'] = torch.randn(out, x.shape[1] // groups, kernel, kernel, dtype=x.dtype) * sqrt(
                2 / fan_in
            )
            if bias:
                self[f'{name}.bias'] = 0.1 * torch.randn(out, dtype=x.dtype)
        return F.conv2d(x, self[f'{name}.weight'], self.get(f'{name}.bias'), groups=groups, **options)

    def norm(self, name, x):
        if f'{name}.weight' not in self:
            uniform = torch.rand(3, x.shape[1], dtype=x.dtype)
            self[f'{name}.weight'], self[f'{name}.bias'] = uniform[0] + 0.5, uniform[1] - 0.5
            self[f'{name}.running_mean'] = x.mean(dim=(0, 2, 3)) + uniform[2] - 0.5
            self[f'{name}.running_var'] = x.var(dim=(0, 2, 3)) * (uniform[2] + 0.5) + 0.1
            self[f'{name}.num_batches_tracked'] = torch.tensor(7)
        return F.batch_norm(x, *(self[f'{name}.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias')))

    def head(self, name, x, out, deviation, layer=None):
        """Return the last layer of a predictor, scaled to outputs of the given standard deviation."""
        layer = layer or (lambda: self.conv(name, x, out, 3, padding=1))
        new = f'{name}.weight' not in self
        result = layer()
        if new:
            self[f'{name}.weight'] *= deviation / result.std()
            result = layer()
        return result

    def length(self, name, x, shape):
        """Return conv4_3 with L2 normalization, times a factor per channel."""
        if name not in self:
            self[name] = 10 + 20 * torch.rand(shape)
        return x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10) * self[name].view(1, -1, 1, 1)


def rows(maps, values):
    return torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, values) for m in maps], dim=1)


def vgg(w, names, x):
    """Return the outputs of conv4_3 and conv7 of VGG-16."""
    for k, (name, width) in enumerate(zip(names, VGG_WIDTHS)):
        if k in (2, 4, 7, 10):
            x = F.max_pool2d(x, 2, 2, ceil_mode=k == 7)
        if k == 13:
            x = F.max_pool2d(x, 3, 1, 1)
        options = {13: dict(padding=6, dilation=6), 14: {}}.get(k, dict(padding=1))
        x = F.relu(w.conv(name, x, width, 1 if k == 14 else 3, **options))
        if k == 9:
            conv4_3 = x
    return conv4_3, x


def vgg_ssd(w, x, layers, extras, first, cls, reg, priors=(4, 6, 6, 6, 4, 4), outputs=21):
    """Return the logits and offsets of SSD300.

    ``layers``, ``extras(level, i)``, ``cls`` and ``reg`` are the names of its layers; ``first`` normalizes conv4_3.
    """
    conv4_3, x = vgg(w, layers, x)
    maps = [first(conv4_3), x]
    for level, (mid, out) in enumerate(((256, 512), (128, 256), (128, 256), (128, 256))):
        x = F.relu(w.conv(extras(level, 0), x, mid, 1))
        x = F.relu(w.conv(extras(level, 1), x, out, 3, **(dict(stride=2, padding=1) if level < 2 else {})))
        maps.append(x)
    return (
        rows([w.head(cls(i), m, a * outputs, 2.0) for i, (m, a) in enumerate(zip(maps, priors))], outputs),
        rows([w.head(reg(i), m, a * 4, 1.0) for i, (m, a) in enumerate(zip(maps, priors))], 4),
    )


def ssd_pytorch(w, x):
    return vgg_ssd(
        w,
        x,
        [f'vgg.{n}' for n in VGG],
        lambda level, i: f'extras.{2 * level + i}',
        lambda m: w.length('L2Norm.weight', m, 512),
        'conf.{}'.format,
        'loc.{}'.format,
    )


def tutorial(w, x):
    return vgg_ssd(
        w,
        x,
        [f'base.{name}' for name in VGG_NAMES],
        lambda level, i: f'aux_convs.conv{8 + level}_{i + 1}',
        lambda m: w.length('rescale_factors', m, (1, 512, 1, 1)),
        lambda i: f'pred_convs.cl_{LEVELS[i]}',
        lambda i: f'pred_convs.loc_{LEVELS[i]}',
    )


def pytorch_ssd_vgg(w, x, first=None):
    return vgg_ssd(
        w,
        x,
        [f'base_net.{n}' for n in VGG],
        lambda level, i: f'extras.{level}.{2 * i}',
        first or (lambda m: w.norm('source_layer_add_ons.0', m)),
        'classification_headers.{}'.format,
        'regression_headers.{}'.format,
    )


def pytorch_ssd_vgg_early(w, x):
    return pytorch_ssd_vgg(w, x, lambda m: w.length('source_layer_add_ons.0.scale', m, 512))


def pytorch_ssd_mobilenet_v1(w, x):
    widths = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    maps = []
    for n, width in enumerate(widths):
        stride = 2 if n in (0, 2, 4, 6, 12) else 1
        groups = x.shape[1] if n else 1
        out = width if n == 0 else x.shape[1]
        x = w.conv(f'base_net.{n}.0', x, out, 3, bias=False, groups=groups, stride=stride, padding=1)
        x = F.relu(w.norm(f'base_net.{n}.1', x))
        if n:
            x = F.relu(w.norm(f'base_net.{n}.4', w.conv(f'base_net.{n}.3', x, width, 1, bias=False)))
        if n in (11, 13):
            maps.append(x)
    for level, (mid, out) in enumerate(((256, 512), (128, 256), (128, 256), (128, 256))):
        x = F.relu(w.conv(f'extras.{level}.0', x, mid, 1))
        x = F.relu(w.conv(f'extras.{level}.2', x, out, 3, stride=2, padding=1))
        maps.append(x)
    return (
        rows([w.head(f'classification_headers.{i}', m, 126, 2.0) for i, m in enumerate(maps)], 21),
        rows([w.head(f'regression_headers.{i}', m, 24, 1.0) for i, m in enumerate(maps)], 4),
    )


def inverted_residual(w, name, x, hidden, out, stride, tap=None):
    """Return the output of a block, whose layers pytorch-ssd has in one flat sequence."""
    k, start = 0, x
    if hidden != x.shape[1] or name.startswith('extras'):
        x = F.relu6(w.norm(f'{name}.1', w.conv(f'{name}.0', x, hidden, 1, bias=False)))
        k = 3
        if tap is not None:
            tap.append(x)
    x = w.conv(f'{name}.{k}', x, hidden, 3, bias=False, groups=hidden, stride=stride, padding=1)
    x = F.relu6(w.norm(f'{name}.{k + 1}', x))
    x = w.norm(f'{name}.{k + 4}', w.conv(f'{name}.{k + 3}', x, out, 1, bias=False))
    return start + x if x.shape == start.shape else x


def pytorch_ssd_mobilenet_v2(w, x):
    maps = []
    x = F.relu6(w.norm('base_net.0.1', w.conv('base_net.0.0', x, 32, 3, bias=False, stride=2, padding=1)))
    blocks = [
        (t, c, s if i == 0 else 1)
        for t, c, n, s in (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        )
        for i in range(n)
    ]
    for n, (ratio, out, stride) in enumerate(blocks, start=1):
        x = inverted_residual(w, f'base_net.{n}.conv', x, ratio * x.shape[1], out, stride, maps if n == 14 else None)
    x = F.relu6(w.norm('base_net.18.1', w.conv('base_net.18.0', x, 1280, 1, bias=False)))
    maps.append(x)
    for level, (hidden, out) in enumerate(((256, 512), (128, 256), (128, 256), (64, 64))):
        x = inverted_residual(w, f'extras.{level}.conv', x, hidden, out, 2)
        maps.append(x)

    def separable(name, m, out, deviation):
        # The depthwise convolution has a bias although a batch norm follows.
        m = F.relu6(w.norm(f'{name}.1', w.conv(f'{name}.0', m, m.shape[1], 3, groups=m.shape[1], padding=1)))
        return w.head(f'{name}.3', m, out, deviation, lambda: w.conv(f'{name}.3', m, out, 1))

    def level(kind, out, deviation):
        name = f'{kind}_headers'
        last = w.head(f'{name}.5', maps[5], out, deviation, lambda: w.conv(f'{name}.5', maps[5], out, 1))
        return [*(separable(f'{name}.{i}', m, out, deviation) for i, m in enumerate(maps[:5])), last]

    return rows(level('classification', 126, 2.0), 21), rows(level('regression', 24, 1.0), 4)


def priors_by_size(size, maps, steps, sizes, ratios):
    """Return the priors of ssd.pytorch and pytorch-ssd: cxcywh as fractions of the image, clamped."""
    priors = []
    for f, step, (low, high), level in zip(maps, steps, sizes, ratios):
        for i, j in product(range(f), repeat=2):
            center = [(j + 0.5) * step / size, (i + 0.5) * step / size]
            s, extra = low / size, sqrt(low * high) / size
            priors += [[*center, s, s], [*center, extra, extra]]
            for ratio in level:
                priors += [[*center, s * sqrt(ratio), s / sqrt(ratio)], [*center, s / sqrt(ratio), s * sqrt(ratio)]]
    return torch.tensor(priors, dtype=torch.float64).clamp(0, 1)


def priors_of_the_tutorial():
    priors = []
    scales, many = (0.1, 0.2, 0.375, 0.55, 0.725, 0.9), (1.0, 2.0, 3.0, 0.5, 0.333)
    for k, f in enumerate((38, 19, 10, 5, 3, 1)):
        for i, j in product(range(f), repeat=2):
            center = [(j + 0.5) / f, (i + 0.5) / f]
            for ratio in many if k in (1, 2, 3) else (1.0, 2.0, 0.5):
                priors.append([*center, scales[k] * sqrt(ratio), scales[k] / sqrt(ratio)])
                if ratio == 1.0:
                    extra = sqrt(scales[k] * scales[k + 1]) if k < 5 else 1.0
                    priors.append([*center, extra, extra])
    return torch.tensor(priors, dtype=torch.float64).clamp(0, 1)


VGG_PRIORS = (
    300,
    (38, 19, 10, 5, 3, 1),
    (8, 16, 32, 64, 100, 300),
    ((30, 60), (60, 111), (111, 162), (162, 213), (213, 264), (264, 315)),
    ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)
MOBILENET_PRIORS = (
    300,
    (19, 10, 5, 3, 2, 1),
    (16, 32, 64, 100, 150, 300),
    ((60, 105), (105, 150), (150, 195), (195, 240), (240, 285), (285, 330)),
    ((2, 3),) * 6,
)
CAFFE = ((123.0, 117.0, 104.0), (1.0, 1.0, 1.0))
HALF = ((127.0,) * 3, (128.0,) * 3)
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
# name -> forward, priors, (means, standard deviations) in RGB, top-k per class before NMS, per image after it, config
CASES = {
    'ssd.pytorch': (ssd_pytorch, priors_by_size(*VGG_PRIORS), CAFFE, 200, None, 'pretrained/ssd300_amdegroot_voc.py'),
    'tutorial': (tutorial, priors_of_the_tutorial(), IMAGENET, None, 200, 'recipes/ssd300_tutorial_voc.py'),
    'pytorch-ssd-vgg': (
        pytorch_ssd_vgg,
        priors_by_size(*VGG_PRIORS),
        CAFFE,
        200,
        None,
        'pretrained/ssd300_qfgaohao_voc.py',
    ),
    'pytorch-ssd-vgg, early': (
        pytorch_ssd_vgg_early,
        priors_by_size(*VGG_PRIORS),
        CAFFE,
        200,
        None,
        'pretrained/ssd300_amdegroot_voc.py',
    ),
    'pytorch-ssd-mobilenetv1': (
        pytorch_ssd_mobilenet_v1,
        priors_by_size(*MOBILENET_PRIORS),
        HALF,
        200,
        None,
        'pretrained/ssd300_mobilenetv1_qfgaohao_voc.py',
    ),
    'pytorch-ssd-mobilenetv2': (
        pytorch_ssd_mobilenet_v2,
        priors_by_size(*MOBILENET_PRIORS),
        HALF,
        200,
        None,
        'pretrained/ssdlite300_mobilenetv2_qfgaohao_voc.py',
    ),
}


def detect(scores, boxes, top_k, limit, score_threshold=0.01, max_overlap=0.45):
    """Return the detections of an image: per class, threshold, top-k and NMS; then the best of all classes."""
    found = []
    for label in range(1, scores.shape[1]):
        index = (scores[:, label] > score_threshold).nonzero().flatten()
        index = index[scores[index, label].argsort(descending=True)][:top_k]
        index = index[nms(boxes[index], scores[index, label], max_overlap)]
        found += [(scores[i, label], label - 1, boxes[i]) for i in index.tolist()]
    found.sort(key=lambda row: -row[0])
    score, label, box = zip(*found[:limit])
    return torch.stack(box), torch.stack(score), torch.tensor(label)


@pytest.mark.parametrize(
    'name',
    [name if name == 'pytorch-ssd-mobilenetv1' else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_outputs_and_detections_are_those_of_a_plain_forward(name, tmp_path):
    forward, priors, (mean, std), top_k, limit, config = CASES[name]
    images = random_images(300, 300, 2 if 'mobilenet' in name else 1)
    rgb = images.flip(1).double()
    prepared = (rgb - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    w = Weights()
    logits, deltas = forward(w, prepared)
    assert logits.shape[1:] == (len(priors), 21) and deltas.shape[1:] == (len(priors), 4)

    detector, found = converted(dict(w), tmp_path)
    assert (found.format, found.config, found.options) == (name.split(',')[0], f'ssd_plugin::{config}', {})
    assert found.classes[0] == 'aeroplane' and found.classes[19] == 'tvmonitor'
    ours = outputs(detector, images)
    scores = logits.softmax(dim=-1)
    centers = priors[:, :2] + deltas[..., :2] * 0.1 * priors[:, 2:]
    sides = priors[:, 2:] * (deltas[..., 2:] * 0.2).exp()
    boxes = 300 * torch.cat([centers - sides / 2, centers + sides / 2], dim=-1)
    torch.testing.assert_close(ours.scores, scores[..., 1:], rtol=1e-4, atol=1e-6, check_dtype=False)
    torch.testing.assert_close(ours.boxes, boxes, rtol=1e-4, atol=1e-2, check_dtype=False)
    for mine, image_scores, image_boxes in zip(ours.detections, scores.double(), boxes.double()):
        assert_same_detections(mine, *detect(image_scores, image_boxes, top_k, limit))


@pytest.mark.slow
def test_weights_saved_from_several_gpus_or_inside_a_checkpoint_are_found(tmp_path):
    w = Weights()
    pytorch_ssd_mobilenet_v1(w, torch.rand(2, 3, 300, 300))
    plain, _ = converted(dict(w), tmp_path)
    for wrapped in (
        {f'module.{name}': value for name, value in w.items()},
        dict(epoch=3, model=dict(w)),
        dict(state_dict=dict(w)),
    ):
        detector, _ = converted(wrapped, tmp_path)
        assert all(torch.equal(value, detector.state_dict()[name]) for name, value in plain.state_dict().items())


def test_files_that_do_not_count_batches_are_completed(tmp_path):
    w = Weights()
    pytorch_ssd_mobilenet_v1(w, torch.rand(2, 3, 300, 300))
    detector, _ = converted({name: value for name, value in w.items() if 'num_batches' not in name}, tmp_path)
    assert detector.state_dict()['backbone.features.0.bn.num_batches_tracked'] == 0
