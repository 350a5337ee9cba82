import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.ops import detections
from ssd_plugin.ops.candidates import Candidates, DenseSource, SparseSource, candidate_source, likely_priors
from ssd_plugin.ops.detections import DetectionSettings, detect, detect_from, suppress
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.predictions import Predictions
from tests.ops.predictions import BoxesAsOffsets, predictions_of


def detect_one_by_one(scores, boxes, threshold, top_k, iou_threshold, limit):
    """Per image and class, as the original release does; of equals the lower class, then the lower prior."""
    results = []
    for image_scores, image_boxes in zip(scores, boxes):
        kept = []
        for label in range(scores.shape[-1]):
            order = image_scores[:, label].sort(descending=True, stable=True).indices[: top_k if top_k >= 0 else None]
            order = order[image_scores[order, label] >= threshold]
            keep = torchvision.ops.nms(image_boxes[order], image_scores[order, label], iou_threshold)
            kept += [(-float(image_scores[p, label]), label, int(p)) for p in order[keep.sort().values]]
        results.append(sorted(kept)[: limit if limit >= 0 else None])
    return results


def detect_at_once(scores, boxes, threshold, top_k, iou_threshold, limit):
    return numbered(detect_dense(scores, boxes, threshold, top_k, iou_threshold, limit), boxes)


def numbered(found, boxes):
    """The same triples: a prior is found by its box."""
    return [
        [
            (-float(score), int(label), int((image_boxes == box).all(dim=1).nonzero()[0]))
            for box, score, label in zip(*image)
        ]
        for image, image_boxes in zip(found, boxes)
    ]


def detect_dense(scores, boxes, threshold, top_k, iou_threshold, limit, min_size=-1):
    """From ``(B, P, C)`` confidences and ``(B, P, 4)`` boxes."""
    settings = DetectionSettings(threshold, top_k, iou_threshold, limit, min_size, clip=False)
    layout = OutputLayout(scores.shape[-1], background=None)
    predictions = predictions_of(scores, boxes, layout, BoxesAsOffsets())
    sizes = torch.full((len(scores), 2), 1000.0)
    return detect_from(DenseSource(scores, threshold), predictions, sizes, settings, scores[0].numel())


def random_boxes(batch, number):
    boxes = torch.rand(batch, number, 4) * 100
    boxes[..., 2:] = boxes[..., :2] + 10 + boxes[..., 2:] / 2
    return boxes


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(['untrained', 'trained', 'ties', 'equal']),
    settings=st.sampled_from(
        [(0.01, 40, 20), (0.3, 400, 5), (0.0, 7, 200), (0.05, -1, 3), (0.01, 400, -1), (0.99, 400, 10)]
    ),
)
def test_batch_equals_image_by_image_and_class_by_class(seed, kind, settings):
    torch.manual_seed(seed)
    scores = torch.randn(3, 60, 5)
    if kind == 'trained':
        scores[..., 4] += 6
        scores[:, :10, 1] += 8
    scores = (scores * dict(untrained=0.1, equal=0.0).get(kind, 1.0)).softmax(dim=-1)[..., :-1]
    if kind == 'ties':
        scores = (scores * 8).round() / 8
    boxes = random_boxes(3, 60)
    threshold, top_k, limit = settings
    args = (scores, boxes, threshold, top_k, 0.45, limit)
    assert detect_at_once(*args) == detect_one_by_one(*args)


def maps_of(logits, channels_last):
    """``(B, P, K)`` as the maps of two levels, 2 x 3 cells of 4 priors and 4 x 3 cells of 3."""
    batch = len(logits)
    maps = []
    for part, (height, width) in zip(logits.split((24, 36), dim=1), ((2, 3), (4, 3))):
        level = part.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
        maps.append(level if channels_last else level.contiguous())
    return maps


def predictions_of_two_levels(logits, boxes, layout, channels_last):
    priors = torch.zeros(60, 4)
    return Predictions(maps_of(logits, channels_last), maps_of(boxes, channels_last), layout, priors, BoxesAsOffsets())


