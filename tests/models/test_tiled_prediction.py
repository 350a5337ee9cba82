import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

from tests.support import config

# Of the network and of a window.
WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope='module')
def build(shapes_checkpoint):
    def built(tiles=None, **options):
        model = config('demo/ssd_depthwise_shapes.py').model
        model.update(type='MultiBoxDetector', **options)
        model.test_cfg.update(score_thr=0.3, max_per_img=500, tiles=tiles)
        detector = MODELS.build(model).eval()
        detector.load_state_dict(torch.load(shapes_checkpoint, weights_only=True)['state_dict'])
        return detector

    return built


def predicted(detector, *images, factor=1.0):
    samples = [
        DetDataSample(metainfo=dict(img_shape=tuple(image.shape[1:]), scale_factor=(factor, factor)))
        for image in images
    ]
    with torch.no_grad():
        found = detector.test_step(dict(inputs=[*images], data_samples=samples))
    return [sample.pred_instances for sample in found]


def random_image(width, height):
    blocks = (
        torch.randint(256, (3, height // 20 + 1, width // 20 + 1)).repeat_interleave(20, 1).repeat_interleave(20, 2)
    )
    return blocks[:, :height, :width].byte()


def assert_same(found, expected):
    assert len(found) == len(expected) > 3
    for name, tolerance in (('scores', 1e-5), ('bboxes', 1e-3)):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=tolerance)
    assert found.labels.tolist() == expected.labels.tolist()


def test_an_image_of_the_size_of_a_window_is_detected_as_without_windows(build):
    image = random_image(WIDTH, HEIGHT)
    (found,), (expected,) = predicted(build({}), image), predicted(build(), image)
    assert_same(found, expected)


def test_windows_without_overlap_give_the_detections_of_single_images_in_their_place(build):
    # Different numbers of windows an image, and batches across images.
    large, small = random_image(2 * WIDTH, 2 * HEIGHT), random_image(WIDTH, HEIGHT)
    found, alone = predicted(build(dict(overlap=0.0, batch_size=3)), large, small)
    corners = [(0, 0), (WIDTH, 0), (0, HEIGHT), (WIDTH, HEIGHT)]
    parts = predicted(build(), *(large[:, y : y + HEIGHT, x : x + WIDTH] for x, y in corners))
    boxes = torch.cat([part.bboxes + torch.tensor([x, y, x, y]) for part, (x, y) in zip(parts, corners)])
    scores, order = torch.cat([part.scores for part in parts]).sort(descending=True)
    assert len(found) == len(scores) > 10
    torch.testing.assert_close(found.scores, scores, rtol=0, atol=1e-5)
    # In any order where scores are equal.
    distance = (found.bboxes.unsqueeze(1) - boxes[order]).abs().amax(dim=2)
    assert distance.min(dim=0).values.max() < 1e-3 and distance.min(dim=1).values.max() < 1e-3
    assert_same(alone, predicted(build(), small)[0])


def test_windows_are_resized_to_the_input_of_the_network_and_boxes_back(build):
    small = random_image(WIDTH, HEIGHT)
    doubled = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
    (found,), (expected,) = predicted(build(dict(size=(2 * WIDTH, 2 * HEIGHT))), doubled), predicted(build({}), small)
    # Every second pixel between equal ones: the mean of four equal pixels is that pixel.
    expected.bboxes *= 2
    assert_same(found, expected)


def test_boxes_are_in_pixels_of_the_original_image(build):
    image = random_image(WIDTH, HEIGHT)
    (found,), (expected,) = predicted(build({}), image, factor=0.5), predicted(build(), image)
    expected.bboxes *= 2
    assert_same(found, expected)


def test_an_image_smaller_than_a_window_is_padded_with_the_mean_and_boxes_end_at_its_border(build):
    image = random_image(200, 100)
    detector = build({})
    (found,) = predicted(detector, image)
    padded = torch.full((3, HEIGHT, WIDTH), 127, dtype=torch.uint8)
    padded[:, :100, :200] = image
    (expected,) = predicted(build(), padded)
    assert (found.bboxes[:, 2] <= 200).all() and (found.bboxes[:, 3] <= 100).all()
    expected.bboxes = torch.minimum(expected.bboxes, torch.tensor([200, 100, 200, 100.0]))
    # Boxes that were clipped may be equal now, and are then suppressed.
    matched = (expected.bboxes.unsqueeze(1) - found.bboxes).abs().amax(dim=2).min(dim=0).values
    assert len(found) > 3 and matched.max() < 1e-3 and found.scores[0] == pytest.approx(float(expected.scores[0]))


def test_the_limit_holds_for_the_whole_image(build):
    detector = build(dict(overlap=0.0))
    detector.bbox_head.test_cfg.max_per_img = 7
    image = random_image(2 * WIDTH, HEIGHT)
    (found,) = predicted(detector, image)
    (everything,) = predicted(build(dict(overlap=0.0)), image)
    assert len(everything) > 7
    assert_same(found, everything[:7])


@pytest.mark.parametrize(
    'tiles, message',
    [
        (dict(size=300), r'tiles.size must be \(width, height\)'),
        (dict(size=(0, 10)), r'tiles.size must be \(width, height\) in pixels, got \(0, 10\)'),
        (dict(input_size=(10.5, 10)), 'tiles.input_size must be'),
        (dict(overlap=1.0), 'tiles.overlap must be a fraction .* got 1.0'),
        (dict(batch_size=0), 'tiles.batch_size must be 1 or more'),
    ],
)
def test_wrong_settings_are_named(tiles, message, build):
    with pytest.raises(ValueError, match=message):
        build(tiles)


def test_the_loss_of_validation_and_windows_exclude_each_other(build):
    with pytest.raises(ValueError, match='val_loss'):
        build({}, val_loss=True)


def test_a_detector_that_knows_no_windows_does_not_ignore_them(build):
    detector = build({})
    with pytest.raises(ValueError, match="needs model.type='MultiBoxDetector'"):
        detector.bbox_head.predict_by_feat([], [], [])