def assert_maps_give_what_their_scores_give(logits, layout, confidences, channels_last, threshold, **options):
    boxes = random_boxes(3, 60)
    expected = detect_one_by_one(confidences, boxes, threshold, 40, 0.45, 20)
    predictions = predictions_of_two_levels(logits, boxes, layout, channels_last)
    settings = DetectionSettings(threshold, 40, 0.45, 20, clip=False, **options)
    found = numbered(detect(predictions, torch.full((3, 2), 1000.0), settings), boxes)
    assert [[row[1:] for row in image] for image in found] == [[row[1:] for row in image] for image in expected]
    assert [row[0] for image in found for row in image] == pytest.approx(
        [row[0] for image in expected for row in image]
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.sampled_from([0.0, 6.0, 60.0]),
    layout=st.sampled_from([OutputLayout(4), OutputLayout(4, 'first'), OutputLayout(3, 'first', unused=(2,))]),
    channels_last=st.booleans(),
    threshold=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
)
def test_maps_give_what_their_scores_give(seed, shift, layout, channels_last, threshold):
    torch.manual_seed(seed)
    logits = torch.randn(3, 60, 5)
    logits[..., layout.background_output] += shift
    logits[:, 5:9, layout.class_outputs[1]] += 2 * shift
    confidences = logits.softmax(dim=-1)[..., layout.class_outputs]
    assert_maps_give_what_their_scores_give(logits, layout, confidences, channels_last, threshold)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.sampled_from([0.0, -6.0, -60.0]),
    channels_last=st.booleans(),
    threshold=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
)
def test_maps_of_sigmoids_give_what_their_scores_give(seed, shift, channels_last, threshold):
    torch.manual_seed(seed)
    logits = torch.randn(3, 60, 4) + shift
    logits[:, 5:9, 1] -= 2 * shift
    assert_maps_give_what_their_scores_give(
        logits, OutputLayout(4, background=None), logits.sigmoid(), channels_last, threshold
    )


def best_class_alone(logits, layout, confidences):
    """The confidences, with -1 for all but the class of the highest output of a prior, one prior after the other."""
    alone = torch.full_like(confidences, -1.0)
    for image, rows in enumerate(logits.tolist()):
        for prior, outputs in enumerate(rows):
            # The background goes before what equals it.
            background = None if layout.background is None else layout.background_output
            highest = max(range(len(outputs)), key=lambda k: (outputs[k], k == background, -k))
            if highest in layout.class_outputs:
                label = layout.class_outputs.index(highest)
                alone[image, prior, label] = confidences[image, prior, label]
    return alone


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.sampled_from([0.0, 6.0]),
    ties=st.booleans(),
    layout=st.sampled_from(
        [OutputLayout(4), OutputLayout(4, 'first'), OutputLayout(3, 'first', unused=(2,)), OutputLayout(5, None)]
    ),
    channels_last=st.booleans(),
    threshold=st.sampled_from([0.0, 0.01, 0.5]),
)
def test_the_best_class_alone_gives_what_a_loop_over_priors_gives(seed, shift, ties, layout, channels_last, threshold):
    torch.manual_seed(seed)
    logits = torch.randn(3, 60, 5)
    if ties:
        logits = logits.round()
    if layout.background is not None:
        logits[..., layout.background_output] += shift
    logits[:, 5:9, layout.class_outputs[1]] += 2 * shift
    confidences = best_class_alone(logits, layout, layout.confidences(logits))
    assert_maps_give_what_their_scores_give(logits, layout, confidences, channels_last, threshold, best_class_only=True)


def test_by_default_a_prior_gives_every_class_above_the_threshold_and_else_its_best_one():
    # Confidences of classes 0 and 1 and of the background: 0.5, 0.3, 0.2; then 0.35, 0.25, 0.4.
    logits = torch.tensor([[[0.5, 0.3, 0.2], [0.35, 0.25, 0.4]]]).log()
    boxes = torch.tensor([[[0.0, 0.0, 5.0, 5.0], [10.0, 10.0, 15.0, 15.0]]])
    predictions = predictions_of(logits, boxes, coder=BoxesAsOffsets())

    def found(**options):
        (image,) = detect(predictions, torch.tensor([[20.0, 20.0]]), DetectionSettings(**options))
        return list(zip(image.boxes[:, 0].tolist(), image.labels.tolist(), image.scores.tolist()))

    rows = [(0.0, 0, 0.5), (10.0, 0, 0.35), (0.0, 1, 0.3), (10.0, 1, 0.25)]
    rows = [(x, label, pytest.approx(score)) for x, label, score in rows]
    assert found(score_threshold=0.2) == rows
    for threshold in (0.0, 0.2):
        assert found(score_threshold=threshold, best_class_only=True) == rows[:1]
    assert found(score_threshold=0.6, best_class_only=True) == []


def test_likely_priors_of_a_trained_network_are_few_and_of_an_untrained_one_all():
    logits, boxes = torch.randn(3, 60, 5), random_boxes(3, 60)
    predictions = predictions_of_two_levels(logits, boxes, OutputLayout(4), False)
    assert likely_priors(predictions, 0.01) is None and isinstance(candidate_source(predictions, 0.01), DenseSource)
    logits[..., 4] += 20
    logits[1, 7, 2] += 30
    predictions = predictions_of_two_levels(logits, boxes, OutputLayout(4), False)
    assert isinstance(candidate_source(predictions, 0.01), SparseSource)
    image, prior, rows = likely_priors(predictions, 0.01)
    assert image.tolist() == [1] and prior.tolist() == [7] and torch.equal(rows[0], logits[1, 7])


def test_likely_priors_for_the_best_class_are_those_whose_highest_output_is_not_the_background():
    logits, boxes = torch.zeros(3, 60, 5), random_boxes(3, 60)
    # Confidences of the classes are about 0.13, those of the background about 0.48.
    logits[..., 4] = 1.3
    logits[1, 7, 2] = 1.4
    predictions = predictions_of_two_levels(logits, boxes, OutputLayout(4), False)
    assert likely_priors(predictions, 0.1) is None
    image, prior, _ = likely_priors(predictions, 0.1, best_class_only=True)
    assert image.tolist() == [1] and prior.tolist() == [7]


def test_an_image_whose_best_candidates_suppress_each_other_takes_more():
    # 100 boxes in one place and two elsewhere: the first two places of the result need 101 candidates.
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(102, 1)
    boxes[100:] += torch.tensor([[50.0], [80.0]])
    scores = torch.linspace(0.9, 0.5, 102).view(1, 102, 1)
    (found,) = detect_dense(scores, boxes[None], 0.01, 400, 0.45, 3)
    assert found.boxes[:, 0].tolist() == [0.0, 50.0, 80.0]


def test_nothing_above_the_threshold_gives_nothing():
    for image in detect_dense(torch.zeros(2, 10, 3), torch.zeros(2, 10, 4), 0.5, 400, 0.45, 200):
        assert image.boxes.shape == (0, 4) and len(image.scores) == len(image.labels) == 0


def test_one_candidate_is_kept():
    scores = torch.zeros(2, 10, 3)
    scores[1, 4, 2] = 0.9
    first, second = detect_dense(scores, random_boxes(2, 10), 0.5, 400, 0.45, 200)
    assert len(first.scores) == 0 and second.labels.tolist() == [2] and second.scores.tolist() == pytest.approx([0.9])


def test_score_at_the_threshold_is_kept():
    (found,) = detect_dense(torch.full((1, 1, 1), 0.25), torch.zeros(1, 1, 4), 0.25, 400, None, 200)
    assert len(found.scores) == 1


def test_same_box_of_other_class_or_image_is_not_suppressed():
    scores = torch.tensor([[[0.9, 0.8]], [[0.7, 0.6]]])
    boxes = torch.tensor([0.0, 0.0, 5.0, 5.0]).expand(2, 1, 4)
    found = detect_dense(scores, boxes, 0.01, 400, 0.45, 200)
    assert [image.scores.tolist() for image in found] == [pytest.approx([0.9, 0.8]), pytest.approx([0.7, 0.6])]


def test_boxes_that_are_too_small_do_not_suppress():
    boxes = torch.tensor([[[0.0, 0.0, 4.0, 10.0], [0.0, 0.0, 5.0, 10.0]]])
    scores = torch.tensor([[[0.9], [0.8]]])
    (found,) = detect_dense(scores, boxes, 0.01, 400, 0.45, 200, min_size=4)
    assert found.scores.tolist() == pytest.approx([0.8])


def test_boxes_are_clipped_to_their_own_image():
    boxes = torch.tensor([[-5.0, -5.0, 100.0, 100.0]]).expand(2, 1, 4)
    predictions = predictions_of(torch.tensor([[[9.0, 0.0]], [[9.0, 0.0]]]), boxes, coder=BoxesAsOffsets())
    found = detect(predictions, torch.tensor([[20.0, 30.0], [40.0, 50.0]]), DetectionSettings(0.5))
    assert [image.boxes.tolist() for image in found] == [[[0.0, 0.0, 30.0, 20.0]], [[0.0, 0.0, 50.0, 40.0]]]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), threshold=st.sampled_from([0.0, 0.3, 0.45, 0.9]), block=st.sampled_from([1, 50, 10**6])
)
def test_suppression_in_parts_of_any_size_equals_that_of_all_at_once(seed, threshold, block):
    torch.manual_seed(seed)
    sizes = torch.randint(0, 40, (6,)).tolist()
    boxes = random_boxes(1, sum(sizes))[0]
    # A chain, where each box overlaps the next: what is kept depends on all before it.
    boxes[: sizes[0]] = torch.tensor([0.0, 0.0, 10.0, 10.0]) + 3 * torch.arange(sizes[0])[:, None]
    score = torch.rand(len(boxes))
    group = torch.repeat_interleave(torch.arange(6), torch.tensor(sizes))
    found = Candidates(image=group // 2, score=score, label=group % 2, prior=torch.arange(len(boxes))).sorted()
    boxes = boxes[found.prior]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detections, 'NMS_ON_CPU', block)
        keep = suppress(boxes, found, threshold)
    expected = torchvision.ops.batched_nms(
        boxes.double(), found.score.double(), found.image * 2 + found.label, threshold
    )
    assert keep.nonzero().flatten().tolist() == expected.sort().values.tolist()
